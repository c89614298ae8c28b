"""Execution of programs in children of fork servers, with replacement of old fork servers. Imported with the first
program."""

import asyncio
import logging
import signal
import time
from collections import OrderedDict
from typing import Final, TypeAlias

from jikko.ports.sandbox import SandboxFailure, SendForProgram
from jikko.sandbox.child import Child, ChildFailed, ChildReply, Ended
from jikko.sandbox.clients import MODULES
from jikko.sandbox.fork_server_client import ForkServerClient, ForkServerGone
from jikko.sandbox.languages.failure import LIMIT_ERROR
from jikko.sandbox.limits import SandboxLimits, unavailable
from jikko.sandbox.packages.installed import PackageFolder, Unreadable, loadable
from jikko.sandbox.wire import BadReply, pack

_log = logging.getLogger(__name__)

_COMPUTED: Final = frozenset(("import_module", "__import__"))
"""Functions by which a program may import unnamed modules."""


class ForkServers:
    def __init__(
        self, limits: SandboxLimits, packages: PackageFolder | None, program: str, *, as_named: bool = False
    ) -> None:
        self.limits = limits
        self.server: ForkServerClient | None = None
        """Fork server of new runs; ``None`` while there is none."""
        self.is_closed = False
        self._packages = packages
        self._program = program
        self._loads_packages = not as_named
        self._retired: set[ForkServerClient] = set()
        self._starting = asyncio.Lock()
        self._renewal: asyncio.Task[None] | None = None

    async def current(self, program: bytes = b"") -> ForkServerClient:
        """Return the fork server of new runs. The first is started; an outdated one is replaced soon. A
        program that names a package that it lacks waits for the other one, but no longer than it may run.

        ``program``: Text of the next program. Raises ``SandboxFailure``: it could not be started, or everything is
        closed.
        """
        async with self._starting:
            if self.is_closed:
                raise unavailable("it is closed")
            server = self.server
            if self._is_first_with_packages(program) and server is not None:
                self._retired.add(server)
                await self.close_if_unused(server)
                self.server = server = None
            if server is None or server.gone:
                if server is not None:
                    await server.close()
                self.server = server = await self._start()
                if not server.report["landlock"]:
                    _log.warning("the kernel has no Landlock, so code runs behind one line of defence less (seccomp)")
        age = time.monotonic() - server.started_at
        old = server.runs >= self.limits.runs_per_server or age >= self.limits.server_seconds
        if self._loads_packages and self._packages is not None and self._packages.stamp != server.packages.stamp:
            old = True
        if old and (self._renewal is None or self._renewal.done()):
            self._renewal = asyncio.create_task(self._renew(server), name="sandbox renewal")
        renewal = self._renewal
        if not program or renewal is None or renewal.done():
            return server
        if self._names(self._installed - server.packages.modules, program):
            await asyncio.wait((renewal,), timeout=self.limits.wall_seconds)
        return self.server or server

    @property
    def _installed(self) -> frozenset[str]:
        """Return the modules of installed packages."""
        try:
            installed = None if self._packages is None else self._packages.current()
        except Unreadable:  # reported by the start
            installed = None
        return frozenset() if installed is None else installed.modules

    @staticmethod
    def _names(modules: frozenset[str], program: bytes) -> bool:
        """Return whether a program may import one of some modules."""
        return bool(modules) and any(name.encode() in program for name in modules | _COMPUTED)

    def _is_first_with_packages(self, program: bytes) -> bool:
        """Return whether a program may import a package, and none could before: from here on all packages are
        loaded."""
        if self._loads_packages:
            return False
        self._loads_packages = self._names(self._installed, program)
        return self._loads_packages

    async def close_if_unused(self, server: ForkServerClient) -> None:
        """Close a replaced fork server after its last run."""
        if server in self._retired and server.active == 0:
            await server.close()
            self._retired.discard(server)

    async def close(self) -> None:
        """Kill all. Idempotent."""
        self.is_closed = True
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.wait([self._renewal])
        async with self._starting:
            servers = [*self._retired, *([self.server] if self.server else [])]
            self.server = None
            self._retired.clear()
        for server in servers:
            await server.close()

    async def _start(self) -> ForkServerClient:
        try:
            packages = loadable(self._packages if self._loads_packages else None)
        except Unreadable as error:
            raise unavailable(str(error)) from None
        if packages.unusable:
            _log.warning("%s", packages.unusable)
        return await ForkServerClient.start(self.limits, packages=packages, program=self._program)

    async def _renew(self, old: ForkServerClient) -> None:
        try:
            new = await self._start()
        except SandboxFailure:
            # The old one still works, and the next run tries again.
            return
        if self.is_closed or self.server is not old:
            await new.close()
            return
        self.server = new
        # Kept until it has ended, so that ``close`` finds it.
        self._retired.add(old)
        if not old.active:
            await old.close()
            self._retired.discard(old)


TemplateKey: TypeAlias = tuple[str, bytes]
"""App, and the digest of one of its templates."""
_CACHED_TEMPLATES: Final = 1024
_CACHED_BYTES: Final = 32 << 20


class CompiledTemplates:
    """Cache of templates compiled by children, as opaque bytes.

    An entry comes from a child with exactly this template and app, and only goes to such children. So a program that
    breaks out of Jinja2 can at most spoil itself.
    """

    def __init__(self) -> None:
        self._entries: OrderedDict[tuple[str, TemplateKey], bytes] = OrderedDict()
        self._size = 0

    def get(self, version: str, key: TemplateKey) -> bytes:
        entry = self._entries.get((version, key), b"")
        if entry:
            self._entries.move_to_end((version, key))
        return entry

    def put(self, version: str, key: TemplateKey, block: bytes) -> None:
        if (version, key) in self._entries:
            return
        self._entries[version, key] = block
        self._size += len(block)
        while self._size > _CACHED_BYTES or len(self._entries) > _CACHED_TEMPLATES:
            _, dropped = self._entries.popitem(last=False)
            self._size -= len(dropped)


_RESTART_SECONDS: Final = 0.1


class Programs:
    """Runs programs, each in a child of its own."""

    def __init__(self, limits: SandboxLimits, packages: PackageFolder | None, program: str, *, as_named: bool) -> None:
        self.servers = ForkServers(limits, packages, program, as_named=as_named)
        self._compiled = CompiledTemplates()

    async def run(
        self, kind: str, text: bytes, key: TemplateKey | None, send: SendForProgram | None, *, again: bool = True
    ) -> ChildReply:
        """Run a program. Returns its reply. Raises ``SandboxFailure``: it failed, or cannot be run.

        Args:
            kind: See ``ForkServer.take``.
            text: The job, in JSON.
            key: For a template.
            send: Makes the program's requests.
            again: Whether it may be retried if the child fails before it, or the fork server is gone.
        """
        server = await self.servers.current(text if kind == "python3" else b"")
        if kind == "python3":
            server.import_ahead(name for name in MODULES if name.encode() in text)
        started = time.monotonic()
        child = None
        try:
            child = await server.take(kind)
            version = str(server.report.get("version"))
            job = pack(text, self._compiled.get(version, key) if key else b"")
            reply = await supervised(self.servers, server, child, kind, job, send, again=again)
        except ForkServerGone:
            # It was dying when the run began, so it may be retried: a program without requests has no effects to
            # repeat. One that ran for a while may have killed the fork server itself, and is not retried.
            is_new = time.monotonic() - started < _RESTART_SECONDS
            if again and is_new and not (child is not None and child.has_requested):
                return await self.run(kind, text, key, send, again=False)
            raise unavailable("its fork server died during the run; the next run starts another") from None
        except ChildFailed as failure:
            if again and not failure.has_begun:
                _log.warning("a process failed before its program began, which goes to another: %s", failure)
                return await self.run(kind, text, key, send, again=False)
            when = "while the program ran" if failure.has_begun else "before the program began"
            raise unavailable(f"its process failed {when} ({failure})") from None
        finally:
            await self.servers.close_if_unused(server)
        if key and reply.block:
            self._compiled.put(version, key, reply.block)
        return reply


_READ_SECONDS: Final = 1.0
"""Time to read a reply that was complete at the deadline."""
_STOOD_STILL_SECONDS: Final = 0.5
"""Lateness of a timer that means that this process was stopped."""
_SHORT_SECONDS: Final = 0.1
"""Seconds after which a program's priority is lowered."""
_POLL_SECONDS: Final = 0.1
"""Minimum interval of checks during a program's request."""


async def supervised(
    servers: ForkServers,
    server: ForkServerClient,
    child: Child,
    kind: str,
    job: bytes,
    send: SendForProgram | None,
    *,
    again: bool,
) -> ChildReply:
    """Run a job in a child, and return the child. Returns its reply. ``again``: see ``Programs.run``.

    Raises ``SandboxFailure``: a limit was exceeded, or there was no reply; ``ChildFailed``: the child failed, rather
    than the program; ``ForkServerGone``.
    """
    limits, started = servers.limits, time.monotonic()
    done = False
    exchange = asyncio.ensure_future(child.exchange(job, output_bytes=limits.output_bytes, send=send))
    # There may be nobody left to retrieve the exception.
    exchange.add_done_callback(lambda exchange: exchange.cancelled() or exchange.exception())
    lowering = asyncio.get_running_loop().call_later(_SHORT_SECONDS, server.lower, child)
    try:
        await _wait(limits, exchange, child)
        if not exchange.done() and child.has_answered:
            await asyncio.wait((exchange,), timeout=_READ_SECONDS)
        if not exchange.done():
            limit = f"wall time limit of {limits.wall_seconds:g} s"
            raise SandboxFailure(f"The run broke the {limit}", kind=LIMIT_ERROR)
        reply = exchange.result()
        done = True
        return reply
    except BadReply as error:
        raise SandboxFailure(f"The program {error}") from None
    except EOFError:
        if servers.is_closed:
            raise unavailable("it is closed") from None
        is_new = time.monotonic() - started < _RESTART_SECONDS
        ended = await child.wait_ended()
        if ended is None and server.gone:
            raise ForkServerGone from None
        if again and is_new and not child.has_requested and ended is not None and ended.signal == signal.SIGKILL:
            # It was probably dying when it got the job.
            raise ChildFailed(b"it was killed", has_begun=False) from None
        raise _explained(limits, ended) from None
    finally:
        lowering.cancel()
        exchange.cancel()
        server.release(child, kind, done=done)


async def _wait(limits: SandboxLimits, exchange: "asyncio.Future[ChildReply]", child: Child) -> None:
    """Wait for the time limit, excluding requests and time in which this process stood still."""
    started = time.monotonic()
    allowed = limits.wall_seconds
    while not exchange.done():
        now = time.monotonic()
        under_way = 0.0 if child.requesting_since is None else now - child.requesting_since
        deadline = started + allowed + child.seconds_requesting + under_way
        # A request moves the deadline: check repeatedly.
        least = 0.0 if child.requesting_since is None else _POLL_SECONDS
        await asyncio.wait((exchange,), timeout=max(least, deadline - now))
        now = time.monotonic()
        if child.requesting_since is not None or now < started + allowed + child.seconds_requesting:
            continue
        late = now - started - allowed - child.seconds_requesting
        if late < _STOOD_STILL_SECONDS:
            return
        allowed += late + min(late, limits.wall_seconds)


def _explained(limits: SandboxLimits, ended: Ended | None) -> SandboxFailure:
    if ended is None:
        return SandboxFailure("The program closed the connection that its result goes through")
    cpu_limit = limits.effective_cpu_seconds
    # The kernel limits by ticks and reports by time, which differ on a busy machine.
    if ended.signal in (signal.SIGKILL, signal.SIGXCPU) and ended.cpu_seconds >= cpu_limit / 2:
        return SandboxFailure(f"The run broke the CPU time limit of {cpu_limit} s", kind=LIMIT_ERROR)
    if ended.signal == signal.SIGKILL:
        return SandboxFailure("The program was killed, most likely because the machine ran out of memory")
    if ended.signal == signal.SIGSYS:
        return SandboxFailure("The program was killed: it called the kernel in a way that is never allowed")
    if ended.signal and ended.memory_bytes > 0.8 * limits.memory_bytes:
        # Some runtimes crash when memory is exhausted.
        return SandboxFailure(f"The run broke the memory limit of {limits.memory_bytes >> 20} MiB", kind=LIMIT_ERROR)
    if ended.signal:
        name = signal.Signals(ended.signal).name
        return SandboxFailure(f"The program crashed ({name}), as it does when it recurses without end in native code")
    return SandboxFailure(f"The program ended its process (exit code {ended.code}) before main returned")
