"""Sockets and notifications of systemd, without systemd."""

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from jikko.errors import InvalidSettings
from jikko.server import listening
from jikko.server.listening import handed_over, notify, send_watchdog_heartbeats
from tests.effort import PATIENCE

OURS = {"LISTEN_PID": str(os.getpid())}
TAKES = """
import os, socket, sys
from jikko.errors import InvalidSettings
from jikko.server.listening import handed_over
try:
    found = handed_over({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"})
    print(found.getsockname()[1], found.get_inheritable())
except InvalidSettings as error:
    print(error)
"""


@pytest.mark.parametrize(
    "environment",
    [{}, {"LISTEN_FDS": "1"}, {"LISTEN_PID": "1", "LISTEN_FDS": "1"}, OURS, {**OURS, "LISTEN_FDS": "0"}],
)
def test_nothing_is_handed_over_unless_it_is_to_this_process(environment: dict[str, str]) -> None:
    assert handed_over(environment) is None


@pytest.mark.parametrize("count", ["2", "10"])
def test_several_sockets_are_refused(count: str) -> None:
    with pytest.raises(InvalidSettings, match=f"^{count} sockets were inherited"):
        handed_over({**OURS, "LISTEN_FDS": count})


def taken(number: int) -> str:
    """What a process says of what it is handed over as its file 3."""
    command = f'exec "$0" -c "$1" 3<&{number}'
    done = subprocess.run(
        ["bash", "-c", command, sys.executable, TAKES], pass_fds=[number], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_a_socket_that_listens_is_taken_and_given_to_no_child() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        assert taken(listening.fileno()) == f"{listening.getsockname()[1]} False"


def test_what_does_not_listen_for_tcp_is_refused(tmp_path: Path) -> None:
    with socket.socket() as idle, (tmp_path / "file").open("wb") as file, socket.socket(socket.AF_UNIX) as local:
        local.bind(str(tmp_path / "s"))
        local.listen()
        refusals = [taken(each.fileno()) for each in (idle, local, file)]

    assert refusals[:2] == ["The inherited socket (LISTEN_FDS) is not a listening TCP socket."] * 2
    assert refusals[2].startswith("The inherited descriptor (LISTEN_FDS) is not a socket: ")


@pytest.fixture
def manager() -> Iterator[socket.socket]:
    """A service manager that is told things, below a path that is short enough for a socket."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(f"{folder}/notify")
        made.settimeout(PATIENCE)
        yield made


def test_it_is_told_what_is_said_by_file_or_by_name(manager: socket.socket) -> None:
    notify("READY=1", {"NOTIFY_SOCKET": manager.getsockname()})
    assert manager.recv(100) == b"READY=1"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as named:
        named.settimeout(PATIENCE)
        named.bind(f"\0jikko-{os.getpid()}")
        notify("STOPPING=1", {"NOTIFY_SOCKET": f"@jikko-{os.getpid()}"})
        assert named.recv(100) == b"STOPPING=1"


@pytest.mark.parametrize("address", ["", "relative", "/no/such/socket", "@no-such-name-of-jikko", "/" + "x" * 500])
def test_nobody_to_be_told_is_no_failure(address: str) -> None:
    notify("READY=1", {"NOTIFY_SOCKET": address})


@pytest.mark.anyio
async def test_it_is_told_again_and_again_that_the_loop_goes_round(manager: socket.socket) -> None:
    variables = {"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "2000", "WATCHDOG_PID": str(os.getpid())}
    telling = asyncio.ensure_future(send_watchdog_heartbeats(variables))
    loop = asyncio.get_running_loop()

    for _ in range(3):
        assert await loop.run_in_executor(None, manager.recv, 100) == b"WATCHDOG=1"

    assert not telling.done()
    telling.cancel()


def hang(manager: socket.socket) -> None:
    """Have no more room for what is told."""
    with suppress(BlockingIOError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.connect(manager.getsockname())
        while True:
            sender.send(b"WATCHDOG=1", socket.MSG_DONTWAIT)


def test_a_server_comes_to_its_end_beside_a_manager_that_stands_still(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "_ROOM_SECONDS", 0.01)
    hang(manager)
    variables = {"NOTIFY_SOCKET": manager.getsockname()}
    telling = threading.Thread(target=notify, args=("STOPPING=1", variables), daemon=True)
    telling.start()
    telling.join(PATIENCE)
    assert not telling.is_alive()


@pytest.mark.anyio
async def test_a_manager_that_stood_still_held_up_the_event_loop(manager: socket.socket) -> None:
    variables = {"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "2"}
    hang(manager)

    telling = asyncio.ensure_future(send_watchdog_heartbeats(variables))
    for _ in range(3):
        await asyncio.sleep(0)
    assert not telling.done()

    # Once it goes on it is told again.
    manager.recv(100)
    assert await asyncio.get_running_loop().run_in_executor(None, manager.recv, 100) == b"WATCHDOG=1"
    telling.cancel()


@pytest.mark.anyio
@pytest.mark.parametrize(
    "environment",
    [{}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "-1"}, {"WATCHDOG_USEC": "9", "WATCHDOG_PID": "1"}],
)
async def test_unless_it_does_not_want_to_be(environment: dict[str, str], manager: socket.socket) -> None:
    async with asyncio.timeout(PATIENCE):
        await send_watchdog_heartbeats({"NOTIFY_SOCKET": manager.getsockname(), **environment})

    manager.setblocking(False)
    with pytest.raises(BlockingIOError):
        manager.recv(100)
