"""One running plugin: lines of JSON over its standard input and output, many calls at once. All it says is hostile."""

import asyncio
import os
import signal
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, get_args

from jikko.concurrency.scheduler import Scheduler, TimeSlice
from jikko.ids import new_id
from jikko.plugins.process.budget import BYTE, LINE, Budget, Payer, PipedProcess, spawn
from jikko.plugins.process.call import Backwards, Invocation, ProcessLimits, unreadable
from jikko.plugins.process.plugin_wire import (
    BROKEN,
    FailureKind,
    InvocationMessage,
    PluginFailure,
    SessionData,
    decode_line,
    decode_session,
    encode,
    salvaged,
    session_in,
)
from jikko.plugins.process.process_usage import ProcessGroup, ProcessSession

_CHUNK_BYTES: Final = 1 << 15
"""Bytes that are read at a time."""
_LAST_WORDS: Final = 600
_MAX_BEGINNING: Final = 65_536
_CHAINED: Final = ("During handling of the above exception", "The above exception was the direct cause")
_DRAIN_SECONDS: Final = 1.0
"""For which what a killed process wrote is read."""


class PluginProcess:
    """A plugin that has given its first sign of life."""

    def __init__(
        self,
        process: PipedProcess,
        limits: ProcessLimits,
        share: Scheduler,
        budget: Budget,
        payer: Payer,
        group: ProcessGroup,
    ) -> None:
        """Args:
        share: Of all plugins: one of those that say much works at a time, for a slice.
        group: All that it starts.
        payer: Pays for what belongs to no call, from the budget. Beyond it, reading pauses.
        """
        self._process = process
        self._budget = budget
        self._payer = payer
        self.group = group
        self._limits = limits
        self._slice = TimeSlice(share, str(process.pid))
        self._calls: dict[str, Invocation] = {}
        self._ready = asyncio.Event()
        self._writing = asyncio.Lock()
        self._last_lines: deque[str] = deque(maxlen=20)
        self._beginning = bytearray()
        """What it wrote to standard error before its first sign of life, as far as that is kept."""
        self._why = ""
        """Why it was ended, if it was ended by us."""
        self.last_heartbeat_at = 0.0
        """When it gave its last sign of life, by the event loop's clock; 0.0 if it never did."""
        self.served = 0
        self.forgotten = 0
        """Calls that have no waiter any more and that did not end."""
        self.garbage = 0
        """Lines that were none, or of no call."""
        self._reading = [
            asyncio.get_running_loop().create_task(self._read()),
            asyncio.get_running_loop().create_task(self._read_errors()),
        ]

    @classmethod
    async def start(
        cls,
        command: list[str],
        *,
        folder: Path,
        environment: dict[str, str],
        limits: ProcessLimits,
        share: Scheduler,
        budget: Budget,
        descriptors: Sequence[int] = (),
        group: ProcessGroup | None = None,
    ) -> "PluginProcess":
        """Start a plugin and wait for its first sign of life. ``descriptors``: Those that it inherits.

        ``group``: The control group that it enters; ``None``: none, and what it starts is known by its session.
        Raises ``PluginFailure``, with its last words, if it does not start.
        """
        payer = Payer(budget)
        try:
            started = await spawn(
                command,
                folder=folder,
                environment=environment,
                descriptors=descriptors,
                limit=_CHUNK_BYTES * 4,
                payer=payer,
            )
        except OSError as error:
            if group is not None:
                await asyncio.to_thread(group.kill)
            raise PluginFailure("PluginDied", f"The plugin cannot be started: {error}") from None
        process = cls(started, limits, share, budget, payer, group or ProcessSession(started.pid, limits.memory))
        try:
            async with asyncio.timeout(limits.ready_seconds):
                await process._ready.wait()
        except TimeoutError:
            process._why = f"it gave no sign of life within {limits.ready_seconds:g} s"
        except BaseException:
            await process.kill()
            raise
        if not process.last_heartbeat_at:
            await process.kill()
            reason = raised_in(bytes(process._beginning).decode(errors="replace")) or process.last_words
            raise PluginFailure("PluginDied", f"The plugin does not start: {reason}")
        return process

    @property
    def is_alive(self) -> bool:
        return self._process.returncode is None and not self._why

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def calls(self) -> int:
        return len(self._calls)

    @property
    def last_words(self) -> str:
        """Its last printed lines that were no message, and how it ended."""
        status = self._process.returncode
        ended = "" if status is None else f"it ended with {_status(status)}"
        return " | ".join([*self._last_lines, *filter(None, (self._why, ended))])[-_LAST_WORDS:]

    def is_silent(self) -> bool:
        """Whether a call keeps it from giving signs of life: it computes, and other calls of it wait."""
        silent = asyncio.get_running_loop().time() - self.last_heartbeat_at
        return bool(self._calls) and silent > self._limits.silent_seconds

    def is_worn(self) -> bool:
        limits = self._limits
        return self.forgotten > limits.forgotten or self.served >= limits.served or not self.is_alive

    async def call(
        self,
        request: dict[str, Any],
        *,
        seconds: float,
        emit: Callable[[InvocationMessage], None],
        answer: Callable[[Any], None] | None = None,
        backwards: Backwards | None = None,
        context: dict[str, Any] | None = None,
        streams: bool = False,
    ) -> None:
        """Invoke it, and wait until it has said everything. Cancelling forgets the call at once; inside of the plugin
        it goes on, unheard. Raises ``PluginFailure``: it failed.

        Args:
            seconds: Until it is forgotten, the writing of the request included.
            context: Fields beside ``data``: whose call it is.
            streams: ``seconds`` begin anew with each answer, so that they limit its silence alone.
        """
        session = new_id()
        loop = asyncio.get_running_loop()

        def heard(said: Any) -> None:
            if streams:
                timeout.reschedule(loop.time() + seconds)
            assert answer is not None
            answer(said)

        call = Invocation(
            session, emit=emit, answer=answer and heard, backwards=backwards, send=self._write, limits=self._limits
        )
        line = encode(session, "request", request, context)
        if len(line) > self._limits.line:
            raise PluginFailure("PluginProtocol", f"The request has more than {self._limits.line} bytes.")
        if not self.is_alive:
            raise self._gone()
        self._calls[session] = call
        self.served += 1
        try:
            async with asyncio.timeout(seconds) as timeout:
                with self._budget.call():
                    await self._write(line)
                    await call.over
        except PluginFailure as failure:
            if failure.kind not in get_args(FailureKind):  # those of Jikko have the lines in their text
                failure.trace = failure.trace or "\n".join(self._last_lines)
            raise
        except TimeoutError:
            late = f"was silent for {seconds:g} s" if streams else f"did not end within {seconds:g} s"
            setting = "timeout of its provider" if streams else "JIKKO_PLUGIN_SECONDS"
            raise PluginFailure("PluginTimeout", f"The plugin {late} ({setting}).") from None
        finally:
            ended = call.over.done() and not call.over.cancelled()
            self.forgotten += not ended
            call.close()
            del self._calls[session]
            if call.exceeded:
                self.end("it said too much in one call")

    async def kill(self) -> None:
        """End it, and all that it started in its session, and wait for that. There is no gentle way: at the end of its
        input the SDK spins on a core."""
        self.end(self._why or "it was stopped")
        await asyncio.to_thread(self.group.kill)
        await self._process.wait()
        _, pending = await asyncio.wait(self._reading, timeout=_DRAIN_SECONDS)
        for task in pending:
            task.cancel()
        self._process.close_pipes()

    def end(self, why: str) -> None:
        """Kill it: its calls fail, and say why."""
        self._why = self._why or why
        # While it is not waited for, no other process has its id.
        if self._process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._finish()

    def _finish(self) -> None:
        for call in list(self._calls.values()):
            call.fail(self._gone())
        self._ready.set()

    def _gone(self) -> PluginFailure:
        kind = "PluginProtocol" if "said" in self._why or "line" in self._why else "PluginDied"
        return PluginFailure(kind, f"The plugin has ended: {self.last_words}")

    async def _write(self, line: bytes) -> None:
        stdin = self._process.stdin
        assert stdin is not None
        # One at a time: what waits to be written to a plugin that does not read is one line, and not all.
        async with self._writing:
            with suppress(BrokenPipeError, ConnectionResetError):  # the end of its output tells the calls
                stdin.write(line)
                await stdin.drain()

    async def _read(self) -> None:
        stdout = self._process.stdout
        assert stdout is not None
        rest = bytearray()
        while received := await stdout.read(_CHUNK_BYTES):
            if b"\n" not in received:
                rest += received
            else:
                *lines, last = received.split(b"\n")
                lines[0] = bytes(rest) + lines[0]
                rest = bytearray(last)
                charged = 0.0
                for line in lines:
                    if not self._take(line):
                        charged += LINE + BYTE * len(line)
                    # ``read`` does not wait while there is something, and a line may cost its node much.
                    await self._slice.give_way()
                if charged:
                    await self._payer.pay(charged)
            if len(rest) > self._limits.line:
                self.end(f"it wrote a line of more than {self._limits.line} bytes")
                rest.clear()
        if await self._process.wait() == -signal.SIGKILL and not self._why:
            self._why = await asyncio.to_thread(self.group.excess)
        self._finish()

    def _take(self, line: bytes) -> bool:
        """Take a line. Returns whether it belongs to a call under way."""
        if len(line) > self._limits.line:
            self.end(f"it wrote a line of more than {self._limits.line} bytes")
            return False
        if not line.strip():
            return False
        try:
            event = decode_line(line)
        except BROKEN as error:
            return self._unread(line, error)
        if event.event == "session" and event.session_id is not None:
            call = self._calls.get(event.session_id)
            if call is None:
                self.garbage += 1  # of a call that is over
                return False
            try:
                data = decode_session(event.data)
            except BROKEN as error:
                call.fail(unreadable(error))
                return True
            call.take(data if isinstance(data, SessionData) else SessionData("?"), len(line))
            return True
        if event.event == "heartbeat":
            self.last_heartbeat_at = asyncio.get_running_loop().time()
            self._ready.set()
        elif event.event in ("error", "log"):
            self._last_lines.append(bytes(event.data)[:300].decode(errors="replace"))
        else:
            self.garbage += 1
        return False

    def _unread(self, line: bytes, error: BaseException) -> bool:
        """A line that is none: what a plugin prints, also in front of a message; or a message that cannot be read."""
        self.garbage += 1
        half = salvaged(line)
        if half is not None:
            return self._take(half)
        session = session_in(line)
        call = None if session is None else self._calls.get(session)
        if call is not None:
            call.fail(unreadable(error))
        else:
            self._last_lines.append(line[:300].decode(errors="replace").strip())
        return call is not None

    async def _read_errors(self) -> None:
        stderr = self._process.stderr
        assert stderr is not None
        while received := await stderr.read(_CHUNK_BYTES):
            if not self.last_heartbeat_at and len(self._beginning) < _MAX_BEGINNING:
                self._beginning += received
            words = received[-_LAST_WORDS * 5 :].decode(errors="replace")
            self._last_lines.extend(line[:300] for line in words.splitlines()[-10:])


def raised_in(text: str) -> str:
    """The exception of the last traceback of a chain, if any; behind it is how threads and libraries end."""
    found, inside, goes_on = "", False, True
    for line in text.splitlines():
        if line.startswith("Traceback "):
            inside, goes_on = goes_on, False
        elif line.startswith(_CHAINED):
            goes_on = True
        elif inside and line[:1].strip():
            found, inside = line[:_LAST_WORDS], False
    return found


def _status(status: int) -> str:
    if status >= 0:
        return f"status {status}"
    try:
        return f"signal {signal.Signals(-status).name}"
    except ValueError:
        return f"signal {-status}"
