"""Supervisor's hub: routing of messages. Channels are those of workers that only listen."""

import asyncio
from typing import Any

import msgspec
import pytest

from jikko.cluster.cluster_messages import (
    SUPERVISOR,
    Broadcast,
    CountRequest,
    ReadAgain,
    Serving,
    WorkerCall,
    WorkerReply,
)
from jikko.cluster.cluster_messages import Assembled as Ready
from jikko.cluster.hub import Hub
from jikko.ports.cluster import RunChanged, StopRun
from tests.runs.world import until

pytestmark = pytest.mark.anyio


class Line:
    """A worker's end: what it was sent."""

    def __init__(self) -> None:
        self.got: list[Any] = []

    def send(self, message: Any) -> None:
        self.got.append(message)

    def of(self, kind: type[Any]) -> list[Any]:
        return [message for message in self.got if isinstance(message, kind)]


class Workers:
    """A hub, and workers that serve."""

    def __init__(self, *names: str) -> None:
        self.hub = Hub(len(names), 1)
        self.lines: dict[str, Line] = {}
        for name in names:
            line: Any = Line()
            self.lines[name] = line
            self.hub.connect(name, line)
            self.hub.on_message(name, Ready(lines=[]))
            self.hub.on_message(name, Serving())

    async def asked(self, name: str) -> WorkerCall:
        """What a worker was asked last, once it was."""
        await until(lambda: self.lines[name].of(WorkerCall) != [])
        request: WorkerCall = self.lines[name].of(WorkerCall)[-1]
        return request

    async def answer(self, name: str, refused: str = "") -> None:
        request = await self.asked(name)
        self.hub.on_message(name, WorkerReply(to=SUPERVISOR, number=request.number, answer=None, refused=refused))


async def test_requests_are_counted_here_and_answered_to_who_asked() -> None:
    workers = Workers("s/1", "s/2")

    for number, key in enumerate([b"a", b"b", b"a"]):
        command = CountRequest(key=key, per_minute=1)
        workers.hub.on_message("s/2", WorkerCall(to=SUPERVISOR, sender="s/2", number=number, command=command))

    answers = workers.lines["s/2"].of(WorkerReply)
    assert [(answer.to, answer.number) for answer in answers] == [("s/2", 0), ("s/2", 1), ("s/2", 2)]
    assert [answer.answer > 0 for answer in answers] == [False, False, True]
    assert workers.lines["s/1"].of(WorkerReply) == []


async def test_a_worker_of_a_version_that_tells_no_rate_is_counted_at_that_of_api_keys() -> None:
    workers = Workers("s/1")
    text = (
        b'{"type":"Request","to":"supervisor","sender":"s/1","number":1,"command":{"type":"CountRequest","key":"AA=="}}'
    )
    for _ in range(2):
        workers.hub.on_message("s/1", msgspec.json.decode(text, type=WorkerCall))

    assert [answer.answer > 0 for answer in workers.lines["s/1"].of(WorkerReply)] == [False, True]


async def test_a_request_goes_to_its_worker_and_the_response_back_and_of_nobody_none_is_told() -> None:
    workers = Workers("s/1", "s/2")
    request = WorkerCall(to="s/2", sender="s/1", number=1, command=StopRun(run_id="r", error=""))
    response = WorkerReply(to="s/1", number=1, answer=1)

    workers.hub.on_message("s/1", request)
    workers.hub.on_message("s/2", response)
    workers.hub.on_message("s/1", WorkerCall(to="s/9", sender="s/1", number=2, command=StopRun(run_id="r", error="")))

    assert workers.lines["s/2"].of(WorkerCall) == [request]
    assert workers.lines["s/1"].of(WorkerReply) == [response, WorkerReply(to="s/1", number=2, answer=None)]


async def test_what_is_said_to_all_comes_to_all() -> None:
    workers = Workers("s/1", "s/2", "s/3")
    broadcast = Broadcast(hint=RunChanged("r"))

    workers.hub.on_message("s/2", broadcast)

    assert [line.of(Broadcast) for line in workers.lines.values()] == [[broadcast]] * 3


async def test_files_are_read_again_by_all_that_serve_and_what_they_refuse_is_told_once() -> None:
    workers = Workers("s/1", "s/2", "s/3")
    reading = asyncio.ensure_future(workers.hub.read_again())
    await workers.answer("s/1", "tools.yml: b is wrong")
    await workers.answer("s/2")
    assert not reading.done()
    await workers.answer("s/3", "tools.yml: b is wrong")

    assert await reading == "tools.yml: b is wrong"
    assert [type(request.command) for line in workers.lines.values() for request in line.of(WorkerCall)] == [
        ReadAgain
    ] * 3
    # A late answer is of no use to anybody.
    await workers.answer("s/3", "late")
    again = asyncio.ensure_future(workers.hub.read_again())
    await asyncio.sleep(0)
    for name in workers.lines:
        await workers.answer(name)
    assert await again == ""


async def test_a_worker_that_dies_while_it_reads_keeps_nobody_waiting() -> None:
    workers = Workers("s/1", "s/2")
    reading = asyncio.ensure_future(workers.hub.read_again())
    await workers.answer("s/1")
    await workers.asked("s/2")

    workers.hub.disconnect("s/2")

    assert await reading == ""
    assert workers.hub.serving == ["s/1"]


async def test_while_nobody_serves_there_is_nothing_to_refuse() -> None:
    assert await Workers().hub.read_again() == ""


async def test_an_answer_that_nobody_waits_for_harms_nothing() -> None:
    workers = Workers("s/0")

    workers.hub.on_message("s/0", WorkerReply(to=SUPERVISOR, number=7, answer=None, refused="遅い"))

    reading = asyncio.create_task(workers.hub.read_again())
    await workers.answer("s/0")
    assert await reading == ""
