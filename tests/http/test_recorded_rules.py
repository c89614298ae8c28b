"""Forms, failed starts and files in records and streams."""

import json
from typing import Any

import httpx
import pytest

from jikko.values import FILE_IDENTITY
from tests.acceptance.workflows import ASKS, end, form, iteration, node, start
from tests.http.scene import RUN, body, client_of
from tests.runs.world import World

pytestmark = pytest.mark.anyio


def messages(answer: httpx.Response) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]


async def executions(client: httpx.AsyncClient, run_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await client.get(f"{RUN}/{run_id}/node-executions")).json()["data"]
    return found


async def test_a_form_that_was_answered_is_no_attempt_that_was_interrupted(world: World) -> None:
    app = (await world.apps.publish(ASKS.encode(), source="asks")).app
    async with client_of(world, app) as client:
        paused = (await client.post(RUN, json=body())).json()
        run, (reason,) = paused["workflow_run_id"], paused["data"]["reasons"]
        filled = {"inputs": {"comment": "日本"}, "action": "yes", "user": "anna"}
        await client.post(f"/v1/form/human_input/{reason['form_token']}", json=filled)
        await world.ended(run)

        asked = (await executions(client, run))[1]

    assert (asked["node_type"], asked["status"], asked["attempts"]) == ("human-input", "succeeded", [])


WEB = {"type": "webapp", "enabled": True, "id": "1", "config": {}}
MAIL = {"type": "email", "enabled": True, "id": "2", "config": {}}


@pytest.mark.parametrize(
    ("methods", "shown"),
    [
        ([WEB], True),
        ([MAIL, WEB], True),
        ([{**WEB, "enabled": False}], False),
        ([MAIL], False),
        ([{**WEB, "enabled": False}, MAIL], False),
        ([], False),
    ],
)
async def test_a_form_is_for_display_if_it_can_be_submitted_over_the_api(
    world: World, methods: list[Any], shown: bool
) -> None:
    asks = form("ask", "?")
    asks["data"]["delivery_methods"] = methods
    app = await world.app("Asks", [start(), asks, end(said="ask.comment")], "start>ask ask:yes>end")
    async with client_of(world, app) as client:
        live = messages(await client.post(RUN, json=body("streaming")))
        run = live[0]["workflow_run_id"]
        again = messages(
            await client.get(f"/v1/workflow/{run}/events", params={"user": "anna", "include_state_snapshot": "true"})
        )

    for received in (live, again):
        (required,) = [message["data"] for message in received if message["event"] == "human_input_required"]
        (reason,) = next(message["data"]["reasons"] for message in received if message["event"] == "workflow_paused")
        assert (required["display_in_ui"], required["form_token"] is not None) == (shown, shown)
        assert "display_in_ui" not in reason


SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


@pytest.mark.parametrize("given", [{"n": "日本"}, {"m": 1}, {"n": "x" * 1_000}, {"n": 1.5}, {"n": None}, {"n": [[{}]]}])
async def test_a_start_node_that_failed_records_no_inputs(world: World, given: Any) -> None:
    begin = start("q")
    begin["data"]["variables"].append(
        {"variable": "o", "label": "o", "type": "json_object", "required": True, "json_schema": SCHEMA}
    )
    app = await world.app("Strict", [begin, end(q="start.q")], "start>end")
    async with client_of(world, app) as client:
        received = messages(await client.post(RUN, json=body("streaming", q="kept", o=given)))
        (recorded,) = await executions(client, received[0]["workflow_run_id"])
        detail = (await client.get(f"{RUN}/{received[0]['workflow_run_id']}")).json()

    (failed,) = [message["data"] for message in received if message["event"] == "node_finished"]
    assert (failed["status"], failed["inputs"], failed["outputs"]) == ("failed", {}, {})
    assert (recorded["status"], recorded["inputs"], recorded["outputs"]) == ("failed", {}, {})
    assert received[0]["data"]["inputs"]["o"] == given
    assert json.loads(detail["inputs"])["o"] == given
    assert (detail["status"], detail["total_steps"]) == ("failed", 1)


@pytest.mark.parametrize("parallel", [1, 3])
async def test_files_in_an_iteration_are_told_as_they_are_kept_and_recorded_with_addresses_that_work(
    world: World, parallel: int
) -> None:
    body_node = node("each", "code", value="done")
    around = iteration("loop", "a.value", "each.value", body_node, parallel=parallel)
    nodes = [start(), node("a", "code"), *around, end(out="loop.output")]
    app = await world.app("Files", nodes, "start>a a>loop loop>end loop-start>each")
    async with client_of(world, app) as client:
        files = []
        for name in ("山.txt", "b.txt"):
            part = {"file": (name, name.encode(), "text/plain")}
            stored = (await client.post("/v1/files/upload", files=part, data={"user": "anna"})).json()
            files.append(
                {
                    "dify_model_identity": FILE_IDENTITY,
                    "type": "document",
                    "transfer_method": "local_file",
                    "remote_url": None,
                    "filename": name,
                    "related_id": stored["id"],
                    "url": stored["source_url"],
                }
            )
        world.script.values["a"] = files
        received = messages(await client.post(RUN, json=body("streaming")))
        world.now += 30 * 86400
        recorded = await executions(client, received[0]["workflow_run_id"])

        (container,) = [entry for entry in recorded if entry["node_type"] == "iteration"]
        again = container["inputs"]["iterator_selector"]
        fetched = [(await client.get(file["url"])).content.decode() for file in again]

    for name in ("iteration_started", "iteration_completed"):
        (message,) = [message for message in received if message["event"] == name]
        assert message["data"]["inputs"] == {
            "iterator_selector": [
                {name: part for name, part in file.items() if name not in ("related_id", "url")} for file in files
            ]
        }
    assert [{**file, "url": ""} for file in again] == [{**file, "url": ""} for file in files]
    assert fetched == ["山.txt", "b.txt"]


NUMBERED = [{"key": "output", "type": "array[number]", "value": "[7]"}]


@pytest.mark.parametrize(
    ("strategy", "outputs"),
    [(None, None), ("fail-branch", {}), ("default-value", {"output": [7]})],
)
@pytest.mark.parametrize(("kind", "own"), [("iteration", {"output": [["日"]]}), ("loop", {})])
async def test_a_container_that_failed_tells_what_it_had_come_to_whatever_is_made_of_its_failure(
    world: World, kind: str, own: dict[str, Any], strategy: str | None, outputs: dict[str, Any] | None
) -> None:
    around = iteration("around", "a.value", "b.result", node("b", "list-operator", variable=["around", "item"]))
    if kind == "loop":
        counted = {"type": "loop", "loop_count": 2, "break_conditions": [], "logical_operator": "and"}
        around[0]["data"] |= counted
        around[1]["data"]["type"] = "loop-start"
        for entry in around[2:]:
            entry["data"]["loop_id"] = entry["data"].pop("iteration_id")
    around[0]["data"] |= {"error_strategy": strategy, "default_value": NUMBERED}
    world.script.values["a"] = [["日"], "no list"]
    nodes = [start(), node("a", "code"), *around, end("good", out="around.output"), end("bad", out="around.error_type")]
    edges = "start>a>around around-start>b around:source>good around:fail-branch>bad"
    app = await world.app("Handled", nodes, edges)
    async with client_of(world, app) as client:
        received = messages(await client.post(RUN, json=body("streaming")))
        recorded = await executions(client, received[0]["workflow_run_id"])

    (told,) = [message["data"] for message in received if message["event"] == f"{kind}_completed"]
    (kept,) = [entry["outputs"] for entry in recorded if entry["node_id"] == "around"]
    assert (told["status"], told["error"], told["outputs"]) == ("failed", None, own)
    if outputs is None:
        assert kept == own
    else:
        handled = {name: value for name, value in kept.items() if not name.startswith("error_")}
        assert (handled, kept["error_type"]) == (outputs, "")


FILE = {"dify_model_identity": FILE_IDENTITY, "type": "image", "transfer_method": "remote_url", "filename": "山.png"}


@pytest.mark.parametrize(
    ("selectors", "status", "recorded"),
    [
        ({"query_variable_selector": ["start", "q"]}, "succeeded", {"query": "日本 🙂"}),
        ({"query_attachment_selector": ["a", "value"]}, "succeeded", {"attachments": [FILE]}),
        ({"query_variable_selector": ["a", "value"]}, "failed", {}),
        ({}, "succeeded", {}),
    ],
)
async def test_a_query_is_recorded_of_a_knowledge_node_that_asks_one(
    world: World, selectors: dict[str, Any], status: str, recorded: dict[str, Any]
) -> None:
    ranking = {"top_k": 3, "reranking_enable": False}
    finds = node("find", "knowledge-retrieval", dataset_ids=[], multiple_retrieval_config=ranking, **selectors)
    world.script.values["a"] = [FILE]
    app = await world.app("Finds", [start("q"), node("a", "code"), finds, end()], "start>a>find>end")
    async with client_of(world, app) as client:
        run = (await client.post(RUN, json=body(q="日本 🙂"))).json()["workflow_run_id"]
        entry = (await executions(client, run))[2]

    assert (entry["node_type"], entry["status"]) == ("knowledge-retrieval", status)
    assert {name: each for name, each in entry["inputs"].items() if each is not None} == recorded
