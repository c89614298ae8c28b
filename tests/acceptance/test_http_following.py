"""The log of a run: as JSON, as a stream that can be resumed, and by many at once."""

import asyncio
import json
from collections.abc import Callable

import httpx
import pytest

from tests.acceptance.client import Client
from tests.acceptance.conftest import Scene
from tests.acceptance.echo import EchoServer
from tests.effort import trusted

FOLLOWERS = 200


@pytest.fixture
def finished(scene: Scene) -> tuple[Client, str]:
    """A run that has ended, of several nodes."""
    client = scene.client("work")
    return client, client.run(q="hey!")["workflow_run_id"]


def test_the_log_as_json_is_numbered_from_0_without_gaps(finished: tuple[Client, str]) -> None:
    client, run = finished
    log = client.log(run)
    assert [event["id"] for event in log] == list(range(len(log)))
    assert log[0]["event"] == "run_started"
    assert log[-1]["event"] == "run_finished"


def test_the_log_as_a_stream_is_the_log_as_json(finished: tuple[Client, str]) -> None:
    client, run = finished
    with client.following(run) as events:
        streamed = [{"id": position, **event} for position, event in events]
    assert streamed == client.log(run)


def test_a_stream_resumes_behind_the_last_event_that_was_seen(finished: tuple[Client, str]) -> None:
    client, run = finished
    log = client.log(run)
    for position in range(len(log)):
        with client.following(run, after=position) as events:
            assert [position for position, _ in events] == list(range(position + 1, len(log)))


def test_a_stream_has_no_line_ends_but_its_own(scene: Scene) -> None:
    client = scene.client("echo")
    run = client.run(q="a\u2028b\u2029c\u0085d")["workflow_run_id"]
    stream = client.request("GET", f"/v1/workflows/run/{run}/events", headers={"Accept": "text/event-stream"}).text
    # As Python's clients split it.
    assert stream.splitlines() == stream.removesuffix("\n").split("\n")
    with client.following(run) as events:
        assert [event.get("outputs") for _, event in events][-1:] == [{"q": "a\u2028b\u2029c\u0085d"}]


def test_a_client_that_attaches_to_a_paused_run_is_told_what_happened_and_which_form_it_waits_for(scene: Scene) -> None:
    client = scene.client("asks")
    paused = client.run(q="なぜ")
    path = f"/v1/workflow/{paused['workflow_run_id']}/events?user=someone&include_state_snapshot=true"

    with client.messages("GET", path) as messages:
        received = list(messages)

    assert [(message["event"], message["data"].get("node_id")) for message in received] == [
        ("workflow_started", None),
        ("node_started", "start"),
        ("node_finished", "start"),
        ("node_started", "ask"),
        ("node_finished", "ask"),
        ("human_input_required", "ask"),
        ("workflow_paused", None),
    ]
    assert received[4]["data"]["status"] == "paused"
    tokens = [reason["form_token"] for reason in paused["data"]["reasons"]]
    assert (
        [reason["form_token"] for reason in received[-1]["data"]["reasons"]]
        == tokens
        == [received[5]["data"]["form_token"]]
    )


def test_a_stream_goes_on_through_a_pause(scene: Scene) -> None:
    client = scene.client("asks")
    paused = client.run(q="why")
    [reason] = paused["data"]["reasons"]
    seen = []
    with client.following(paused["workflow_run_id"]) as events:
        for _, event in events:
            seen.append(event["event"])
            if seen[-1] == "run_paused":
                submitted = {"inputs": {"comment": "so"}, "action": "yes", "user": client.user}
                path = f"/v1/form/human_input/{reason['form_token']}"
                assert client.request("POST", path, json=submitted).status_code == 200
    assert seen[-1] == "run_finished"


def test_a_position_behind_the_end_gets_nothing(finished: tuple[Client, str]) -> None:
    client, run = finished
    with client.following(run, after=10_000) as events:
        assert list(events) == []


def test_a_stream_that_is_cut_off_is_resumed_with_nothing_lost_or_doubled(scene: Scene, echo: EchoServer) -> None:
    client = scene.client("held")
    run = client.run("async", name="cut")["workflow_run_id"]
    echo.wait_for_calls("/hold/cut")
    seen = []
    with client.following(run) as events:
        for position, event in events:
            seen.append((position, event))
            if (event["event"], event.get("node_id")) == ("node_started", "wait"):
                break
    echo.release("/hold/cut")
    with client.following(run, after=seen[-1][0]) as events:
        seen += events
    assert [{"id": position, **event} for position, event in seen] == client.log(run)


@pytest.mark.slow
@pytest.mark.anyio
async def test_200_clients_follow_one_run(scene: Scene, echo: EchoServer) -> None:
    client = scene.client("held")
    run = await asyncio.to_thread(lambda: client.run("async", name="crowd")["workflow_run_id"])
    waiting = asyncio.Semaphore(0)

    async def follow(http: httpx.AsyncClient) -> list[int]:
        positions = []
        headers = {"Accept": "text/event-stream"}
        async with http.stream("GET", f"/v1/workflows/run/{run}/events", headers=headers) as answer:
            async for line in answer.aiter_lines():
                if line.startswith("id: "):
                    positions.append(int(line[4:]))
                elif line.startswith("data: ") and json.loads(line[6:]).get("node_id") == "wait":
                    waiting.release()
        return positions

    options = httpx.Limits(max_connections=FOLLOWERS)
    async with httpx.AsyncClient(
        base_url=scene.server.url, headers=client.headers, limits=options, verify=trusted(), timeout=60
    ) as http, asyncio.TaskGroup() as group:  # fmt: skip
        tasks = [group.create_task(follow(http)) for _ in range(FOLLOWERS)]
        for _ in range(FOLLOWERS):
            await waiting.acquire()
        # All are there, and the run has not ended.
        echo.release("/hold/crowd")
    expected = [event["id"] for event in await asyncio.to_thread(client.log, run)]
    assert all(task.result() == expected for task in tasks)


def test_another_client_of_the_app_may_listen_again_as_in_dify(scene: Scene, echo: EchoServer) -> None:
    client = scene.client("held")
    run = client.run("async", name="again")["workflow_run_id"]
    echo.wait_for_calls("/hold/again")
    path = f"/v1/workflow/{run}/events?user=someone&include_state_snapshot=true"
    with client.messages("GET", path) as messages:
        assert next(messages)["event"] == "workflow_started"
        echo.release("/hold/again")
        assert list(messages)[-1]["event"] == "workflow_finished"


def test_listening_to_a_finished_run_tells_its_end(finished: tuple[Client, str]) -> None:
    client, run = finished
    with client.messages("GET", f"/v1/workflow/{run}/events?user=someone") as messages:
        [message] = messages
    assert (message["event"], message["data"]["status"]) == ("workflow_finished", "succeeded")


@pytest.mark.parametrize(
    "written", [str, str.upper, lambda run: run.replace("-", "")], ids=["as told", "upper", "bare"]
)
def test_the_logs_find_a_run_by_its_id(finished: tuple[Client, str], written: Callable[[str], str]) -> None:
    client, run = finished
    page = client.get(f"/v1/workflows/logs?keyword={written(run)}")
    assert [entry["workflow_run"]["id"] for entry in page["data"]] == [run]


def test_of_another_keyword_30_characters_count(scene: Scene) -> None:
    client = scene.client("echo")
    run = client.run(q="a needle of thirty characters!")["workflow_run_id"]
    page = client.get("/v1/workflows/logs?keyword=a needle of thirty characters! and more")
    assert [entry["workflow_run"]["id"] for entry in page["data"]] == [run]


def test_the_logs_list_runs_newest_first(finished: tuple[Client, str]) -> None:
    client, first = finished
    second = client.run(q="later")["workflow_run_id"]
    page = client.get("/v1/workflows/logs?limit=2")
    assert [entry["workflow_run"]["id"] for entry in page["data"]] == [second, first]
    assert page["has_more"] is (page["total"] > 2)
