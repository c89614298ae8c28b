"""Supervisor with workers as tasks of this process, each at the other end of a channel."""

import asyncio
import os
import re
import signal
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click
import pytest

from jikko.cluster.cluster_messages import Assembled, Heartbeat, Measure, Measured, Serving
from jikko.cluster.data_folder_lock import Hold, sole_owner
from jikko.concurrency.shutdown import Shutdown
from jikko.errors import InvalidSettings
from jikko.exit_codes import ExitCode
from jikko.server import supervisor as supervisors
from jikko.server.listening import listen
from jikko.server.supervisor import Supervisor, supervise
from jikko.server.worker_process import WorkerProcess
from jikko.settings import IMMEDIATE_STOP_SECONDS, Settings
from tests.effort import PATIENCE
from tests.runs.world import until
from tests.server.fake_system import NO_PROCESS, System

pytestmark = pytest.mark.anyio


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> System:
    made, kill = System(), os.kill

    def to_worker(pid: int, number: int) -> None:
        if pid >= NO_PROCESS:
            made.workers[pid - NO_PROCESS].heard(number)
        else:
            kill(pid, number)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", made.start)
    monkeypatch.setattr(os, "kill", to_worker)
    monkeypatch.setattr(supervisors, "_RETRY_SECONDS", 0.001)
    return made


@pytest.fixture
def hold(tmp_path: Path) -> Any:
    with sole_owner(tmp_path / "home", doing="a test") as held:
        yield held


@dataclass
class Scene:
    """A supervisor that runs."""

    supervisor: Supervisor
    sockets: list[socket.socket]
    running: "asyncio.Task[int]"

    async def is_ready(self) -> None:
        await until(lambda: self.supervisor._is_ready)

    async def stopped(self) -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        return await self.ended()

    async def ended(self) -> int:
        async with asyncio.timeout(PATIENCE):
            return await self.running


@pytest.fixture
async def scenes(system: System, hold: Hold, tmp_path: Path) -> AsyncIterator[Any]:
    made: list[Scene] = []

    def begin(workers: int = 2, **options: Any) -> Scene:
        given = {name: options.pop(name) for name in ("hung_after", "drains") if name in options}
        sockets, files = listen("127.0.0.1", 0, workers), options.pop("files", [])
        settings = Settings(home=tmp_path / "home", **options)
        supervisor = Supervisor(settings, sockets, hold, files, **given)
        made.append(Scene(supervisor, sockets, asyncio.ensure_future(supervisor.run())))
        return made[-1]

    yield begin
    for scene in made:
        if not scene.running.done():
            await scene.stopped()
        for listening in scene.sockets:
            listening.close()


async def test_one_publishes_and_the_others_begin_once_it_has(
    scenes: Any, system: System, capsys: pytest.CaptureFixture[str]
) -> None:
    system.begins = False
    scene = scenes(3, files=[Path("a.yml")])
    [first] = await system.started(1)
    assert len(system.workers) == 1
    first.say(Assembled(lines=["  try it"]))
    workers = await system.started(3)
    begins = [one.begin for one in workers if one.begin is not None]
    assert [begin.files for begin in begins] == [["a.yml"], None, None]
    assert [begin.workers for begin in begins] == [3, 3, 3]
    assert [begin.drains for begin in begins] == [False] * 3
    assert sorted(begin.name.partition("/")[2] for begin in begins) == ["0", "1", "2"]
    assert len({begin.name.partition("/")[0] for begin in begins}) == 1
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+-[0-9a-f]{8}", begin.name.partition("/")[0]) for begin in begins)
    for one in workers[1:]:
        one.say(Assembled(lines=[]), Serving())
    await until(lambda: len(scene.supervisor._hub.serving) == 2)
    assert "serves" not in capsys.readouterr().out  # one is not there yet
    first.say(Serving())
    await scene.is_ready()
    out = capsys.readouterr().out
    assert f"http://127.0.0.1:{scene.sockets[0].getsockname()[1]}/v1" in out
    assert out.splitlines()[1:] == ["  by 3 processes", "  try it"]
    assert await scene.stopped() == ExitCode.OK
    out = capsys.readouterr().out
    assert out.startswith("Stopping: runs have ")
    assert [one.signals for one in workers] == [[signal.SIGTERM]] * 3
    assert [listening.fileno() for listening in scene.sockets] == [-1] * 3


async def test_workers_are_told_whether_they_drain(scenes: Any, system: System) -> None:
    scenes(1, drains=True)
    [worker] = await system.started(1)
    assert worker.begin is not None
    assert worker.begin.drains


async def test_what_a_worker_is_started_with(scenes: Any, system: System, hold: Hold) -> None:
    scene = scenes(1, log_level="debug", log_format="json")
    await system.started(1)
    [command], [options] = system.commands, system.options
    assert command[1:4] == ("-P", "-m", "jikko.server.worker")
    assert command[6:] == ("debug", "json")
    assert options["pass_fds"] == (*(int(number) for number in command[4:6]), hold.fileno())
    assert options["stdin"] == asyncio.subprocess.DEVNULL
    assert options["start_new_session"]
    await scene.is_ready()
    assert hold._owner.workers == [NO_PROCESS]
    assert scene.sockets[0].fileno() != -1


async def test_a_second_signal_reaches_the_workers_too(
    scenes: Any, system: System, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = scenes(1)
    [worker] = await system.started(1)
    await scene.is_ready()
    worker.ends_at = ()
    os.kill(os.getpid(), signal.SIGTERM)
    await until(lambda: len(worker.signals) == 1)
    worker.ends_at = (signal.SIGTERM,)
    assert await scene.stopped() == ExitCode.OK
    assert worker.signals == [signal.SIGTERM, signal.SIGTERM]
    assert "Stopping at once" in capsys.readouterr().out


async def test_the_end_of_a_terminal_that_comes_twice_reached_the_workers_twice(
    scenes: Any, system: System, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = scenes(1)
    [worker] = await system.started(1)
    await scene.is_ready()
    worker.ends_at = ()
    for number in (signal.SIGHUP, signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
        os.kill(os.getpid(), number)
        await until(lambda: bool(worker.signals))
    await until(lambda: len(worker.signals) == 2)
    worker.end(0)
    await scene.ended()
    out = capsys.readouterr().out
    assert worker.signals == [signal.SIGTERM, signal.SIGTERM]
    assert (out.count("Stopping: "), out.count("Stopping at once")) == (1, 1)


@pytest.mark.parametrize("code", [1, -signal.SIGKILL])
async def test_one_that_does_not_end_in_good_order_makes_it_fail(scenes: Any, system: System, code: int) -> None:
    scene = scenes(2)
    workers = await system.started(2)
    await scene.is_ready()
    workers[0].ends_at = ()
    os.kill(os.getpid(), signal.SIGTERM)
    await until(lambda: bool(workers[0].signals))
    workers[0].end(code)
    assert await scene.ended() == ExitCode.FAILED


async def test_one_that_the_signal_itself_ended_does_not_make_it_fail(scenes: Any, system: System) -> None:
    scene = scenes(1)
    [worker] = await system.started(1)
    await scene.is_ready()
    worker.ends_at = ()
    os.kill(os.getpid(), signal.SIGTERM)
    await until(lambda: bool(worker.signals))
    worker.end(-signal.SIGTERM)
    assert await scene.ended() == ExitCode.OK


async def test_one_that_does_not_end_is_killed(scenes: Any, system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisors, "_TO_KILL", IMMEDIATE_STOP_SECONDS)
    scene = scenes(2, shutdown_seconds=0.01, drain_seconds=0.01)
    workers = await system.started(2)
    await scene.is_ready()
    workers[1].ends_at = (signal.SIGKILL,)
    assert await scene.stopped() == ExitCode.FAILED
    assert workers[1].signals == [signal.SIGTERM, signal.SIGKILL]
    assert workers[0].signals == [signal.SIGTERM]


@pytest.mark.parametrize(("signals", "seconds"), [(1, 0.5), (2, 0.0)], ids=["once", "twice"])
async def test_runs_have_their_seconds_before_any_is_killed_unless_somebody_is_in_a_hurry(
    scenes: Any, system: System, monkeypatch: pytest.MonkeyPatch, signals: int, seconds: float
) -> None:
    monkeypatch.setattr(supervisors, "_TO_KILL", IMMEDIATE_STOP_SECONDS)
    scene = scenes(1, shutdown_seconds=0.3 if signals == 1 else 3000, drain_seconds=0.2)
    [worker] = await system.started(1)
    await scene.is_ready()
    worker.ends_at = (signal.SIGKILL,)
    began = asyncio.get_running_loop().time()
    for number in range(signals):
        os.kill(os.getpid(), signal.SIGTERM)
        await until(partial(lambda known: len(worker.signals) > known, number))

    assert await scene.ended() == ExitCode.FAILED
    assert asyncio.get_running_loop().time() - began >= seconds


@pytest.mark.parametrize("code", [2, 10])
async def test_one_that_cannot_start_ends_the_server_with_its_code(scenes: Any, system: System, code: int) -> None:
    system.begins = False
    scene = scenes(2)
    [worker] = await system.started(1)
    worker.end(code)
    assert await scene.ended() == code
    assert len(system.workers) == 1


async def test_the_code_of_the_first_that_could_not_start_counts(scenes: Any, system: System) -> None:
    system.begins = False
    scene = scenes(2)
    [first] = await system.started(1)
    first.say(Assembled(lines=[]))
    workers = await system.started(2)
    workers[0].ends_at = ()
    workers[1].end(10)
    await until(lambda: bool(workers[0].signals))
    workers[0].end(1)
    assert await scene.ended() == 10


async def test_one_that_was_killed_is_replaced_and_it_is_told_where_its_runs_go(
    scenes: Any, system: System, caplog: pytest.LogCaptureFixture
) -> None:
    scene = scenes(2)
    workers = await system.started(2)
    await scene.is_ready()
    workers[0].end(-9)
    await system.started(3)
    assert f"worker {NO_PROCESS} was killed by signal 9; another one takes over its runs" in caplog.text
    assert workers[2].begin is not None
    assert workers[2].begin.files is None  # all is published
    await until(lambda: len(scene.supervisor._hub.serving) == 2)
    assert sorted(scene.supervisor._hold._owner.workers) == [NO_PROCESS + 1, NO_PROCESS + 2]
    system.begins = False
    workers[2].end(3)
    await system.started(4)
    assert f"worker {NO_PROCESS + 2} ended with exit code 3; another one takes over its runs" in caplog.text
    before = scene.sockets[0].fileno()
    workers[3].end(4)  # it never served: its place is left to the others
    await system.started(5)
    assert f"worker {NO_PROCESS + 3} ended with exit code 4; another one is started" in caplog.text
    assert (before != -1, scene.sockets[0].fileno()) == (True, -1)
    assert scene.sockets[1].fileno() != -1
    assert scene.supervisor._sockets[0].getsockname() == scene.sockets[1].getsockname()


async def test_one_that_was_killed_before_it_served_is_tried_again_on_the_same_socket(
    scenes: Any, system: System, caplog: pytest.LogCaptureFixture
) -> None:
    system.begins = False
    scene = scenes(1)
    [worker] = await system.started(1)
    system.begins = True
    worker.end(-9)
    await scene.is_ready()
    assert f"worker {NO_PROCESS} was killed by signal 9; another one is started" in caplog.text
    assert scene.sockets[0].fileno() != -1
    assert await scene.stopped() == ExitCode.OK


async def test_a_start_that_the_system_refuses_is_tried_again(
    scenes: Any, system: System, caplog: pytest.LogCaptureFixture
) -> None:
    system.refusals = 2
    scene = scenes(1)
    await scene.is_ready()
    assert caplog.text.count("a worker cannot be started, trying again: ") == 2
    assert scene.sockets[0].fileno() != -1  # nobody else serves
    assert await scene.stopped() == ExitCode.OK


@pytest.mark.parametrize("beats", [False, True])
async def test_one_that_says_nothing_is_killed_once_it_has_served(
    scenes: Any, system: System, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, beats: bool
) -> None:
    monkeypatch.setattr(supervisors, "HEARTBEAT_SECONDS", 0.005)
    looks = 0
    hangs = WorkerProcess.hangs

    def looked(process: WorkerProcess, after: int) -> bool:
        nonlocal looks
        looks += 1
        if beats:
            process.heard()
        return hangs(process, after)

    monkeypatch.setattr(WorkerProcess, "hangs", looked)
    scene = scenes(1, hung_after=2)
    [worker] = await system.started(1)
    await scene.is_ready()
    await until(lambda: looks > 6)
    killed = f"worker {NO_PROCESS} does not answer, and is killed" in caplog.text
    assert (killed, signal.SIGKILL in worker.signals) == (not beats, not beats)


async def test_each_message_shows_that_a_worker_does_not_hang(
    scenes: Any, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []
    monkeypatch.setattr(WorkerProcess, "heard", lambda process: heard.append(process.name))
    scene = scenes(1)
    [worker] = await system.started(1)
    await scene.is_ready()
    count = len(heard)
    worker.say(Heartbeat())
    await until(lambda: len(heard) == count + 1)


async def test_one_whose_messages_cannot_be_read_is_killed(
    scenes: Any, system: System, caplog: pytest.LogCaptureFixture
) -> None:
    scene = scenes(1)
    [worker] = await system.started(1)
    await scene.is_ready()
    worker.garble()
    await system.started(2)
    assert worker.signals == [signal.SIGKILL]
    assert f"a message of worker {NO_PROCESS} cannot be read" in caplog.text


async def test_the_numbers_of_all_are_added_up(scenes: Any, system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jikko.server.supervisor._TIMEOUT_SECONDS", PATIENCE)
    scene = scenes(2)
    workers = await system.started(2)
    await scene.is_ready()
    gathering = asyncio.ensure_future(scene.supervisor.gather())
    await until(lambda: all(Measure() in one.got for one in workers))
    for number, one in enumerate(workers, 1):
        one.say(Measured([("jikko_lost_total", (), [float(number)])]))
    found = {name: values for name, _, values in await gathering}
    assert found["jikko_lost_total"] == [3.0]
    workers[0].end(-9)
    await until(lambda: len(system.workers) == 3)
    await until(lambda: len(scene.supervisor._hub.serving) == 2)
    gathering = asyncio.ensure_future(scene.supervisor.gather())
    await until(lambda: workers[2].got.count(Measure()) == 1 and workers[1].got.count(Measure()) == 2)
    for one in workers[1:]:
        one.say(Measured([("jikko_lost_total", (), [5.0])]))
    found = {name: values for name, _, values in await gathering}
    assert found["jikko_lost_total"] == [11.0]  # what the dead one had counted is not lost


class Told:
    """A supervisor that writes down what it is made with, and ends at once."""

    code = 0
    made: "list[tuple[Any, ...]]"

    def __init__(
        self, settings: Settings, sockets: Any, hold: Hold, files: Any, *, drains: bool, shutdown: Shutdown
    ) -> None:
        type(self).made.append((sockets, files, drains))

    async def run(self) -> int:
        return self.code

    async def gather(self) -> Any:
        return []


@pytest.mark.parametrize("code", [0, 7])
@pytest.mark.parametrize("inherits", [False, True])
async def test_a_socket_that_was_handed_over_is_for_all_and_has_them_drain(
    hold: Hold, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inherits: bool, code: int
) -> None:
    [given] = listen("127.0.0.1", 0)
    monkeypatch.setattr(Told, "made", [], raising=False)
    monkeypatch.setattr(Told, "code", code)
    monkeypatch.setattr(supervisors, "Supervisor", Told)
    monkeypatch.setattr(supervisors, "handed_over", lambda: given if inherits else None)
    settings = Settings(home=tmp_path / "home", port=0)
    if code:
        with pytest.raises(click.exceptions.Exit) as ended:
            await supervise(settings, 3, [Path("a.yml")], hold)
        assert ended.value.exit_code == code
    else:
        await supervise(settings, 3, [Path("a.yml")], hold)
    [(sockets, files, drains)] = Told.made
    assert (len(sockets), files, drains) == (3, [Path("a.yml")], inherits)
    assert (sockets == [given] * 3) is inherits
    assert hold._owner.address == f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
    for listening in (*sockets, given):
        listening.close()


async def test_an_address_that_cannot_be_listened_on_is_a_wrong_setting(hold: Hold, tmp_path: Path) -> None:
    [taken] = listen("127.0.0.1", 0)
    with taken, pytest.raises(InvalidSettings, match="Cannot listen on"):
        await supervise(Settings(home=tmp_path / "home", port=taken.getsockname()[1]), 2, [], hold)
