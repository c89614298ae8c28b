"""Remains of an ended supervisor: nothing that runs."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from jikko.cluster.data_folder_lock import sole_owner
from jikko.exit_codes import ExitCode
from jikko.server.listening import listen
from jikko.server.supervisor import Supervisor
from jikko.settings import Settings
from tests.runs.world import until
from tests.server.fake_system import System
from tests.server.test_supervising import system

__all__ = ["system"]

pytestmark = pytest.mark.anyio


async def test_nothing_goes_on_behind_its_end(tmp_path: Path, system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    with sole_owner(tmp_path / "home", doing="a test") as hold:
        before = asyncio.all_tasks()
        supervisor = Supervisor(Settings(home=tmp_path / "home"), listen("127.0.0.1", 0), hold, [])
        running = asyncio.ensure_future(supervisor.run())
        await until(lambda: supervisor._is_ready)
        names = {getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks() - before}
        assert "Supervisor._watch" in names
        os.kill(os.getpid(), signal.SIGTERM)

        assert await running == ExitCode.OK

        await asyncio.sleep(0)
        left = {getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks() - before}
        assert not left & {"Supervisor._watch", "send_watchdog_heartbeats", "Supervisor._attend"}
        assert signal.getsignal(signal.SIGUSR1) is signal.SIG_IGN
