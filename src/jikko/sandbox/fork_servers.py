"""The fork server that runs go to, and those that finish theirs: one that is old gives way to a new one."""

import asyncio
import logging
import time
from typing import Final

from jikko.ports.sandbox import SandboxFailure
from jikko.sandbox.fork_server_client import ForkServerClient
from jikko.sandbox.limits import SandboxLimits
from jikko.sandbox.packages.installed import PackageFolder, Unreadable
from jikko.sandbox.packages.loadable import loadable
from jikko.sandbox.unavailable import unavailable

_log = logging.getLogger(__name__)

_COMPUTED: Final = frozenset(("import_module", "__import__"))
"""With these a program may import what it does not name."""


class ForkServers:
    """All fork servers of one sandbox: usually one."""

    def __init__(
        self, limits: SandboxLimits, packages: PackageFolder | None, program: str, *, as_named: bool = False
    ) -> None:
        """See ``ForkServerSandbox``. Starts nothing."""
        self.limits = limits
        self.server: ForkServerClient | None = None
        """The one that new runs go to, or ``None`` while there is none."""
        self.is_closed = False
        self._packages = packages
        self._program = program
        self._loads_packages = not as_named
        self._retired: set[ForkServerClient] = set()
        self._starting = asyncio.Lock()
        self._renewal: asyncio.Task[None] | None = None

    async def current(self, program: bytes = b"") -> ForkServerClient:
        """The one that new runs go to. The first is started; one that is old, or has other packages, is replaced soon.

        ``program``: The next one's text. Raises ``SandboxFailure``: it could not be started, or all of it is closed.
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
        return server

    def _is_first_with_packages(self, program: bytes) -> bool:
        """Whether a program may import a package, and none before it could: all packages are loaded from here on."""
        if self._packages is None or self._loads_packages:
            return False
        try:
            installed = self._packages.current()
        except Unreadable:  # as the start will say
            return False
        known = frozenset[str]() if installed is None else installed.modules
        self._loads_packages = bool(known) and any(name.encode() in program for name in known | _COMPUTED)
        return self._loads_packages

    async def close_if_unused(self, server: ForkServerClient) -> None:
        """Close one that has given way to another, behind its last run."""
        if server in self._retired and server.active == 0:
            await server.close()
            self._retired.discard(server)

    async def close(self) -> None:
        """Kill all. May be called twice."""
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
        # Kept here until it has ended, so that ``close`` finds it whatever happens meanwhile.
        self._retired.add(old)
        if not old.active:
            await old.close()
            self._retired.discard(old)
