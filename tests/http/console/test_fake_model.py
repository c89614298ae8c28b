"""A run repeated with a fake model in the place of a node's own: it answers by the prompt, and is kept in the log."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.workflows import Node, app, end, form, node, start, template
from tests.http.console.scene import API, Scene, console_on, decoded
from tests.http.console.test_runs import ended_or_paused, ran

pytestmark = pytest.mark.anyio

FAKE = {"fake_model": True}
PRIVATE = "青い lamp 🎉 \ue000"
MODEL = {"provider": "nowhere/none/none", "name": "m", "mode": "chat", "completion_params": {}}


def ask(text: str) -> Node:
    prompt = [{"role": "user", "text": text}]
    return node("ask", "llm", title="Ask 🤖", model=MODEL, prompt_template=prompt, context={"enabled": False})


ABOUT = "About {{#start.q#}}"
TELL = template("tell", "{{ a }}", a="ask.text")
ASKS = app("Asks", [start("q"), ask(ABOUT), TELL, end(text="tell.output")], "start>ask>tell>end")
SORTS = app(
    "Sorts",
    [
        start("q"),
        node(
            "sort",
            "question-classifier",
            model=MODEL,
            query_variable_selector=["start", "q"],
            classes=[{"id": "1", "name": "refund"}, {"id": "2", "name": "lamp"}],
        ),
        template("first", "one"),
        template("second", "two"),
        end(a="first.output", b="second.output"),
    ],
    "start>sort sort:1>first sort:2>second first>end second>end",
)
HELD = [start("q"), form("say", "?"), ask(ABOUT), end(text="ask.text")]
WAITS = app("Waits", HELD, "start>say say:yes>ask say:no>ask ask>end")


async def retried(client: httpx.AsyncClient, run_id: str, **body: Any) -> Any:
    """The run that repeats a run."""
    again = decoded(await client.post(f"{API}/runs/{run_id}/retry", json=body), 202)["run_id"]
    return await ended_or_paused(client, again)


async def finish(client: httpx.AsyncClient, run_id: str, node_id: str) -> dict[str, Any]:
    """How a node of a run has ended."""
    log = decoded(await client.get(f"{API}/runs/{run_id}/log"))["data"]
    [found] = [each for each in log if each["event"] == "node_finished" and each["node_id"] == node_id]
    return dict(found)


async def answer(client: httpx.AsyncClient, run_id: str) -> Any:
    """Answer the form that a run waits for. Returns the run, once it goes on no more."""
    [entry] = [each for each in decoded(await client.get(f"{API}/forms"))["data"] if each["run_id"] == run_id]
    path = f"{API}/runs/{run_id}/forms/{entry['form_id']}"
    decoded(await client.post(path, json={"action": "yes", "inputs": {"comment": "-"}}))
    return await ended_or_paused(client, run_id)


@pytest.mark.parametrize("name", ["ask", "Ask 🤖"])
async def test_the_node_runs_and_a_fake_model_answers_its_prompt(
    scene: Scene, operator: httpx.AsyncClient, name: str
) -> None:
    first = await ran(operator, await scene.publish(ASKS), q=PRIVATE)
    assert (first["status"], first["error"]["node_id"]) == ("failed", "ask")
    query = {"from_node_id": "ask", "values": "1"}
    [choice] = decoded(await operator.get(f"{API}/runs/{first['id']}/retry", params=query))["data"]
    assert {each["id"]: each["can_fake"] for each in choice["mockable"]} == {"ask": True, "tell": False}

    found = await retried(operator, first["id"], mocks={name: FAKE})
    assert found["status"] == "succeeded"
    assert f"About {PRIVATE}" in found["outputs"]["text"]
    assert found["lineage"]["mocked"] == ["ask"]
    told = await finish(operator, found["id"], "ask")
    assert (told["process_data"]["fake_model"], told["node_type"]) == (True, "llm")
    assert told["process_data"]["prompts"][0]["text"] == f"About {PRIVATE}"
    # What was taken over counts in a repeat of it, and the node's own model is asked again if it runs again.
    kept = await retried(operator, found["id"], from_node_id="tell")
    assert kept["outputs"] == found["outputs"]
    assert (await retried(operator, found["id"], from_node_id="ask"))["status"] == "failed"


async def test_the_service_api_takes_it_too(scene: Scene, operator: httpx.AsyncClient) -> None:
    asks = await scene.publish(ASKS)
    first = await ran(operator, asks, q=PRIVATE)
    key = decoded(await operator.post(f"{API}/apps/{asks.id}/keys"), 201)["key"]
    async with scene.client(Authorization=f"Bearer {key}") as client:
        body = {"mocks": {"ask": FAKE}, "user": first["user"], "response_mode": "blocking"}
        told = decoded(await client.post(f"/v1/workflows/run/{first['id']}/retry", json=body))
    assert told["data"]["status"] == "succeeded"
    assert f"About {PRIVATE}" in told["data"]["outputs"]["text"]


async def test_a_classifier_goes_the_way_that_the_fake_model_says(scene: Scene, operator: httpx.AsyncClient) -> None:
    first = await ran(operator, await scene.publish(SORTS), q="lamp")
    assert first["status"] == "failed"
    found = await retried(operator, first["id"], mocks={"sort": FAKE})
    told = await finish(operator, found["id"], "sort")
    assert (found["status"], told["process_data"]["fake_model"]) == ("succeeded", True)
    assert [name for name, value in found["outputs"].items() if value] == (
        ["a"] if told["outputs"]["class_id"] == "1" else ["b"]
    )


@pytest.mark.parametrize("wrong", ["tell", "end"])
async def test_a_node_that_asks_no_model_has_none(scene: Scene, operator: httpx.AsyncClient, wrong: str) -> None:
    first = await ran(operator, await scene.publish(ASKS), q="x")
    body = {"mocks": {wrong: FAKE}}
    refused = await operator.post(f"{API}/runs/{first['id']}/retry", json=body)
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_param")
    assert f"mocks: '{wrong}' has no model: fake_model is for nodes of the types llm" in refused.json()["message"]


async def test_it_is_kept_over_the_end_of_the_process(tmp_path: Path) -> None:
    async with console_on(tmp_path) as scene, await scene.script() as client:
        first = await ran(client, await scene.publish(WAITS), q=PRIVATE)
        first = await answer(client, first["id"])
        assert (first["status"], first["error"]["node_id"]) == ("failed", "ask")
        again = await retried(client, first["id"], from_node_id="say", mocks={"ask": FAKE})
        assert again["status"] == "paused"
    async with console_on(tmp_path) as scene, await scene.script() as client:
        found = await answer(client, again["id"])
        assert found["status"] == "succeeded"
        assert f"About {PRIVATE}" in found["outputs"]["text"]
