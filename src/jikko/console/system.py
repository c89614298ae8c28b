"""How the server is: what it has, what it carries, and what is to be mended."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Literal, TypeAlias

from msgspec import Struct, field
from msgspec.structs import replace

from jikko.console.model_uses import ModelUses, ProviderHour
from jikko.console.outlooks import Outlooks
from jikko.ports.clock import Clock
from jikko.ports.stores.app_store import AppStore
from jikko.ports.stores.callback_store import CallbackStore
from jikko.ports.stores.run_pages import RunPages

Level: TypeAlias = Literal["error", "warning"]
LoadName: TypeAlias = Literal["runs", "queued", "programs", "requests"]
"""Runs that go on, those that wait for their turn, programs in the sandbox, and requests to the outside."""

_KEPT_SECONDS: Final = 5.0
_MOST_CALLBACKS: Final = 1_000


class ToMend(Struct, frozen=True):
    """Something that is wrong."""

    level: Level
    about: str
    text: str
    mend: str = ""
    """What to do."""
    apps: tuple[str, ...] = ()
    """The ids of those that it hits."""


class Load(Struct, frozen=True):
    """How much is in use, by this process, of what there is at most."""

    name: LoadName
    used: float
    limit: float | None
    """``None`` for none."""


class SettingValue(Struct, frozen=True):
    """A setting; secrets are masked."""

    name: str
    value: str
    source: Literal["default", "environment", "file", "option"]
    """Where it comes from."""


class ProviderFacts(Struct, frozen=True):
    """A provider, as the settings have it."""

    name: str
    type: str
    host: str
    lacks: str = ""
    """What it lacks to be called; ``""`` for nothing."""
    mend: str = ""


class CheckLine(Struct, frozen=True):
    """One thing that was tried."""

    name: str
    status: Literal["ok", "warning", "failed"]
    detail: str


class SandboxState(Struct, frozen=True):
    """What is known of the sandbox."""

    state: Literal["unchecked", "ok", "failed", "unavailable"]
    checks: tuple[CheckLine, ...]


class StoreFacts(Struct, frozen=True):
    """Where things are kept."""

    engine: str
    """With its version."""
    path: str
    bytes: int
    wal: int
    """Bytes that the file does not have yet."""
    free: int
    """Bytes of the disk that are left."""


class ProcessFacts(Struct, frozen=True):
    """The process that answers."""

    python: str
    pid: int
    workers: int
    """How many processes serve."""
    memory: int | None
    """Bytes that it has; ``None`` where the system does not tell."""
    began: float
    """When it started, in seconds since the Unix epoch."""


class Report(Struct, frozen=True, kw_only=True):
    """All of it, at one moment."""

    at: float
    process: ProcessFacts
    store: StoreFacts
    runs: int
    """How many are kept."""
    oldest: float | None
    """When the first of these was created."""
    load: tuple[Load, ...]
    settings: tuple[SettingValue, ...]
    providers: tuple[tuple[ProviderFacts, ProviderHour, tuple[str, ...]], ...]
    """With its last hour, and the ids of the apps that call it."""
    sandbox: SandboxState
    callbacks_pending: int
    callbacks_failed: int
    to_mend: tuple[ToMend, ...]


class Facts(Struct, frozen=True, kw_only=True):
    """Reads what a report is made of."""

    process: Callable[[], ProcessFacts]
    store: Callable[[], StoreFacts]
    load: Callable[[], Sequence[Load]]
    settings: Callable[[], Sequence[SettingValue]]
    providers: Callable[[], Sequence[ProviderFacts]]
    no_sandbox: Callable[[], str | None]
    """Why this machine cannot have one."""
    try_sandbox: Callable[[], Awaitable[Sequence[CheckLine]]]
    trial: Callable[[], Sequence[ToMend]] = field(default=tuple)
    """What is set to try workflows, and is not for others to use."""


class System:
    """Makes reports, and keeps each for some seconds."""

    def __init__(
        self,
        facts: Facts,
        apps: AppStore,
        outlooks: Outlooks,
        callbacks: CallbackStore,
        pages: RunPages,
        uses: ModelUses,
        clock: Clock,
    ) -> None:
        self._facts = facts
        self._apps = apps
        self._outlooks = outlooks
        self._callbacks = callbacks
        self._pages = pages
        self._uses = uses
        self._clock = clock
        self._report: Report | None = None
        self._checks: tuple[CheckLine, ...] = ()
        self._making = asyncio.Lock()

    async def report(self) -> Report:
        """How the server is, as of the last five seconds."""
        async with self._making:
            if self._report is None or not 0 <= self._clock() - self._report.at < _KEPT_SECONDS:
                self._report = await self._made()
            return self._report

    async def check_sandbox(self) -> Sequence[CheckLine]:
        """Try each property of the sandbox. Takes a second or two."""
        self._checks = tuple(await self._facts.try_sandbox())
        self._report = None
        return self._checks

    async def _made(self) -> Report:
        facts = self._facts
        store, settings = await asyncio.to_thread(facts.store), await asyncio.to_thread(facts.settings)
        known = await asyncio.to_thread(facts.providers)
        mend: list[ToMend] = list(facts.trial())
        by_provider: dict[str, list[str]] = {}
        for app in await self._apps.apps():
            version = await self._apps.version(app.id, app.workflow_id)
            if version is None:
                continue
            outlook = await self._outlooks.of(app, version)
            for use in outlook.models:
                by_provider.setdefault(use.need.provider, []).append(app.id)
            for finding in outlook.findings:
                if finding.level in ("error", "will_fail"):
                    text = replace(finding, hint="").sentence()
                    mend.append(ToMend("error", "workflow", text, finding.hint, (app.id,)))
                    break
        providers = []
        for entry in known:
            hour, users = self._uses.hour(entry.name), tuple(dict.fromkeys(by_provider.get(entry.name, ())))
            providers.append((entry, hour, users))
            if entry.lacks:
                mend.append(ToMend("error", "provider", f"{entry.name}: {entry.lacks}", entry.mend, users))
            elif hour.failed and hour.failed == hour.requests:
                text = f"{entry.name}: all of {hour.requests} requests of the last hour failed: {hour.error}"
                mend.append(ToMend("error", "provider", text, "", users))
        pending, failed = await self._undelivered()
        if failed:
            text = f"{failed} call-back{'s were' if failed > 1 else ' was'} given up"
            mend.append(ToMend("warning", "callbacks", text, "jikko callbacks resend --all"))
        if store.free < 1_000_000_000:
            text = f"The disk of the data folder has {store.free / 1e6:.0f} MB left"
            level: Level = "error" if store.free < 50_000_000 else "warning"
            mend.append(ToMend(level, "disk", text, "jikko runs prune --older-than 30d"))
        sandbox = self._sandbox()
        mend += [ToMend("error", "sandbox", check.detail) for check in sandbox.checks if check.status == "failed"]
        mend.sort(key=lambda entry: entry.level)
        counts, _ = await self._pages.since(0)
        return Report(
            at=self._clock(),
            process=facts.process(),
            store=store,
            runs=sum(counts.values()),
            oldest=await self._pages.earliest(),
            load=tuple(facts.load()),
            settings=tuple(settings),
            providers=tuple(providers),
            sandbox=sandbox,
            callbacks_pending=pending,
            callbacks_failed=failed,
            to_mend=tuple(mend),
        )

    def _sandbox(self) -> SandboxState:
        if reason := self._facts.no_sandbox():
            return SandboxState("unavailable", (CheckLine("platform", "failed", reason),))
        if not self._checks:
            return SandboxState("unchecked", ())
        failed = any(check.status == "failed" for check in self._checks)
        return SandboxState("failed" if failed else "ok", self._checks)

    async def _undelivered(self) -> tuple[int, int]:
        """How many are still tried, and how many were given up; of a thousand at most."""
        found = await self._callbacks.undelivered(limit=_MOST_CALLBACKS)
        failed = sum(entry.state == "failed" for entry in found)
        return len(found) - failed, failed
