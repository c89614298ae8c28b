"""The log of a run as a stream that a standard ``EventSource`` resumes, and leaves at its end."""

import httpx
import pytest

from tests.http.scene import RUN, body
from tests.runs.world import World, until

pytestmark = pytest.mark.anyio

STREAM = {"Accept": "text/event-stream"}


async def log_of(client: httpx.AsyncClient) -> tuple[str, int]:
    """The address of the log of a run that has ended, and the position of its last event."""
    path = f"{RUN}/{(await client.post(RUN, json=body())).json()['workflow_run_id']}/events"
    return path, (await client.get(path)).json()["data"][-1]["id"]


async def test_a_client_that_has_seen_the_end_is_told_to_stop(client: httpx.AsyncClient) -> None:
    path, last = await log_of(client)

    for position in (last, last + 1, 10**17):
        answer = await client.get(path, headers={**STREAM, "Last-Event-ID": str(position)})
        assert (answer.status_code, answer.content) == (204, b"")
        assert "content-type" not in answer.headers
        assert "content-length" not in answer.headers


async def test_one_that_has_not_gets_the_rest(client: httpx.AsyncClient) -> None:
    path, last = await log_of(client)

    answer = await client.get(path, headers={**STREAM, "Last-Event-ID": str(last - 1)})

    assert answer.status_code == 200
    assert [line for line in answer.text.splitlines() if line.startswith(("id:", "event: run"))] == [
        f"id: {last}",
        "event: run_finished",
    ]


async def test_one_that_has_seen_nothing_gets_everything(client: httpx.AsyncClient) -> None:
    path, last = await log_of(client)

    answer = await client.get(path, headers=STREAM)

    assert answer.text.count("\nid: ") == last + 1


async def test_the_stream_says_how_soon_a_client_may_come_again(client: httpx.AsyncClient) -> None:
    path, _ = await log_of(client)

    assert (await client.get(path, headers=STREAM)).text.startswith("retry: 1000\nevent: ping\n\n")


async def test_the_log_as_json_is_there_whatever_was_seen(client: httpx.AsyncClient) -> None:
    path, last = await log_of(client)

    answer = await client.get(path, headers={"Last-Event-ID": str(last)})

    assert (answer.status_code, len(answer.json()["data"])) == (200, last + 1)


async def test_a_run_that_goes_on_is_followed_to_its_end_from_wherever(client: httpx.AsyncClient, world: World) -> None:
    world.script.held = {"b"}
    run = (await client.post(RUN, json=body("async"))).json()["workflow_run_id"]
    await until(lambda: world.script.ran["b"] == 1)
    world.script.release("b")

    answer = await client.get(f"{RUN}/{run}/events", headers={**STREAM, "Last-Event-ID": "2"})

    assert answer.status_code == 200
    assert answer.text.rstrip().splitlines()[-2] == "event: run_finished"
