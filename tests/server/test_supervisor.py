"""A supervisor whom the system lets start no process."""

import asyncio
import errno
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from jikko.cluster.data_folder_lock import sole_owner
from jikko.cluster.workers import HEARTBEAT_SECONDS
from jikko.exit_codes import ExitCode
from jikko.server import supervisor as supervisors
from jikko.server.listening import listen
from jikko.server.supervisor import HUNG_AFTER, Supervisor
from jikko.settings import Settings
from tests.effort import PATIENCE, trusted

pytestmark = pytest.mark.anyio


@pytest.mark.slow
@pytest.mark.every_python
async def test_a_worker_that_cannot_be_started_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refusals = [errno.EAGAIN, errno.EMFILE]
    start = asyncio.create_subprocess_exec

    async def start_or_not(*command: Any, **options: Any) -> asyncio.subprocess.Process:
        if refusals:
            number = refusals.pop()
            raise OSError(number, os.strerror(number))
        return await start(*command, **options)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", start_or_not)
    with sole_owner(tmp_path) as hold:
        [listening] = listen("127.0.0.1", 0)
        supervisor = Supervisor(Settings(home=tmp_path), [listening], hold, [])
        running = asyncio.get_running_loop().create_task(supervisor.run())

        # It waits at the door until somebody serves.
        async with httpx.AsyncClient(verify=trusted(), timeout=PATIENCE) as client:
            answer = await client.get(f"http://127.0.0.1:{listening.getsockname()[1]}/health")
        assert answer.status_code == 200
        assert not refusals

        os.kill(os.getpid(), signal.SIGTERM)
        assert await running == ExitCode.OK
        listening.close()


@pytest.mark.slow
async def test_a_worker_that_hangs_is_killed_and_another_takes_its_place(tmp_path: Path) -> None:
    with sole_owner(tmp_path, doing="a test") as hold:
        sockets = listen("127.0.0.1", 0, 2)
        supervisor = Supervisor(Settings(home=tmp_path), sockets, hold, [], hung_after=2)
        running = asyncio.get_running_loop().create_task(supervisor.run())
        url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}/health"

        async def serving() -> int:
            async with httpx.AsyncClient(verify=trusted(), timeout=60) as client:
                number: int = (await client.get(url)).json()["process"]
                return number

        hangs = await serving()
        os.kill(hangs, signal.SIGSTOP)
        async with asyncio.timeout(60):
            while is_there(hangs):  # noqa: ASYNC110 - the system tells nobody but its parent
                await asyncio.sleep(0.05)
            # Whatever waited at its door is served by the next one.
            while await serving() == hangs:
                pass

        os.kill(os.getpid(), signal.SIGTERM)
        assert await running == ExitCode.OK


def test_it_is_given_fifteen_seconds_at_most() -> None:
    assert (HUNG_AFTER + 1) * HEARTBEAT_SECONDS <= 15


@pytest.mark.slow
async def test_one_that_stood_still_with_its_workers_blames_none_of_them(tmp_path: Path) -> None:
    with sole_owner(tmp_path, doing="a test") as hold:
        sockets = listen("127.0.0.1", 0, 1)
        supervisor = Supervisor(Settings(home=tmp_path), sockets, hold, [], hung_after=2)
        running = asyncio.get_running_loop().create_task(supervisor.run())
        async with httpx.AsyncClient(verify=trusted(), timeout=60) as client:
            url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}/health"
            process = (await client.get(url)).json()["process"]
            os.kill(process, signal.SIGSTOP)
            time.sleep(5)  # noqa: ASYNC251 - this is what is tried: its loop stands still
            os.kill(process, signal.SIGCONT)
            await asyncio.sleep(0)
            assert (await client.get(url)).json()["process"] == process
        os.kill(os.getpid(), signal.SIGTERM)
        assert await running == ExitCode.OK


@pytest.mark.slow
@pytest.mark.every_python
@pytest.mark.parametrize("by", ["the supervisor", "others"])
async def test_a_server_of_which_a_worker_did_not_end_by_itself_has_failed(tmp_path: Path, by: str) -> None:
    with sole_owner(tmp_path, doing="a test") as hold:
        sockets = listen("127.0.0.1", 0, 1)
        supervisor = Supervisor(Settings(home=tmp_path, shutdown_seconds=0, drain_seconds=0), sockets, hold, [])
        running = asyncio.get_running_loop().create_task(supervisor.run())
        async with httpx.AsyncClient(verify=trusted(), timeout=PATIENCE) as client:
            url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}/health"
            process = (await client.get(url)).json()["process"]
        os.kill(process, signal.SIGSTOP)

        os.kill(os.getpid(), signal.SIGTERM)
        if by == "others":
            async with asyncio.timeout(PATIENCE):
                while sockets[0].fileno() != -1:  # noqa: ASYNC110 - its doors are closed first
                    await asyncio.sleep(0.01)
            with suppress(ProcessLookupError):  # the supervisor may have been quicker
                os.kill(process, signal.SIGKILL)

        assert await running == ExitCode.FAILED
        assert not is_there(process)


@pytest.mark.slow
async def test_no_connection_waits_for_a_worker_that_cannot_be_started_and_it_serves_once_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    may_start = [True]
    start = asyncio.create_subprocess_exec

    async def start_or_not(*command: Any, **options: Any) -> asyncio.subprocess.Process:
        if not may_start:
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        may_start.pop()
        return await start(*command, **options)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", start_or_not)
    monkeypatch.setattr(supervisors, "_RETRY_SECONDS", 0.1)
    with sole_owner(tmp_path, doing="a test") as hold:
        sockets = listen("127.0.0.1", 0, 2)
        url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}/health"
        supervisor = Supervisor(Settings(home=tmp_path), sockets, hold, [])
        running = asyncio.get_running_loop().create_task(supervisor.run())

        async def served_by() -> int | None:
            """The process that answers a new connection; ``None`` if it waits."""
            try:
                async with httpx.AsyncClient(verify=trusted(), timeout=5) as client:
                    process: int = (await client.get(url)).json()["process"]
                    return process
            except httpx.TransportError:
                return None

        # Each connection to a worker that is just being started may wait for five seconds.
        async with asyncio.timeout(5 * PATIENCE):
            while len(found := {await served_by() for _ in range(30)}) > 1 or found == {None}:
                pass
            first = found.pop()
            may_start += [True]
            while {first, None} >= {await served_by() for _ in range(10)}:
                pass
            assert first is not None
            may_start += [True]
            os.kill(first, signal.SIGKILL)
            while await served_by() in (first, None):
                pass
            # Another worker may serve before the supervisor knows of the first.
            while f"worker {first} was killed by signal 9" not in caplog.text:  # noqa: ASYNC110 - nobody else is told
                await asyncio.sleep(0.01)

        os.kill(os.getpid(), signal.SIGTERM)
        assert await running == ExitCode.OK


def is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
