"""A running plugin: JSON lines over standard input and output, with concurrent calls. Its output is untrusted."""

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
from jikko.plugins.process.call import (
    BROKEN,
    Backwards,
    Blobs,
    FailureKind,
    Invocation,
    InvocationMessage,
    PluginFailure,
    ProcessLimits,
    SessionData,
    decode_line,
    decode_session,
    encode,
    salvaged,
    session_in,
    unreadable,
)
from jikko.plugins.process.process_usage import ProcessGroup, ProcessSession

_CHUNK_BYTES: Final = 1 << 15
"""Read size in bytes."""
_LAST_WORDS: Final = 600
_MAX_BEGINNING: Final = 65_536
_CHAINED: Final = ("During handling of the above exception", "The above exception was the direct cause")
_DRAIN_SECONDS: Final = 1.0
"""Time limit for reading the remaining output of a killed process."""


class PluginProcess:
    """A plugin process after its first heartbeat."""

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
        share: Shared by all plugins: those with much output are read one at a time, for a slice.
        group: The process with its children.
        payer: Pays for output outside of calls. Over budget, reading pauses."""
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
        """Beginning of standard error before the first heartbeat."""
        self._why = ""
        """Why the server ended it; empty otherwise."""
        self._kind: FailureKind = "PluginDied"
        """Of the failures of its calls, once it has ended."""
        self.last_heartbeat_at = 0.0
        """Time of the last heartbeat, by the event loop's clock; 0.0 before the first."""
        self.served = 0
        self.forgotten = 0
        """Abandoned calls that have not ended."""
        self.garbage = 0
        """Lines that are invalid or belong to no call."""
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
        """Start a plugin and wait for its first heartbeat. ``descriptors``: Inherited.

        ``group``: Control group to enter; ``None``: the process and its children are found by session. Raises
        ``PluginFailure``, with the last output, if it does not start.
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
        """Last output outside of messages, and the exit status."""
        status = self._process.returncode
        ended = "" if status is None else f"it ended with {_status(status)}"
        return " | ".join([*self._last_lines, *filter(None, (self._why, ended))])[-_LAST_WORDS:]

    def is_silent(self) -> bool:
        """Return True if a computing call blocks the heartbeat, and with it every other call."""
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
        """Invoke the plugin, and wait for the end of its answer. Cancelling abandons the call at once; it goes on
        inside the plugin. Raises ``PluginFailure`` if it fails.

        Args:
            seconds: Timeout, including writing the request.
            context: Fields beside ``data``: the owner of the call.
            streams: ``seconds`` restart with each answer: an idle timeout.
        """
        session = new_id()
        loop = asyncio.get_running_loop()

        def heard(said: Any) -> None:
            if streams:
                timeout.reschedule(loop.time() + seconds)
            assert answer is not None
            answer(said)

        call = Invocation(
            session,
            emit=emit,
            answer=answer and heard,
            backwards=backwards,
            send=self._write,
            limits=self._limits,
            blobs=Blobs(self._limits.file),
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
            if failure.kind not in get_args(FailureKind):  # Jikko's own failures have these lines in their text
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
                self.end("it said too much in one call", "PluginProtocol")

    async def kill(self) -> None:
        """Kill the process with its session, and wait for its end. There is no graceful way: at end of input the SDK
        spins on a core."""
        self.end(self._why or "it was stopped")
        await asyncio.to_thread(self.group.kill)
        await self._process.wait()
        _, pending = await asyncio.wait(self._reading, timeout=_DRAIN_SECONDS)
        for task in pending:
            task.cancel()
        self._process.close_pipes()

    def end(self, why: str, kind: FailureKind = "PluginDied") -> None:
        """Kill it, and fail its calls with the reason."""
        if not self._why:
            self._why, self._kind = why, kind
        # Not yet reaped, so the id is still its own.
        if self._process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._finish()

    def _finish(self) -> None:
        for call in list(self._calls.values()):
            call.fail(self._gone())
        self._ready.set()

    def _gone(self) -> PluginFailure:
        return PluginFailure(self._kind, f"The plugin has ended: {self.last_words}")

    async def _write(self, line: bytes) -> None:
        stdin = self._process.stdin
        assert stdin is not None
        # One writer at a time: a plugin that does not read holds up one line in the buffer, not all.
        async with self._writing:
            with suppress(BrokenPipeError, ConnectionResetError):  # the end of output fails the calls
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
                    # ``read`` does not yield while data is buffered, and a line may be expensive for its node.
                    await self._slice.give_way()
                if charged:
                    await self._payer.pay(charged)
            if len(rest) > self._limits.line:
                self.end(f"it wrote a line of more than {self._limits.line} bytes", "PluginProtocol")
                rest.clear()
        if await self._process.wait() == -signal.SIGKILL and not self._why:
            self._why = await asyncio.to_thread(self.group.excess)
        self._finish()

    def _take(self, line: bytes) -> bool:
        """Handle a line. Returns True if it belongs to a running call."""
        if len(line) > self._limits.line:
            self.end(f"it wrote a line of more than {self._limits.line} bytes", "PluginProtocol")
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
                self.garbage += 1  # of an ended call
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
        """Handle an invalid line: printed text, possibly before a message, or an unreadable message."""
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
    """Return the exception of a chain's last traceback, if any. Later ones come from ending threads and libraries."""
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
