"""Sandbox: runs untrusted programs and templates in children of a fork server, within limits."""

import hashlib
import json
import time
from collections.abc import Collection, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from jikko.concurrency.fair_semaphore import FairSemaphore
from jikko.concurrency.run_in_thread import run_in_thread
from jikko.ports.measures import ProgramMeasures
from jikko.ports.sandbox import SandboxFailure, SendForProgram
from jikko.sandbox.languages.failure import CODE_ERROR, LIMIT_ERROR, RESULT_ERROR
from jikko.sandbox.launch import PROGRAM
from jikko.sandbox.limits import SandboxLimits, unavailable
from jikko.sandbox.packages.installed import PackageFolder
from jikko.sandbox.wire import BadReply, parse_reply
from jikko.values import Json

if TYPE_CHECKING:
    from jikko.sandbox.fork_server_client import ForkServerClient
    from jikko.sandbox.programs import Programs, TemplateKey

_LANGUAGES: Final = ("python3", "javascript")
_KINDS: Final = (CODE_ERROR, LIMIT_ERROR, RESULT_ERROR)
_MAX_INLINE_BYTES: Final = 65_536
"""Size up to which a reply is parsed on the event loop."""


class ForkServerSandbox:
    """Sandbox on Linux. Implements ``jikko.ports.sandbox.Sandbox``.

    It costs nothing until the first run, which starts the fork server (about 0.2 s, once). Belongs to one event loop,
    on a thread that lives as long.
    """

    def __init__(
        self,
        limits: SandboxLimits | None = None,
        *,
        packages: PackageFolder | None = None,
        as_named: bool = False,
        program: str = PROGRAM,
    ) -> None:
        """Starts nothing. ``packages``: Packages for programs; a change leads to a new fork server.

        ``as_named``: Load packages only once a program names one, for a process that runs few programs; that program
        waits for a new fork server. ``program``: Code of the fork server, overridden by tests and the benchmark.
        """
        self._limits = limits or SandboxLimits()
        self._packages = packages
        self._as_named = as_named
        self._program = program
        self._running: Programs | None = None
        """``None`` before the first program."""
        self._places = FairSemaphore(self._limits.concurrent_runs, self._limits.app_share)
        self.measures = ProgramMeasures(waiting=self._places.all_waiting)
        self._closed = False

    @property
    def places(self) -> FairSemaphore:
        """Permits of concurrent programs. For diagnostics."""
        return self._places

    @property
    def fork_server(self) -> "ForkServerClient | None":
        """Fork server of new runs, if there is one. For diagnostics."""
        return None if self._running is None else self._running.servers.server

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
        if language not in _LANGUAGES:
            raise SandboxFailure(f"No language {language!r}; programs are {' or '.join(_LANGUAGES)}")
        job: dict[str, Any] = {"kind": language, "code": code, "arguments": dict(arguments)}
        if files:
            job["files"] = list(files)
        result = await self._run(job, app_id, send=send)
        if not isinstance(result, dict):
            raise SandboxFailure("The program sent a result that is not an object", kind=RESULT_ERROR)
        return result

    async def render(self, template: str, variables: Mapping[str, Json], *, app_id: str = "") -> str:
        key = (app_id, hashlib.sha256(template.encode("utf-8", "surrogatepass")).digest())
        text = await self._run({"kind": "template", "code": template, "arguments": dict(variables)}, app_id, key=key)
        if not isinstance(text, str):
            raise SandboxFailure("The template sent a result that is not a text")
        return text

    async def close(self) -> None:
        """Kill running programs. Waiting and running ones fail. Idempotent."""
        self._closed = True
        if self._running is not None:
            await self._running.servers.close()

    async def _run(
        self, job: dict[str, Any], app_id: str, *, key: "TemplateKey | None" = None, send: SendForProgram | None = None
    ) -> Any:
        limit = self._limits.queued_runs
        if not self._places.is_free_for(app_id) and self._places.waiting(app_id) >= limit:
            self.measures.refused.add()
            raise SandboxFailure(
                f"The sandbox is busy: its queue limit of {limit} waiting runs of one app is reached", kind=LIMIT_ERROR
            )
        async with self._places.place(app_id):
            began = time.monotonic()
            try:
                reply = await self._programs().run(job["kind"], json.dumps(job).encode(), key, send)
            finally:
                self.measures.seconds.observe(time.monotonic() - began)
        # After releasing the permit, and outside of the program's time.
        read = partial(parse_reply, max_elements=self._limits.output_elements)
        try:
            found = read(reply.text) if len(reply.text) <= _MAX_INLINE_BYTES else await run_in_thread(read, reply.text)
        except BadReply as error:
            raise SandboxFailure(f"The program {error}") from None
        return self._value(found)

    def _programs(self) -> "Programs":
        if self._closed:
            raise unavailable("it is closed")
        if self._running is None:
            # Imported with the first program.
            from jikko.sandbox.programs import Programs

            self._running = Programs(self._limits, self._packages, self._program, as_named=self._as_named)
        return self._running

    @staticmethod
    def _value(reply: Mapping[str, Any]) -> Any:
        if "error" in reply:
            kind = reply.get("kind")
            message = reply["error"]
            # The program may have forged these; at worst it lies about its own failure.
            raise SandboxFailure(str(message)[:5000], kind=kind if kind in _KINDS else CODE_ERROR)
        return reply.get("ok")
