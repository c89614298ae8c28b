"""Streams of the console: changing lists of runs, and the log of a live run."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from jikko.console.console_access import IDLE_SECONDS
from jikko.http.responses import PING
from jikko.ports.cluster import RunsMoved
from jikko.repositories.app_store import App
from tests.http.console.scene import API, Scene, decoded
from tests.http.console.test_runs import ASKS, BROKEN, ECHO, ran
from tests.http.scene import Listener
from tests.runs.world import until

pytestmark = pytest.mark.anyio
NOBODY = "3f1c1f0e-7a1b-4c7e-9f00-00000000abcd"


@asynccontextmanager
async def watching(scene: Scene, path: str, **more: Any) -> AsyncIterator[Listener]:
    _, token = await scene.access.new_token("watcher", "viewer")
    listener = Listener(scene.application, token, "GET", f"{API}/{path}", host="localhost:8000", **more)
    await until(lambda: b"\n\n" in listener.received)
    yield listener
    await listener.leave()


def messages(listener: Listener, kind: str) -> list[Any]:
    """The data of the messages of a kind."""
    frames = [frame.split("\n") for frame in listener.received.decode().split("\n\n")]
    return [json.loads(frame[-1].removeprefix("data: ")) for frame in frames if f"event: {kind}" in frame]


def ids(listener: Listener) -> list[int]:
    return [int(line[4:]) for line in listener.received.decode().split("\n") if line.startswith("id: ")]


async def moved(scene: Scene, operator: httpx.AsyncClient, app: App, **inputs: Any) -> Any:
    """A run that has ended a second later, of which the server that executed it has told."""
    scene.clock.now += 1
    found = await ran(operator, app, **inputs)
    heard(scene, found["id"])
    return found


def heard(scene: Scene, run: str) -> None:
    """Tell the feed, as another server would."""
    assert scene.assembly.console is not None
    scene.assembly.console.feed.moved(RunsMoved(run_ids=(run,)))


async def test_a_list_is_told_of_each_run_that_moves(scene: Scene, operator: httpx.AsyncClient) -> None:
    echo, broken = await scene.publish(ECHO), await scene.publish(BROKEN)
    before = await ran(operator, echo, q="before 🦉")
    path = f"runs/stream?newest={before['id']}"
    nothing = {"counts": {}, "capped": False, "new": 0, "changed": [], "gone": []}
    async with watching(scene, path) as stream, watching(scene, f"{path}&app={broken.id}") as other:
        assert messages(stream, "tick") == [nothing | {"counts": {"succeeded": 1}}]
        assert messages(other, "tick") == [nothing]

        after = await moved(scene, operator, echo, q="after 🦉")

        await until(lambda: len(messages(stream, "tick")) == len(messages(other, "tick")) == 2)
        last = messages(stream, "tick")[-1]
        assert (last["counts"], last["new"], last["capped"]) == ({"succeeded": 2}, 1, False)
        [shown] = last["changed"]
        assert (shown["id"], shown["status"], shown["preview"]) == (after["id"], "succeeded", "after 🦉")
        assert messages(other, "tick")[-1] == nothing | {"gone": [after["id"]]}

        assert (await operator.delete(f"{API}/runs/{after['id']}")).status_code == 204
        heard(scene, after["id"])

        await until(lambda: messages(stream, "tick")[-1]["gone"])
        assert messages(stream, "tick")[-1] == nothing | {"counts": {"succeeded": 1}, "gone": [after["id"]]}


@pytest.mark.parametrize("newest", ["", "x", NOBODY])
async def test_without_a_place_runs_are_new_from_now_on(scene: Scene, operator: httpx.AsyncClient, newest: str) -> None:
    echo = await scene.publish(ECHO)
    await ran(operator, echo, q="1")
    async with watching(scene, f"runs/stream?newest={newest}") as stream:
        assert messages(stream, "tick")[0]["new"] == 0

        await moved(scene, operator, echo, q="2")

        await until(lambda: len(messages(stream, "tick")) == 2)
        assert messages(stream, "tick")[-1]["new"] == 1


async def test_a_log_comes_with_its_positions_until_its_run_ends(scene: Scene, operator: httpx.AsyncClient) -> None:
    asks = await scene.publish(ASKS)
    waiting = await ran(operator, asks, q="\u2028 line \x85")
    end = waiting["log_end"]
    async with watching(scene, f"runs/{waiting['id']}/stream") as stream:
        assert messages(stream, "hello") == [{"now": scene.clock.now, "end": end}]
        await until(lambda: ids(stream) == list(range(end)))
        assert "event: run_paused" in stream.received.decode()
        assert not stream.served.done(), "a pause is not the end"
        [form] = decoded(await operator.get(f"{API}/forms"))["data"]
        path = f"{API}/runs/{waiting['id']}/forms/{form['form_id']}"
        decoded(await operator.post(path, json={"action": "yes", "inputs": {"comment": "fine"}}))
        await until(lambda: stream.served.done())
    assert ids(stream) == list(range(len(ids(stream))))
    assert "event: run_finished" in stream.received.decode()
    assert not {"\u2028", "\x85"} & {*stream.received.decode()}, "some clients take these for the end of a line"


@pytest.mark.parametrize("given", ["query", "header"])
async def test_a_log_goes_on_behind_what_was_seen(scene: Scene, operator: httpx.AsyncClient, given: str) -> None:
    done = await ran(operator, await scene.publish(ECHO), q="x")
    path = f"runs/{done['id']}/stream" + ("?after=2" if given == "query" else "?after=0")

    async with watching(scene, path, last_event_id="2" if given == "header" else "") as stream:
        await until(lambda: stream.served.done())

    assert ids(stream) == list(range(3, done["log_end"]))


async def test_who_watches_a_quiet_run_hears_that_the_server_is_there(
    scene: Scene, operator: httpx.AsyncClient
) -> None:
    waiting = await ran(operator, await scene.publish(ASKS), q="x")
    scene.pings(0.01)
    async with watching(scene, f"runs/{waiting['id']}/stream") as stream, watching(scene, "runs/stream") as runs:
        await until(lambda: stream.received.count(PING) > 1 and runs.received.count(PING) > 1)


@pytest.mark.parametrize("path", [f"runs/{NOBODY}/stream", "runs/x/stream"])
async def test_a_run_that_is_not_there_has_no_stream(operator: httpx.AsyncClient, path: str) -> None:
    assert (await operator.get(f"{API}/{path}")).status_code == 404


@pytest.mark.parametrize("after", ["-2", "x", "9" * 30])
async def test_a_position_that_is_none_is_refused(scene: Scene, operator: httpx.AsyncClient, after: str) -> None:
    done = await ran(operator, await scene.publish(ECHO), q="x")

    async with asyncio.timeout(60):
        assert (await operator.get(f"{API}/runs/{done['id']}/stream?after={after}")).status_code == 400


@pytest.mark.parametrize("path", ["runs/stream", "runs/{run}/stream"])
async def test_a_stream_ends_once_its_token_is_revoked(scene: Scene, operator: httpx.AsyncClient, path: str) -> None:
    scene.pings(0.02)
    paused = await ran(operator, await scene.publish(ASKS), q="a form")
    token, secret = await scene.access.new_token("watcher", "viewer")
    address = f"{API}/{path.format(run=paused['id'])}"
    listener = Listener(scene.application, secret, "GET", address, host="localhost:8000")
    await until(lambda: PING in listener.received)
    scene.clock.now += 2
    heard = len(listener.received)
    await until(lambda: len(listener.received) > heard)
    await scene.access.revoke(token.id)
    scene.clock.now += 2
    await listener.ended()
    assert b"event: error" not in listener.received


async def test_a_stream_of_a_browser_ends_when_it_signs_out(scene: Scene) -> None:
    scene.pings(0.02)
    async with await scene.browser("viewer") as browser:
        cookie = "; ".join(f"{one.name}={one.value}" for one in browser.cookies.jar)
        listener = Listener(scene.application, "", "GET", f"{API}/runs/stream", host="localhost:8000", cookie=cookie)
        await until(lambda: PING in listener.received)
        assert (await browser.delete(f"{API}/session")).status_code == 204
        scene.clock.now += 2
        await listener.ended()


async def test_a_stream_keeps_no_session_that_nobody_uses(scene: Scene) -> None:
    scene.pings(0.02)
    async with await scene.browser("viewer") as browser:
        cookie = "; ".join(f"{one.name}={one.value}" for one in browser.cookies.jar)
        listener = Listener(scene.application, "", "GET", f"{API}/runs/stream", host="localhost:8000", cookie=cookie)
        for _ in range(3):
            heard = len(listener.received)
            await until(lambda heard=heard: len(listener.received) > heard)  # type: ignore[misc]
            scene.clock.now += IDLE_SECONDS / 2
        await listener.ended()
        assert (await browser.get(f"{API}/session")).status_code == 401
