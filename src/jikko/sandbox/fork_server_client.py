"""The server's side of one fork server: starts it, takes children from it, and ends it.

It is proved first that it locks its children: real ones try what is forbidden.
"""

import asyncio
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable
from typing import Any, Final

from jikko.diagnostics.diagnostic import Phrase
from jikko.sandbox.child import Child, ChildFailed, Ended
from jikko.sandbox.launch import PROGRAM, launch
from jikko.sandbox.limits import SandboxLimits, unavailable
from jikko.sandbox.packages.installed import NOTHING, Loadable
from jikko.sandbox.wire import ENDED, PROCESS_ID, BadReply, pack, parse_reply

_log = logging.getLogger(__name__)

_START_SECONDS: Final = 20.0
_LOADING_SECONDS: Final = 180.0
"""Timeout of a start with packages: on a busy machine the largest take a minute to import."""
_CHILD_SECONDS: Final = 20.0
"""Seconds after which a fork server that has not forked counts as stuck."""
_GRACE_SECONDS: Final = 0.05
"""Time for a child to exit after its reply."""
_SPARE_CHILDREN: Final = 4
_MAX_EARLY_DEATHS: Final = 8


class ForkServerGone(Exception):
    """The fork server ended while it was needed."""


class ForkServerClient:
    """One fork server process. ``start`` creates one; ``close`` ends it with all its children."""

    def __init__(
        self, limits: SandboxLimits, packages: Loadable, process: subprocess.Popen[bytes], control: socket.socket
    ) -> None:
        self._limits = limits
        self.packages = packages
        """Packages it was told to load."""
        self._imported: set[str] = set()
        self._loading = ""
        self._process = process
        self._control = control
        self._loop = asyncio.get_running_loop()
        self._idle: deque[Child] = deque()
        self._waiting: deque[asyncio.Future[Child]] = deque()
        self._children: dict[int, Child] = {}
        self._spawning: deque[str] = deque()
        self._early_deaths = 0
        self._spares = min(_SPARE_CHILDREN, limits.concurrent_runs)
        self.report: dict[str, Any] = {}
        """Its report when ready: ``landlock`` (version, 0 for none), ``uid``, ``machine``, ``version`` (of the
        interpreter and Jinja2), and with packages ``packages`` (versions by name) and ``failed`` (import errors by
        module)."""
        self.gone = False
        """Whether it has ended, or is ending."""
        self.started_at = time.monotonic()
        self.runs = 0
        """Number of children taken."""
        self.active = 0
        """Number of current runs."""

    @classmethod
    async def start(
        cls, limits: SandboxLimits, *, packages: Loadable = NOTHING, program: str = PROGRAM
    ) -> "ForkServerClient":
        """Start a fork server, and verify by a child that it is locked. ``packages``: Loaded before the lock.

        Call it on a thread that outlives it: the kernel kills the fork server with the thread that started it. Raises
        ``SandboxFailure``: it could not start, or a lock does not hold; nothing is left running. ``program``: Code of
        the new interpreter, overridden by tests and the benchmark.
        """
        server = cls(limits, packages, *launch(limits, program, packages.settings))
        seconds = _START_SECONDS if packages.settings is None else _LOADING_SECONDS
        try:
            async with asyncio.timeout(seconds):
                await server._hear_hello()
                await server._prove()
        except TimeoutError:
            await server.close()
            raise unavailable(f"the fork server was not ready within {seconds:g} s{server._while_loading}") from None
        except ForkServerGone:
            await server.close()
            raise unavailable("the fork server ended while it started") from None
        except BaseException:
            await server.close()
            raise
        server._fill(FIRST_KIND)
        return server

    @property
    def process_id(self) -> int:
        return self._process.pid

    @property
    def idle(self) -> int:
        return len(self._idle)

    async def take(self, kind: str) -> Child:
        """Take an unused child, preferably one warmed up for a kind of job. Return it by ``release``.

        Raises ``ForkServerGone``, or ``SandboxFailure`` if no process can be created.
        """
        if self.gone:
            raise ForkServerGone
        self.runs += 1
        self.active += 1
        try:
            while self._idle:
                child = next((child for child in self._idle if child.kind == kind), self._idle[0])
                self._idle.remove(child)
                if child.has_answered:
                    # Killed or failed, and not reported yet.
                    child.connection.close()
                    continue
                if not self._idle and not self._spawning:
                    self._spawn(kind)
                return child
            turn: asyncio.Future[Child] = self._loop.create_future()
            self._waiting.append(turn)
            if len(self._spawning) < len(self._waiting):
                self._spawn(kind)
            try:
                async with asyncio.timeout(_CHILD_SECONDS):
                    return await turn
            except TimeoutError:
                # It may have lost a request, and the next caller would wait as long.
                self._end()
                raise unavailable(f"no process was started within {_CHILD_SECONDS:g} s") from None
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled() and turn.exception() is None:
                    self._idle.appendleft(turn.result())
                elif turn in self._waiting:
                    self._waiting.remove(turn)
                raise
        except BaseException:
            self.active -= 1
            raise

    def release(self, child: Child, kind: str, *, done: bool) -> None:
        """Return a child, which is never reused; one warmed up for such a job replaces it. ``done``: Whether it
        replied, and so is about to exit. Otherwise it is killed at once."""
        self.active -= 1
        child.connection.close()
        if not child.ended.done():
            if done:
                self._loop.call_later(_GRACE_SECONDS, self._kill, child)
            else:
                self._kill(child)
        self._fill(kind)

    def lower(self, child: Child) -> None:
        """Lower the priority of a long-running child."""
        if not child.ended.done() and not self.gone:
            self._send(b"N" + PROCESS_ID.pack(child.process_id))

    async def close(self) -> None:
        """Kill the fork server with all its children. Idempotent."""
        self._end()
        if self._process.returncode is None:
            self._process.kill()
            await asyncio.shield(self._loop.run_in_executor(None, self._process.wait))

    def import_ahead(self, modules: Iterable[str]) -> None:
        """Import modules of ``clients.MODULES``, once, for all later children."""
        for module in modules:
            if module not in self._imported and not self.gone:
                self._imported.add(module)
                self._send(b"L" + module.encode())

    @property
    def _while_loading(self) -> str:
        if not self._loading:
            return ""
        return f" while it imported {self._loading} (`jikko packages remove` removes a package)"

    async def _hear_hello(self) -> None:
        while (message := await self._loop.sock_recv(self._control, 1 << 16))[:1] == b"P":
            self._loading = message[1:].decode("utf-8", "replace")
        if message[:1] == b"F":
            raise unavailable(message[1:].decode("utf-8", "replace"))
        if message[:1] != b"H":
            status = await self._loop.run_in_executor(None, self._process.wait)
            raise unavailable(f"{sys.executable} ended with status {status} before it was ready{self._while_loading}")
        self.report = json.loads(message[1:])
        self._loop.add_reader(self._control, self._hear)

    async def _prove(self) -> None:
        for title, held, detail in await probed(self):
            if not held:
                raise unavailable(f"its self-test failed ({title}: {detail.text()})")

    def _spawn(self, kind: str) -> None:
        if not self.gone:
            self._spawning.append(kind)
            self._send(b"S" + kind.encode())

    def _fill(self, kind: str) -> None:
        # After the reply, so that forking does not compete with the run.
        while not self.gone and len(self._idle) + len(self._spawning) < max(self._spares, len(self._waiting)):
            self._spawn(kind)

    def _kill(self, child: Child) -> None:
        if not child.ended.done() and not self.gone:
            self._send(b"K" + PROCESS_ID.pack(child.process_id))

    def _send(self, message: bytes) -> None:
        try:
            self._control.send(message)
        except OSError:
            # It is gone; or it is stuck, hundreds of messages behind (``BlockingIOError``), and so are its waiters.
            self._end()

    def _hear(self) -> None:
        while not self.gone:
            try:
                message, descriptors, _, _ = socket.recv_fds(self._control, 4096, 1, socket.MSG_CMSG_CLOEXEC)
            except BlockingIOError:
                return
            except OSError:
                message, descriptors = b"", []
            match message[:1]:
                case b"R" if not descriptors:
                    # The kernel dropped the connection. The child exits by itself: its connection is closed.
                    self._refuse("no free file descriptor")
                case b"R":
                    self._welcome(PROCESS_ID.unpack(message[1:])[0], socket.socket(fileno=descriptors[0]))
                case b"X":
                    self._mourn(*ENDED.unpack(message[1:]))
                case b"E":
                    self._refuse(message[1:].decode("utf-8", "replace"))
                case b"F":
                    _log.error("the fork server failed: %s", message[1:].decode("utf-8", "replace"))
                    self._end()
                case _:
                    self._end()

    def _welcome(self, process_id: int, connection: socket.socket) -> None:
        connection.setblocking(False)
        # Children arrive in the order of requests.
        child = Child(process_id, connection, self._spawning.popleft(), self._loop.create_future())
        self._children[process_id] = child
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(child)
                return
        self._idle.append(child)

    def _refuse(self, why: str) -> None:
        self._spawning.popleft()
        if self._waiting:
            _settle(self._waiting, unavailable(f"no process could be started: {why}"))

    def _mourn(self, process_id: int, status: int, cpu_seconds: float, memory_bytes: int) -> None:
        child = self._children.pop(process_id, None)
        if child is None:
            return
        killed = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        code = 0 if killed else os.WEXITSTATUS(status)
        child.ended.set_result(Ended(killed, code, cpu_seconds, memory_bytes))
        if child not in self._idle:
            self._early_deaths = 0
            return
        # It died idle. Once may be due to exhausted memory; repeatedly, something is wrong with this fork server, and
        # forking on would only heat the machine.
        self._idle.remove(child)
        child.connection.close()
        self._early_deaths += 1
        if self._early_deaths > _MAX_EARLY_DEATHS:
            self._end()

    def _end(self) -> None:
        if self.gone:
            return
        self.gone = True
        self._loop.remove_reader(self._control)
        # Closing this ends the fork server, and so its children.
        self._control.close()
        for child in self._idle:
            child.connection.close()
        self._idle.clear()
        for child in self._children.values():
            if not child.ended.done():
                child.ended.set_result(None)
        self._children.clear()
        while self._waiting:
            _settle(self._waiting, ForkServerGone())


def _settle(waiting: "deque[asyncio.Future[Child]]", error: Exception) -> None:
    turn = waiting.popleft()
    if not turn.done():
        turn.set_exception(error)


FIRST_KIND: Final = "python3"
"""Kind of job the first children are warmed up for."""
_PROBE_BYTES: Final = 1 << 16
_PROBE_SECONDS: Final = 30.0
"""Timeout for the end of a self-test's child, which is certain to come, however busy the machine is."""


async def probed(server: "ForkServerClient") -> list[tuple[str, bool, Phrase]]:
    """Attempt forbidden operations in real children: name, whether it was refused, and what happened. Raises
    ``ForkServerGone``."""
    results: list[tuple[str, bool, Phrase]] = []
    child = await server.take(FIRST_KIND)
    done = False
    try:
        reply = await child.exchange(pack(b'{"kind":"probe"}'), output_bytes=_PROBE_BYTES)
        probed = parse_reply(reply.text, _PROBE_BYTES)
        results = [(title, held, Phrase(code, params)) for title, held, code, params in probed["ok"]]
        done = True
    except ChildFailed as failure:
        return [("locking a child", False, _verbatim(str(failure)))]
    except (EOFError, BadReply, KeyError, TypeError, ValueError) as error:
        ended = await child.wait_ended(_PROBE_SECONDS)
        reason = f"{type(error).__name__}, {ended}"
        results = [("answering", False, Phrase("sandbox.no_answer", {"reason": reason}))]
    finally:
        server.release(child, FIRST_KIND, done=done)
    if server.report.get("machine") == "x86_64":
        results.append(await _probed_x32(server))
    return results


async def _probed_x32(server: "ForkServerClient") -> tuple[str, bool, Phrase]:
    child = await server.take(FIRST_KIND)
    try:
        await child.exchange(pack(b'{"kind":"x32"}'), output_bytes=_PROBE_BYTES)
        return "no x32 calls", False, Phrase("sandbox.allowed")
    except ChildFailed as failure:
        return "no x32 calls", False, _verbatim(str(failure))
    except EOFError:
        ended = await child.wait_ended(_PROBE_SECONDS)
        held = ended is not None and ended.signal == signal.SIGSYS
        otherwise = Phrase("sandbox.ended_otherwise", {"reason": str(ended)})
        return "no x32 calls", held, _verbatim("SIGSYS") if held else otherwise
    finally:
        server.release(child, FIRST_KIND, done=False)


def _verbatim(text: str) -> Phrase:
    return Phrase("sandbox.verbatim", {"text": text})
