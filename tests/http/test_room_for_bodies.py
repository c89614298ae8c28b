"""There is room for large bodies of requests, all together, and each gives it back at every end. In virtual time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import msgspec
import pytest

from jikko.concurrency.memory_budget import WAIT_SECONDS
from jikko.http.bodies.reading import SMALL_BYTES, Bodies
from tests.http.scene import RUN, body, client_of
from tests.runs.world import Process, World, until
from tests.virtual_time import run

SECONDS = 10.0
"""In which a body has to be whole, while others wait."""
ROOM = 1 << 20
LARGE = 600_000
"""Bytes of a body of which there is room for one."""
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "multipart/form-data; boundary=b"}
FILE = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\nContent-Type: video/mp4\r\n\r\n'


class Scene:
    """A server of two apps, and the room for the bodies of its requests."""

    def __init__(self, world: World, process: Process, bodies: Bodies, clients: list[httpx.AsyncClient]) -> None:
        self.world, self.process, self.bodies = world, process, bodies
        self.client, self.other = clients

    @property
    def taken(self) -> int:
        assert self.bodies.room is not None
        return self.bodies.room.taken

    def post(self, content: Any, path: str = RUN, **headers: str) -> "asyncio.Task[httpx.Response]":
        return asyncio.create_task(self.client.post(path, content=content, headers=JSON | headers))


def tried(work: Callable[[Scene], Awaitable[None]], memory: int = ROOM) -> None:
    async def all_of_it() -> None:
        world = World()
        process, bodies = world.process(), Bodies(memory, 1.0, SECONDS)
        apps = [await world.chain(), await world.chain()]
        async with (
            client_of(world, apps[0], process, bodies=bodies) as one,
            client_of(world, apps[1], process, bodies=bodies) as other,
        ):
            scene = Scene(world, process, bodies, [one, other])
            await work(scene)
            assert scene.taken == 0
        await world.close()

    run(all_of_it())


def large(size: int = LARGE, mode: str = "async") -> bytes:
    return msgspec.json.encode(body(mode, q="x" * size))


class Sender:
    """A client that sends the first half of a body, and the rest when it is told."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.go_on, self.asked = asyncio.Event(), 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        half = len(self.content) // 2
        self.asked += 1
        yield self.content[:half]
        self.asked += 1
        await self.go_on.wait()
        yield self.content[half:]

    @property
    def length(self) -> dict[str, str]:
        return {"Content-Length": str(len(self.content))}


async def settled() -> None:
    """Until nothing goes on any more but what waits for time, or for the test."""
    await asyncio.sleep(0.01)


def test_a_body_that_finds_no_room_is_not_read_before_there_is_some() -> None:
    async def work(scene: Scene) -> None:
        first, second = Sender(large()), Sender(large())
        slow = scene.post(first, **first.length)
        await settled()
        assert LARGE < scene.taken <= ROOM
        waiting = scene.post(second, **second.length)
        await settled()
        assert (first.asked, second.asked) == (2, 0)
        # Small ones never wait.
        assert (await scene.client.post(RUN, json=body("async"))).status_code == 202
        first.go_on.set()
        second.go_on.set()
        assert [(await answer).status_code for answer in (slow, waiting)] == [202, 202]

    tried(work)


def test_bodies_of_a_length_take_room_for_that_and_are_read_at_once_as_far_as_they_fit() -> None:
    async def work(scene: Scene) -> None:
        senders = [Sender(large(300_000)) for _ in range(4)]
        answers = [scene.post(sender, **sender.length) for sender in senders]
        await settled()
        assert [sender.asked for sender in senders] == [2, 2, 2, 0]
        assert scene.taken == sum(len(sender.content) for sender in senders[:3])
        for sender in senders:
            sender.go_on.set()
        assert {(await answer).status_code for answer in answers} == {202}

    tried(work)


def test_who_finds_no_room_for_too_long_is_told_to_come_again() -> None:
    async def work(scene: Scene) -> None:
        first = Sender(large())
        slow = scene.post(first, **first.length)
        await settled()
        # The whole of it is here: what takes its time is the server, which cuts off nobody for that.
        reservation_of(scene).shrink_to_fit(LARGE)
        began = asyncio.get_running_loop().time()
        answer = await scene.client.post(RUN, content=large(), headers=JSON)
        assert asyncio.get_running_loop().time() - began >= WAIT_SECONDS
        assert (answer.status_code, answer.json()["code"]) == (503, "service_unavailable")
        assert int(answer.headers["retry-after"]) >= 1
        assert "JIKKO_BODY_MEMORY" in answer.json()["message"]
        first.go_on.set()
        assert (await slow).status_code == 202

    tried(work)


def reservation_of(scene: Scene) -> Any:
    assert scene.bodies.room is not None
    [stay] = scene.bodies.room._filling
    return stay


def test_who_dribbles_is_cut_off_once_another_needs_the_room() -> None:
    async def work(scene: Scene) -> None:
        first = Sender(large())
        slow = scene.post(first, **first.length)
        await asyncio.sleep(100 * SECONDS)
        assert not slow.done()
        # Of another app, too.
        assert (await scene.other.post(RUN, content=large(), headers=JSON)).status_code == 202
        answer = await slow
        assert (answer.status_code, answer.json()["code"]) == (408, "request_timeout")

    tried(work)


def chunked(content: bytes) -> Any:
    return Sender(content)


ENDS: dict[str, tuple[Any, int]] = {
    "a run that goes on": (large(mode="async"), 202),
    "no JSON": (b"x" * LARGE, 400),
    "no object": (b'["' + b"x" * LARGE + b'"]', 400),
    "wrong fields": (b'{"inputs": "' + b"x" * LARGE + b'"}', 400),
    "too large": (b"x" * (2 * ROOM), 413),
}


@pytest.mark.parametrize("is_chunked", [False, True], ids=["of a length", "in chunks"])
@pytest.mark.parametrize("end", ENDS)
def test_every_end_gives_the_room_back(end: str, is_chunked: bool) -> None:
    async def work(scene: Scene) -> None:
        content, status = ENDS[end]
        sender = Sender(content)
        sender.go_on.set()
        answer = await scene.post(sender, **({} if is_chunked else sender.length))
        assert answer.status_code == status
        assert scene.taken == 0

    tried(work)


@pytest.mark.parametrize("has_room", [True, False])
def test_a_request_that_is_broken_off_gives_the_room_back(has_room: bool) -> None:
    async def work(scene: Scene) -> None:
        first, second = Sender(large()), Sender(large())
        tasks = [scene.post(sender, **sender.length) for sender in (first, second)]
        await settled()
        gone, other = tasks if has_room else reversed(tasks)
        gone.cancel()
        await settled()
        first.go_on.set()
        second.go_on.set()
        assert (await other).status_code == 202

    tried(work)


def test_a_body_in_chunks_has_room_for_the_largest_until_it_is_whole() -> None:
    async def work(scene: Scene) -> None:
        sender = Sender(large(2 * SMALL_BYTES + 100))
        answer = scene.post(sender)
        await settled()
        assert scene.taken == ROOM
        sender.go_on.set()
        assert (await answer).status_code == 202

    tried(work)


@pytest.mark.parametrize("mode", ["blocking", "streaming"])
def test_a_run_that_was_started_has_no_room_of_its_request_any_more(mode: str) -> None:
    async def work(scene: Scene) -> None:
        scene.world.script.held = {"a"}
        answer = scene.post(large(mode=mode))
        await until(lambda: scene.world.script.ran["a"] == 1)
        # Once its beginning is durable.
        await settled()
        assert scene.taken == 0
        scene.world.script.release("a")
        assert (await answer).status_code == 200

    tried(work)


@pytest.mark.anyio
async def test_an_upload_takes_as_much_as_is_in_memory_of_it() -> None:
    world, bodies = World(), Bodies(16 << 20)
    sender = Sender(FILE + b"x" * (8 << 20) + b"\r\n--b--\r\n")
    async with client_of(world, await world.chain(), bodies=bodies) as client:
        answer = asyncio.create_task(client.post("/v1/files/upload", content=sender, headers=FORM | sender.length))
        await until(lambda: sender.asked == 2)
        assert bodies.room is not None
        assert 0 < bodies.room.taken <= 2 << 20
        sender.go_on.set()
        assert (await answer).status_code == 201
        assert bodies.room.taken == 0
    await world.close()


def test_without_a_limit_nothing_waits() -> None:
    async def work(scene: Scene) -> None:
        assert scene.bodies.room is None
        senders = [Sender(large()) for _ in range(20)]
        answers = [scene.post(sender, **sender.length) for sender in senders]
        await settled()
        assert [sender.asked for sender in senders] == [2] * 20
        for sender in senders:
            sender.go_on.set()
        assert {(await answer).status_code for answer in answers} == {202}

    async def all_of_it() -> None:
        world = World()
        bodies = Bodies()
        process, app = world.process(), await world.chain()
        async with client_of(world, app, process, bodies=bodies) as client:
            await work(Scene(world, process, bodies, [client, client]))
        await world.close()

    run(all_of_it())
