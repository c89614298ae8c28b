"""Running programs in children of fork servers. Imported with the first program."""

import logging
import time
from typing import Final

from jikko.ports.sandbox import SendForProgram
from jikko.sandbox.child import ChildFailed, ChildReply
from jikko.sandbox.clients import MODULES
from jikko.sandbox.compiled_templates import CompiledTemplates, TemplateKey
from jikko.sandbox.fork_server_client import ForkServerGone
from jikko.sandbox.fork_servers import ForkServers
from jikko.sandbox.limits import SandboxLimits
from jikko.sandbox.packages.installed import PackageFolder
from jikko.sandbox.supervision import supervised
from jikko.sandbox.unavailable import unavailable
from jikko.sandbox.wire import pack

_log = logging.getLogger(__name__)

_BEGIN_AGAIN_WITHIN_SECONDS: Final = 0.1


class Programs:
    """Runs one program at a time in a child of its own."""

    def __init__(self, limits: SandboxLimits, packages: PackageFolder | None, program: str, *, as_named: bool) -> None:
        """See ``ForkServerSandbox``. Starts nothing."""
        self.servers = ForkServers(limits, packages, program, as_named=as_named)
        self._compiled = CompiledTemplates()

    async def run(
        self, kind: str, text: bytes, key: TemplateKey | None, send: SendForProgram | None, *, again: bool = True
    ) -> ChildReply:
        """Run a program. Returns what it replied.

        Args:
            kind: See ``ForkServer.take``.
            text: The job, in JSON.
            key: Of a template.
            send: Makes the requests of a program.
            again: Whether it may begin again if the child fails before it, or the fork server turns out to be gone.

        Raises:
            SandboxFailure: It failed, or cannot be run.
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
            reply = await supervised(self.servers, server, child, kind, job, send)
        except ForkServerGone:
            # It was dying when the run began, so the run may begin again: a program that made no request has no effects
            # to repeat. One that ran for a while may itself be why the fork server died, and is not tried twice.
            is_new = time.monotonic() - started < _BEGIN_AGAIN_WITHIN_SECONDS
            if again and is_new and not (child is not None and child.has_asked):
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
