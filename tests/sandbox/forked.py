"""Pytest plugin that forks fork servers from one process that has imported their modules: 0.07 s of a processor each,
instead of 0.17.

Tests of the sandbox itself start them as Jikko does.
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from types import SimpleNamespace
from typing import Any, Final

import pytest

from jikko.sandbox import launch

_PROGRAM: Final = """
import gc, importlib, json, os, signal, socket, sys
gc.disable()
sys.path += json.loads(sys.argv[1])
import jikko.sandbox.fork_server
from jikko.sandbox.languages import stdlib
for name in stdlib._NAMES_TO_IMPORT.split():
    importlib.import_module(name)
stdlib._import_extensions()
gc.freeze()
signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps them
asked = socket.socket(fileno=0)
while True:
    request, descriptors, *_ = socket.recv_fds(asked, 1 << 20, 1)
    if not request:
        os._exit(0)
    if (process_id := os.fork()) == 0:
        break
    os.close(*descriptors)
    asked.send(b"%d" % process_id)
asked.detach()
os.dup2(*descriptors, 0)
os.close(*descriptors)
os.setsid()
signal.signal(signal.SIGCHLD, signal.SIG_DFL)
bootstrap, sys.argv[1] = json.loads(request)
exec(bootstrap)
"""
"""Process that forks fork servers. Its standard input is a socket: a request is the program of one and its settings,
with its control socket; the answer is its process id."""


class Forks:
    """Process that forks fork servers, started by the first."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._requests: socket.socket | None = None
        self.process_id = 0

    def new(self, bootstrap: str, settings: dict[str, Any], control: int) -> int:
        """Fork one. Returns its process id."""
        if self._requests is None:
            self._start()
        assert self._requests is not None
        request = json.dumps([bootstrap, json.dumps(settings | {"parent": self.process_id})])
        socket.send_fds(self._requests, [request.encode()], [control])
        return int(self._requests.recv(32))

    def _start(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-I", "-S", "-B", "-X", "utf8", "-c", _PROGRAM, json.dumps([*launch._locations()])]
        null, no_names = subprocess.DEVNULL, dict[str, str]()
        with theirs:
            started = subprocess.Popen(command, stdin=theirs.fileno(), stdout=null, stderr=null, env=no_names, cwd="/")
        self._open.callback(started.wait)
        self._requests, self.process_id = self._open.enter_context(ours), started.pid

    def close(self) -> None:
        """End the process, and with it all fork servers."""
        self._open.close()


class Forked:
    """Fork server, as ``subprocess.Popen``."""

    def __init__(self, forks: Forks, command: Sequence[str], *, stdin: int) -> None:
        *_, bootstrap, settings = command
        self.returncode: int | None = None
        self.pid = forks.new(bootstrap, json.loads(settings), stdin)
        self._process = os.pidfd_open(self.pid)

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._process, signal.SIGKILL)

    def wait(self) -> int:
        select.select([self._process], [], [])
        os.close(self._process)
        self.returncode = -signal.SIGKILL
        return self.returncode


@pytest.fixture(scope="session", autouse=True)
def forked_fork_servers() -> Iterator[None]:
    """Fork them, but in tests that use ``fork_servers_of_their_own``."""
    forks = Forks()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(
            launch,
            "subprocess",
            SimpleNamespace(
                DEVNULL=subprocess.DEVNULL,
                Popen=lambda command, stdin, **_: Forked(forks, command, stdin=stdin),
            ),
        )
        yield
    forks.close()


@pytest.fixture(scope="module")
def fork_servers_of_their_own() -> Iterator[None]:
    """Start fork servers as Jikko does."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(launch, "subprocess", subprocess)
        yield
