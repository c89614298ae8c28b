"""Overview of the server, its problems, its tools and plugins."""

import time
from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta, Struct

from jikko import __version__
from jikko.console.console_service import PluginEntry
from jikko.console.issues import Issue
from jikko.console.system import LoadInfo, ProcessInfo, SettingInfo, StoreFacts
from jikko.diagnostics.diagnostic import Diagnostic
from jikko.dify.bodies import body_from
from jikko.errors import NotFound
from jikko.events import RunStatus
from jikko.http.console.app_bodies import PARAMS, PhraseBody, phrase_body
from jikko.http.console.session import ServerInfo
from jikko.http.console.visitor_gate import ConsoleRequest, VisitorRoute
from jikko.http.request_fields import must
from jikko.http.responses import EventStream
from jikko.ports.models import ModelFailure
from jikko.ports.tools import ToolNotFound
from jikko.values import Json, Moment

_DAY = 86_400.0


class OverviewDay(Struct):
    """Runs of the last 24 hours, by hour."""

    runs: int
    by_status: Mapping[RunStatus, int]
    cost: Annotated[dict[str, str], Meta(description="Decimal numbers by currency.")]


class Overview(Struct):
    """Current activity."""

    running: int
    queued: Annotated[int, Meta(description="Queued in the answering process; they count as running, too.")]
    paused: int
    day: OverviewDay


class StoreInfo(StoreFacts, frozen=True):
    runs: int
    oldest_at: Moment | None
    files: Annotated[int, Meta(description="Files of users and nodes, up to one minute old.")]
    file_bytes: int


class HourInfo(Struct):
    """Last hour of a provider, as seen by this process."""

    requests: int
    failed: int
    p50: float | None


class ProviderInfo(Struct):
    name: str
    type: str
    host: str
    state: Literal["ok", "failing", "incomplete", "unused"]
    error: str | None
    lacks: Annotated[PhraseBody | None, Meta(description="Error if its configuration is incomplete.")]
    hour: HourInfo
    apps: list[str]


class CheckInfo(Struct):
    name: str
    status: Literal["ok", "warning", "failed"]
    detail: str
    code: str
    params: Annotated[dict[str, Json], Meta(description=PARAMS)]


class SandboxInfo(Struct):
    """Sandbox of code nodes."""

    state: Literal["checking", "ok", "failed", "unavailable"]
    checks: list[CheckInfo]


class CallbackCounts(Struct):
    """Undelivered callbacks."""

    pending: int
    failed: int


class MendInfo(Struct):
    """Problem with its remedy."""

    level: Literal["error", "warning"]
    about: str
    text: str
    mend: str | None
    paste: Annotated[str | None, Meta(description="Command, or lines of a YAML file, for the remedy.")]
    apps: list[str]
    provider: Annotated[
        str | None, Meta(description="Provider whose test, ``POST providers/{name}/test``, tells more.")
    ]
    code: str
    params: Annotated[dict[str, Json], Meta(description=PARAMS)]
    remedy: Annotated[PhraseBody | None, Meta(description="Text of `mend`.")]


class SystemInfo(Struct):
    """State of the whole server."""

    at: Moment
    server: ServerInfo
    process: ProcessInfo
    store: StoreInfo
    load: list[LoadInfo]
    settings: list[SettingInfo]
    providers: list[ProviderInfo]
    sandbox: SandboxInfo
    callbacks: CallbackCounts
    to_mend: list[MendInfo]


class SystemCheck(Struct):
    what: Annotated[Literal["sandbox", "store"], Meta(extra=must("must be 'sandbox' or 'store'"))]


class Checked(Struct):
    ok: bool
    checks: list[CheckInfo]


class ProviderTried(Struct):
    """Whether a provider answers."""

    ok: bool
    ms: float
    error: str | None
    models: list[str]


class ToolEntry(Struct):
    """Tool provider."""

    type: str
    name: str
    tools: Annotated[list[str] | None, Meta(description="null: known only to its server, which was not called.")]
    error: str | None


@VisitorRoute("GET", "overview", (503,), scope="system:read")
async def overview(call: ConsoleRequest) -> Overview:
    """Read the current activity and the last 24 hours."""
    pages, now = call.console.runs.pages, call.request.api.clock()
    open_runs = await pages.open_counts()
    counts, costs = await pages.since(now - _DAY)
    day = OverviewDay(
        sum(counts.values()), counts, {currency: f"{cost:.4f}" for currency, cost in sorted(costs.items())}
    )
    return Overview(open_runs.get("running", 0), call.console.queued(), open_runs.get("paused", 0), day)


@VisitorRoute("GET", "system", (503,), scope="system:read")
async def system(call: ConsoleRequest) -> SystemInfo:
    """Read the state of the whole server.

    Its resources, its load, and its problems. Cached for five seconds.
    """
    report, api = await call.console.system.report(), call.request.api
    providers = []
    for facts, hour, apps in report.providers:
        error = hour.error if facts.lacks is None else facts.lacks.text()
        state: Literal["ok", "failing", "incomplete", "unused"] = "ok" if hour.requests else "unused"
        if facts.lacks is not None:
            state = "incomplete"
        elif hour.failed and hour.failed * 2 >= hour.requests:
            state = "failing"
        last_hour = HourInfo(hour.requests, hour.failed, hour.p50)
        lacks = phrase_body(facts.lacks)
        providers.append(
            ProviderInfo(facts.name, facts.type, facts.host, state, error or None, lacks, last_hour, list(apps))
        )
    return SystemInfo(
        report.at,
        ServerInfo(__version__, api.clock(), call.console.public_url),
        report.process,
        body_from(
            report.store,
            StoreInfo,
            runs=report.runs,
            oldest_at=report.oldest,
            files=report.files.files,
            file_bytes=report.files.bytes,
        ),
        [*report.load, LoadInfo("streams", EventStream.under_way, None)],
        list(report.settings),
        providers,
        SandboxInfo(report.sandbox.state, [_check(check) for check in report.sandbox.checks]),
        CallbackCounts(report.callbacks_pending, report.callbacks_failed),
        [_issue(issue) for issue in report.issues],
    )


@VisitorRoute("POST", "system/check", (503,), scope="system:write")
async def check_system(call: ConsoleRequest, body: SystemCheck) -> Checked:
    """Check the sandbox, or that the database is writable."""
    call.note("checked", body.what)
    if body.what == "sandbox":
        checks = await call.console.system.check_sandbox()
    else:
        await call.console.app_store.note_uses({})
        checks = [Diagnostic("store.written", where="write", severity="ok")]
    return Checked(all(check.ok for check in checks), [_check(one) for one in checks])


@VisitorRoute("POST", "providers/{name}/test", (404, 503), scope="system:write")
async def test_provider(call: ConsoleRequest) -> ProviderTried:
    """Test a provider by listing its models.

    Its name may be ``a~b`` for ``a/b``.
    """
    name = call.request.path_params["name"].replace("~", "/")
    if name not in {facts.name for facts, _, _ in (await call.console.system.report()).providers}:
        raise NotFound(f"No provider {name[:100]!r} in the providers file.")
    began = time.perf_counter()
    try:
        models, error = list(await call.console.offered_models(name)), None
    except ModelFailure as failure:
        models, error = [], str(failure)
    call.note("tested provider", name)
    return ProviderTried(error is None, (time.perf_counter() - began) * 1000, error, models[:200])


@VisitorRoute("GET", "tools", scope="system:read")
async def list_tools(call: ConsoleRequest) -> list[ToolEntry]:
    """List tool providers, without calling MCP servers."""
    found = []
    service = call.console.tools
    for provider in service.providers():
        tools: list[str] | None = None
        error = None
        if provider.provider_type != "mcp":
            try:
                tools = [tool.name.tool for tool in await service.offered(provider)]
            except ToolNotFound as failure:
                error = str(failure)
        found.append(ToolEntry(provider.provider_type, provider.provider_name or provider.provider, tools, error))
    return found


@VisitorRoute("GET", "plugins", scope="system:read")
async def list_plugins(call: ConsoleRequest) -> list[PluginEntry]:
    """List installed plugins."""
    return list(await call.console.plugins())


def _check(found: Diagnostic) -> CheckInfo:
    status: Literal["ok", "warning", "failed"] = "failed"
    if found.ok:
        status = "warning" if found.severity == "warning" else "ok"
    return CheckInfo(found.where, status, found.text(), found.code, found.plain())


def _issue(issue: Issue) -> MendInfo:
    found = issue.diagnostic
    return MendInfo(
        "warning" if found.severity == "warning" else "error",
        found.where,
        found.text(),
        found.advice() or None,
        found.snippet or None,
        list(issue.apps),
        issue.provider or None,
        found.code,
        found.plain(),
        phrase_body(found.remedy),
    )
