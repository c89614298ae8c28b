"""The process of a worker, as its supervisor sees it: whether it hangs, ended early, and gets signals."""

import os
import signal
from types import SimpleNamespace
from typing import Any

import pytest

from jikko.server import worker_process
from jikko.server.worker_process import WorkerProcess

NO_PROCESS = 1 << 30
"""The id of no process: Linux has less than four million of them."""


def test_a_worker_hangs_once_it_has_served_and_missed_too_many_heartbeats() -> None:
    process: Any = SimpleNamespace(pid=NO_PROCESS, returncode=None)
    channel: Any = None
    worker = WorkerProcess("s/0", process, channel)
    assert not any(worker.hangs(1) for _ in range(9))  # it does not serve yet: it may need long to start
    worker.has_served = True
    assert [worker.hangs(2) for _ in range(7)] == [False, False, True, False, False, True, False]
    worker.heard()
    assert [worker.hangs(2) for _ in range(3)] == [False, False, True]


def test_one_that_ended_early_is_not_started_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(worker_process, "time", SimpleNamespace(monotonic=lambda: now))
    process: Any = SimpleNamespace(pid=NO_PROCESS, returncode=0)
    channel: Any = None
    worker = WorkerProcess("s/0", process, channel)
    now += 5.0
    assert worker.ended_early  # it has not served
    worker.has_served = True
    assert not worker.ended_early
    now -= 0.1
    assert worker.ended_early
    assert worker.process_id == NO_PROCESS


def test_signals_go_to_those_that_live_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[int, int]] = []

    def kill(pid: int, number: int) -> None:
        sent.append((pid, number))
        raise ProcessLookupError

    monkeypatch.setattr(os, "kill", kill)
    channel: Any = None
    ended: Any = SimpleNamespace(pid=NO_PROCESS, returncode=0)
    WorkerProcess("s/0", ended, channel).signal(signal.SIGTERM)
    assert sent == []
    lives: Any = SimpleNamespace(pid=NO_PROCESS + 1, returncode=None)
    WorkerProcess("s/1", lives, channel).signal(signal.SIGTERM)  # it has ended, and nobody knows yet
    assert sent == [(NO_PROCESS + 1, signal.SIGTERM)]
