"""State of the server: its parts, its load, and its issues."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Final, Literal, TypeAlias

from msgspec import Meta, Struct
from msgspec.structs import replace

from jikko.concurrency.ttl_cache import TtlCache
from jikko.console.issues import Issue, Issues, KnownProvider
from jikko.diagnostics.diagnostic import Diagnostic, Phrase
from jikko.errors import JikkoError
from jikko.ports.clock import Clock
from jikko.ports.stores.file_index import FileTotals
from jikko.ports.stores.run_pages import RunPages
from jikko.repositories.file_index import FileIndex
from jikko.values import Moment

LoadName: TypeAlias = Literal["runs", "queued", "programs", "requests", "models", "streams"]
"""Running and queued runs, programs in the sandbox, outgoing requests, model requests, and open streams."""

_TTL_SECONDS: Final = 5.0
_FILES_TTL_SECONDS: Final = 60.0
"""Long, since counting reads every file's metadata."""


class LoadInfo(Struct, frozen=True):
    """Use of a resource."""

    name: LoadName
    used: float
    """Use by this process."""
    limit: float | None
    """``None``: no limit."""


class SettingInfo(Struct, frozen=True, rename={"source": "from"}):
    name: str
    value: str
    """Value; masked for secrets."""
    source: Literal["default", "environment", "file", "option"]


class SandboxState(Struct, frozen=True):
    """State of the sandbox, as far as known."""

    state: Literal["checking", "ok", "failed", "unavailable"]
    checks: tuple[Diagnostic, ...]


class StoreFacts(Struct, frozen=True):
    engine: str
    """Name and version."""
    path: str
    bytes: int
    wal: Annotated[int, Meta(description="Bytes written but not yet in the file.")]
    free: Annotated[int, Meta(description="Free bytes on the disk.")]
    commit: Annotated[
        float | None,
        Meta(description="Approximate median duration of a transaction in seconds; null: no transactions."),
    ]


class ProcessInfo(Struct, frozen=True):
    """Answering process."""

    python: str
    pid: int
    workers: Annotated[int, Meta(description="Number of serving processes.")]
    memory: Annotated[int | None, Meta(description="Bytes; null if the system does not report it.")]
    began_at: Moment


class Report(Struct, frozen=True, kw_only=True):
    """State of the server at one moment."""

    at: float
    process: ProcessInfo
    store: StoreFacts
    runs: int
    """Stored runs."""
    oldest: float | None
    """Creation time of the oldest run."""
    files: FileTotals
    """Up to one minute old."""
    load: tuple[LoadInfo, ...]
    settings: tuple[SettingInfo, ...]
    providers: tuple[KnownProvider, ...]
    sandbox: SandboxState
    callbacks_pending: int
    callbacks_failed: int
    issues: tuple[Issue, ...]


class Facts(Struct, frozen=True, kw_only=True):
    """Sources of a report."""

    process: Callable[[], ProcessInfo]
    store: Callable[[], StoreFacts]
    load: Callable[[], Sequence[LoadInfo]]
    settings: Callable[[], Sequence[SettingInfo]]
    no_sandbox: Callable[[], Phrase | None]
    """Reason why this machine cannot have a sandbox."""
    try_sandbox: Callable[[], Awaitable[Sequence[Diagnostic]]]
    installation: Callable[[], Awaitable[Sequence[Diagnostic]]]
    """Problems of machine and settings: the warnings of ``jikko doctor``."""


class System:
    """Reports, each cached for some seconds."""

    def __init__(self, facts: Facts, issues: Issues, pages: RunPages, files: FileIndex, clock: Clock) -> None:
        self._facts = facts
        self._issues = issues
        self._pages = pages
        self._files = files
        self._clock = clock
        self._reports = TtlCache(_TTL_SECONDS, timer=clock)
        self._file_totals = TtlCache(_FILES_TTL_SECONDS, timer=clock)
        self._checks: tuple[Diagnostic, ...] = ()
        self._tries = 0
        """Number of sandbox checks."""
        self._checking: asyncio.Task[None] | None = None

    async def report(self) -> Report:
        """Return the server's state, at most five seconds old. The first call starts a sandbox check in the background.
        Raises ``JikkoError``, for all concurrent callers alike."""
        if self._checking is None and self._facts.no_sandbox() is None:
            self._checking = asyncio.create_task(self._first_check())
        return await self._reports.get(self._tries, self._made)

    async def check_sandbox(self) -> Sequence[Diagnostic]:
        """Check each property of the sandbox. Takes a second or two."""
        self._checks, self._tries = tuple(await self._facts.try_sandbox()), self._tries + 1
        return self._checks

    async def close(self) -> None:
        if self._checking is not None:
            self._checking.cancel()
            await asyncio.gather(self._checking, return_exceptions=True)

    async def _first_check(self) -> None:
        try:
            await self.check_sandbox()
        except (JikkoError, OSError) as error:
            self._checks = (Diagnostic("sandbox.verbatim", {"text": str(error)}, where="sandbox"),)
            self._tries += 1

    async def _made(self) -> Report:
        facts = self._facts
        store, settings = await asyncio.to_thread(facts.store), await asyncio.to_thread(facts.settings)
        found = await self._issues.look()
        sandbox = self._sandbox()
        issues = [*map(Issue, await facts.installation()), *found.issues]
        issues += [Issue(replace(check, where="sandbox")) for check in sandbox.checks if not check.ok]
        issues.sort(key=lambda issue: issue.diagnostic.severity)
        return Report(
            at=self._clock(),
            process=facts.process(),
            store=store,
            runs=await self._pages.total(),
            oldest=await self._pages.earliest(),
            files=await self._file_totals.get((), self._files.totals),
            load=tuple(facts.load()),
            settings=tuple(settings),
            providers=found.providers,
            sandbox=sandbox,
            callbacks_pending=found.callbacks_pending,
            callbacks_failed=found.callbacks_failed,
            issues=tuple(issues),
        )

    def _sandbox(self) -> SandboxState:
        if reason := self._facts.no_sandbox():
            return SandboxState("unavailable", (Diagnostic(reason.code, reason.params, where="platform"),))
        if not self._checks:
            return SandboxState("checking", ())
        failed = not all(check.ok for check in self._checks)
        return SandboxState("failed" if failed else "ok", self._checks)
