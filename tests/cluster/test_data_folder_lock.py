"""Holders and waiters of a data folder's lock."""

import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jikko.cluster.data_folder_lock import sole_owner
from jikko.errors import FolderInUse
from tests.effort import PATIENCE

HOLD = """
import sys, pathlib
from jikko.cluster.data_folder_lock import sole_owner
with sole_owner(pathlib.Path(sys.argv[1])) as hold:
    hold.say(address="http://127.0.0.1:8123", grace=20.0)
    print("held", flush=True)
    sys.stdin.read()
"""
FILL_THE_DISK = """
import resource, sys, pathlib
from jikko.cluster.data_folder_lock import sole_owner
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
with sole_owner(pathlib.Path(sys.argv[1])) as hold:
    hold.say(address="http://127.0.0.1:8123")
    print("held", flush=True)
    raise SystemExit("the database cannot be used")
"""
LEAVE_A_WORKER = """
import os, subprocess, sys, pathlib
from jikko.cluster.data_folder_lock import sole_owner
with sole_owner(pathlib.Path(sys.argv[1])) as hold:
    worker = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], pass_fds=[hold.fileno()])
    hold.say(workers=[worker.pid], grace=float(sys.argv[2]))
    print(worker.pid, flush=True)
    os._exit(9)
"""


def begin(program: str, *arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def line_of(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.fixture
def holder(tmp_path: Path) -> "Iterator[subprocess.Popen[str]]":
    with begin(HOLD, str(tmp_path)) as process:
        assert line_of(process) == "held"
        yield process
        process.kill()


def test_a_process_that_finds_the_folder_held_is_told_by_whom(tmp_path: Path, holder: "subprocess.Popen[str]") -> None:
    began = time.monotonic()
    with pytest.raises(FolderInUse) as refused, sole_owner(tmp_path, patience=0):
        pass

    assert time.monotonic() - began < 10, "the grace is that of workers whose server was killed"
    message = (
        f"Another process uses the data folder {tmp_path} (jikko serve, process {holder.pid}, http://127.0.0.1:8123)"
    )
    assert str(refused.value).startswith(message)


def test_a_folder_that_is_released_is_waited_for(tmp_path: Path, holder: "subprocess.Popen[str]") -> None:
    threading.Timer(0.2, holder.kill).start()

    with sole_owner(tmp_path, patience=60) as hold:
        assert hold.fileno()


def test_a_lock_of_an_earlier_version_does_not_say_whose_it_is(tmp_path: Path, holder: "subprocess.Popen[str]") -> None:
    (tmp_path / "serve.lock").write_text("")

    with pytest.raises(FolderInUse, match=r"\(unknown\)"), sole_owner(tmp_path, patience=0):
        pass


def test_workers_whose_server_was_killed_are_waited_for_as_long_as_they_may_take(tmp_path: Path) -> None:
    with begin(LEAVE_A_WORKER, str(tmp_path), "60") as server:
        worker = int(line_of(server))
        assert server.wait(60) == 9
        # It ends once nobody can write to it any more.
        assert server.stdin is not None
        threading.Timer(0.2, server.stdin.close).start()

        with sole_owner(tmp_path, patience=0):
            assert server.stdin.closed
            # It lets go of its files shortly before it has ended.
            ends = time.monotonic() + PATIENCE
            while _is_there(worker):
                assert time.monotonic() < ends


def test_workers_that_do_not_end_are_named_in_one_warning_and_the_refusal(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with begin(LEAVE_A_WORKER, str(tmp_path), "0.5") as server:
        worker = int(line_of(server))
        server.wait(60)

        with pytest.raises(FolderInUse) as refused, sole_owner(tmp_path, patience=0):
            pass

    assert f"the workers {worker} of jikko serve, process {server.pid}, which has ended" in str(refused.value)
    assert [f"the workers {worker} of" in record.getMessage() for record in caplog.records] == [True]


def test_a_released_folder_has_no_owner(tmp_path: Path) -> None:
    with sole_owner(tmp_path) as hold:
        hold.say(address="http://127.0.0.1:8123")
    with sole_owner(tmp_path, patience=0):
        pass

    assert (tmp_path / "serve.lock").read_text() == ""
    assert stat.S_IMODE((tmp_path / "serve.lock").stat().st_mode) == 0o600


def test_where_there_are_no_locks_a_folder_is_not_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows. There the operator sees to it."""
    monkeypatch.setitem(sys.modules, "fcntl", None)

    with sole_owner(tmp_path, patience=0), sole_owner(tmp_path, patience=0):
        pass


def _is_there(pid: int) -> bool:
    """Whether a process runs: one that has ended may still be in the table until its parent looks."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def test_on_a_full_disk_the_error_is_that_of_the_block(tmp_path: Path) -> None:
    process = subprocess.run([sys.executable, "-c", FILL_THE_DISK, str(tmp_path)], capture_output=True, text=True)

    assert (process.stdout, process.stderr) == ("held\n", "the database cannot be used\n")
