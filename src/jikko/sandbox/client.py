"""The sandbox: runs programs and templates of strangers in children of a fork server, within limits."""

import asyncio
import hashlib
import json
import logging
import signal
import time
from collections import OrderedDict
from collections.abc import Collection, Mapping
from functools import partial
from typing import Any, Final

from jikko.concurrency.fair_semaphore import FairSemaphore
from jikko.concurrency.off_the_loop import off_the_loop
from jikko.ports.measures import ProgramMeasures
from jikko.ports.sandbox import SandboxFailure, SendForProgram
from jikko.sandbox.child import Child, Ended, Reply
from jikko.sandbox.clients import MODULES
from jikko.sandbox.fork_server_client import ForkServer, ForkServerGone
from jikko.sandbox.languages.failure import CODE_ERROR, LIMIT_ERROR, RESULT_ERROR
from jikko.sandbox.launch import PROGRAM
from jikko.sandbox.limits import SandboxLimits
from jikko.sandbox.packages.installed import PackageFolder, Unreadable
from jikko.sandbox.packages.loadable import loadable
from jikko.sandbox.unavailable import unavailable
from jikko.sandbox.wire import BadReply, pack, parse_reply
from jikko.values import Json

_log = logging.getLogger(__name__)

_LANGUAGES: Final = ("python3", "javascript")
_KINDS: Final = (CODE_ERROR, LIMIT_ERROR, RESULT_ERROR)
_BEGIN_AGAIN_WITHIN_SECONDS: Final = 0.1
_READ_SECONDS: Final = 1.0
"""To read an answer that was there when the time was up."""
_STOOD_STILL_SECONDS: Final = 0.5
"""How late a timer is that says nothing of the program, but that this process was stopped."""
_SHORT_SECONDS: Final = 0.1
"""After which a program lets those that began later go first."""
_LOOK_SECONDS: Final = 0.1
"""How often it is looked at whether the request of a program is over, at most."""
_MAX_INLINE_BYTES: Final = 65_536
"""Bytes of a reply that is read on the event loop."""
_CACHED_TEMPLATES: Final = 1024
_CACHED_BYTES: Final = 32 << 20


class ForkServerSandbox:
    """The sandbox on Linux. See ``jikko.ports.sandbox.Sandbox``, which it implements.

    It costs nothing until the first run, which starts the fork server (about 0.2 s, once). Belongs to one event loop,
    on a thread that lives as long as it does.
    """

    def __init__(
        self,
        limits: SandboxLimits | None = None,
        *,
        packages: PackageFolder | None = None,
        program: str = PROGRAM,
    ) -> None:
        """Make a sandbox. Starts nothing.

        Args:
            limits: By default, those of ``SandboxLimits()``.
            packages: Where packages for programs are installed. When it changes, a new fork server takes over.
            program: What the fork server executes. Only tests and the benchmark pass another.
        """
        self._limits = limits or SandboxLimits()
        self._packages = packages
        self._program = program
        self._server: ForkServer | None = None
        self._retired: set[ForkServer] = set()
        self._starting = asyncio.Lock()
        self._renewal: asyncio.Task[None] | None = None
        self._places = FairSemaphore(self._limits.concurrent_runs, self._limits.app_share)
        self.measures = ProgramMeasures(waiting=self._places.all_waiting)
        self._compiled = _CompiledTemplates()
        self._closed = False

    @property
    def places(self) -> FairSemaphore:
        """The programs that may run at a time. For diagnosis."""
        return self._places

    @property
    def fork_server(self) -> ForkServer | None:
        """The fork server that new runs go to, or ``None`` while there is none. For diagnosis."""
        return self._server

    async def run_code(
        self,
        language: str,
        code: str,
        arguments: Mapping[str, Json],
        *,
        app_id: str = "",
        send: SendForProgram | None = None,
        files: Collection[str] = (),
    ) -> dict[str, Json]:
        """Call the program's ``main``. See the port."""
        if language not in _LANGUAGES:
            raise SandboxFailure(f"There is no language {language!r}; programs are {' or '.join(_LANGUAGES)}")
        job: dict[str, Any] = {"kind": language, "code": code, "arguments": dict(arguments)}
        if files:
            job["files"] = list(files)
        result = await self._run(job, app_id, send=send)
        if not isinstance(result, dict):
            raise SandboxFailure("The program sent a result that is no object", kind=RESULT_ERROR)
        return result

    async def render(self, template: str, variables: Mapping[str, Json], *, app_id: str = "") -> str:
        """Render a Jinja2 template. See the port."""
        key = (app_id, hashlib.sha256(template.encode("utf-8", "surrogatepass")).digest())
        text = await self._run({"kind": "template", "code": template, "arguments": dict(variables)}, app_id, key=key)
        if not isinstance(text, str):
            raise SandboxFailure("The template sent a result that is no text")
        return text

    async def close(self) -> None:
        """Kill what still runs. Runs that wait or are under way fail. May be called twice."""
        self._closed = True
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.wait([self._renewal])
        async with self._starting:
            servers = [*self._retired, *([self._server] if self._server else [])]
            self._server = None
            self._retired.clear()
        for server in servers:
            await server.close()

    async def _run(
        self,
        job: dict[str, Any],
        app_id: str,
        *,
        key: "_TemplateKey | None" = None,
        send: SendForProgram | None = None,
    ) -> Any:
        """What a program returned."""
        limit = self._limits.queued_runs
        if not self._places.is_free_for(app_id) and self._places.waiting(app_id) >= limit:
            self.measures.refused.add()
            raise SandboxFailure(
                f"The sandbox is busy: its queue limit of {limit} waiting runs of one app is reached",
                kind=LIMIT_ERROR,
            )
        async with self._places.place(app_id):
            began = time.monotonic()
            try:
                reply = await self._attempt(job["kind"], json.dumps(job).encode(), key, send, again=True)
            finally:
                self.measures.seconds.observe(time.monotonic() - began)
        # Behind the place, and behind the time that the program had.
        read = partial(parse_reply, max_elements=self._limits.output_elements)
        try:
            found = read(reply.text) if len(reply.text) <= _MAX_INLINE_BYTES else await off_the_loop(read, reply.text)
        except BadReply as error:
            raise SandboxFailure(f"The program {error}") from None
        return self._value(found)

    async def _attempt(
        self, kind: str, text: bytes, key: "_TemplateKey | None", send: SendForProgram | None, *, again: bool
    ) -> Reply:
        server = await self._current_server()
        if kind == "python3":
            server.import_ahead(name for name in MODULES if name.encode() in text)
        started = time.monotonic()
        child = None
        try:
            child = await server.take(kind)
            version = str(server.report.get("version"))
            job = pack(text, self._compiled.get(version, key) if key else b"")
            reply = await self._supervise(server, child, kind, job, send)
        except ForkServerGone:
            # It was dying when the run began, so the run may begin again: a program that made no request has no effects
            # to repeat. One that ran for a while may itself be why the fork server died, and is not tried twice.
            is_new = time.monotonic() - started < _BEGIN_AGAIN_WITHIN_SECONDS
            if again and is_new and not (child is not None and child.has_asked):
                return await self._attempt(kind, text, key, send, again=False)
            raise unavailable("its fork server died during the run; the next run starts another") from None
        finally:
            if server in self._retired and server.active == 0:
                await server.close()
                self._retired.discard(server)
        if key and reply.block:
            self._compiled.put(version, key, reply.block)
        return reply

    async def _supervise(
        self, server: ForkServer, child: Child, kind: str, job: bytes, send: SendForProgram | None
    ) -> Reply:
        done = False
        exchange = asyncio.ensure_future(child.exchange(job, output_bytes=self._limits.output_bytes, send=send))
        # No caller may be left to ask how it ended.
        exchange.add_done_callback(lambda exchange: exchange.cancelled() or exchange.exception())
        lowering = asyncio.get_running_loop().call_later(_SHORT_SECONDS, server.lower, child)
        try:
            await self._wait(exchange, child)
            if not exchange.done() and child.has_answered:
                await asyncio.wait((exchange,), timeout=_READ_SECONDS)
            if not exchange.done():
                limit = f"wall time limit of {self._limits.wall_seconds:g} s"
                raise SandboxFailure(f"The run broke the {limit}", kind=LIMIT_ERROR)
            reply = exchange.result()
            done = True
            return reply
        except BadReply as error:
            raise SandboxFailure(f"The program {error}") from None
        except EOFError:
            if self._closed:
                raise unavailable("it is closed") from None
            ended = await child.wait_ended()
            if ended is None and server.gone:
                raise ForkServerGone from None
            raise self._explain(ended) from None
        finally:
            lowering.cancel()
            exchange.cancel()
            server.release(child, kind, done=done)

    async def _wait(self, exchange: "asyncio.Future[Reply]", child: Child) -> None:
        """Wait for a reply for as long as the limit says.

        Neither the time in which this process stood still counts, nor that in which a request was under way.
        """
        started = time.monotonic()
        allowed = self._limits.wall_seconds
        while not exchange.done():
            now = time.monotonic()
            under_way = 0.0 if child.asking_since is None else now - child.asking_since
            deadline = started + allowed + child.seconds_asking + under_way
            # While a request is under way, the deadline moves on: this looks again and again.
            least = 0.0 if child.asking_since is None else _LOOK_SECONDS
            await asyncio.wait((exchange,), timeout=max(least, deadline - now))
            now = time.monotonic()
            if child.asking_since is not None or now < started + allowed + child.seconds_asking:
                continue
            late = now - started - allowed - child.seconds_asking
            if late < _STOOD_STILL_SECONDS:
                return
            allowed += late + min(late, self._limits.wall_seconds)

    def _explain(self, ended: Ended | None) -> SandboxFailure:
        if ended is None:
            return SandboxFailure("The program closed the connection that its result goes through")
        cpu_limit = self._limits.effective_cpu_seconds
        # The kernel counts ticks for the limit and time for its report, and the two drift apart on a busy machine.
        if ended.signal in (signal.SIGKILL, signal.SIGXCPU) and ended.cpu_seconds >= cpu_limit / 2:
            return SandboxFailure(f"The run broke the CPU time limit of {cpu_limit} s", kind=LIMIT_ERROR)
        if ended.signal == signal.SIGKILL:
            return SandboxFailure("The program was killed, most likely because the machine ran out of memory")
        if ended.signal == signal.SIGSYS:
            return SandboxFailure("The program was killed: it called the kernel in a way that is never allowed")
        if ended.signal and ended.memory_bytes > 0.8 * self._limits.memory_bytes:
            # Runtimes do not all survive that there is no more memory.
            return SandboxFailure(
                f"The run broke the memory limit of {self._limits.memory_bytes >> 20} MiB", kind=LIMIT_ERROR
            )
        if ended.signal:
            name = signal.Signals(ended.signal).name
            return SandboxFailure(
                f"The program crashed ({name}), as it does when it recurses without end in native code"
            )
        return SandboxFailure(f"The program ended its process (exit code {ended.code}) before main returned")

    @staticmethod
    def _value(reply: Mapping[str, Any]) -> Any:
        if "error" in reply:
            kind = reply.get("kind")
            message = reply["error"]
            # The program may have written these itself; the worst it can do is to lie about its own failure.
            raise SandboxFailure(str(message)[:5000], kind=kind if kind in _KINDS else CODE_ERROR)
        return reply.get("ok")

    async def _current_server(self) -> ForkServer:
        async with self._starting:
            if self._closed:
                raise unavailable("it is closed")
            server = self._server
            if server is None or server.gone:
                if server is not None:
                    await server.close()
                self._server = server = await self._start()
                if not server.report["landlock"]:
                    _log.warning("the kernel has no Landlock, so code runs behind one line of defence less (seccomp)")
        age = time.monotonic() - server.started_at
        old = server.runs >= self._limits.runs_per_server or age >= self._limits.server_seconds
        if self._packages is not None and self._packages.stamp != server.packages.stamp:
            old = True
        if old and (self._renewal is None or self._renewal.done()):
            self._renewal = asyncio.create_task(self._renew(server), name="sandbox renewal")
        return server

    async def _start(self) -> ForkServer:
        try:
            packages = loadable(self._packages)
        except Unreadable as error:
            raise unavailable(str(error)) from None
        if packages.unusable:
            _log.warning("%s", packages.unusable)
        return await ForkServer.start(self._limits, packages=packages, program=self._program)

    async def _renew(self, old: ForkServer) -> None:
        try:
            new = await self._start()
        except SandboxFailure:
            # The old one still works, and the next run tries again.
            return
        if self._closed or self._server is not old:
            await new.close()
            return
        self._server = new
        # Kept here until it has ended, so that ``close`` finds it whatever happens meanwhile.
        self._retired.add(old)
        if not old.active:
            await old.close()
            self._retired.discard(old)


_TemplateKey = tuple[str, bytes]


class _CompiledTemplates:
    """What children made of templates, kept as bytes that this process never looks into.

    An entry comes from a child that had this very template and app, and goes only to such children again. So a
    program that breaks out of Jinja2 can at most spoil itself.
    """

    def __init__(self) -> None:
        self._entries: OrderedDict[tuple[str, _TemplateKey], bytes] = OrderedDict()
        self._size = 0

    def get(self, version: str, key: _TemplateKey) -> bytes:
        entry = self._entries.get((version, key), b"")
        if entry:
            self._entries.move_to_end((version, key))
        return entry

    def put(self, version: str, key: _TemplateKey, block: bytes) -> None:
        if (version, key) in self._entries:
            return
        self._entries[version, key] = block
        self._size += len(block)
        while self._size > _CACHED_BYTES or len(self._entries) > _CACHED_TEMPLATES:
            _, dropped = self._entries.popitem(last=False)
            self._size -= len(dropped)
