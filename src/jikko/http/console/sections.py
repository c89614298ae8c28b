"""Operations of the console in sections, by what pages request together.

A server whose console is not used imports none of it.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Final, TypeAlias

from jikko.assemble.assembly import Assembly
from jikko.http.console.console_headers import redirect_to
from jikko.http.http_errors import REFUSALS, Refusals
from jikko.http.operation import Operation, Route, Section
from jikko.http.requests import Request
from jikko.http.responses import SendableResponse
from jikko.http.routes.health import welcome

if TYPE_CHECKING:
    from jikko.console.console_service import Console
    from jikko.http.console.page_files import PageFiles
    from jikko.http.console.visitor_gate import VisitorGate


_Modules: TypeAlias = Callable[[], Iterable[ModuleType]]


def _in(*modules: str) -> _Modules:
    """Return a function that imports modules of this folder."""
    return lambda: [import_module(f"jikko.http.console.{name}") for name in modules]


_SYSTEM: Final = _in("console_system", "session")
_APPS: Final = _in("console_apps", "console_versions", "console_keys")
_RUNS: Final = _in(
    "run_charts", "console_runs", "run_streams", "run_changes", "run_shares", "console_forms", "console_chat"
)
_KNOWLEDGE: Final = _in("console_knowledge")
_LINKS: Final = _in("shared_run")
_TRIGGERS: Final = _in("trigger_entries", "delivery_entries")


def _entry() -> tuple[ModuleType, ModuleType, ModuleType]:
    from jikko.http.console import entrance, page_files, session

    return session, entrance, page_files


def _managing() -> Iterable[ModuleType]:
    from jikko.http.mcp import managing

    return managing, *_APPS(), *_RUNS(), *_TRIGGERS()


def console_sections(console: "Console", page: "PageFiles | None" = None) -> Sequence[Operation | Section]:
    """Return the sections of ``/console``, ``/api`` and ``/mcp/manage``, and of ``/``, which redirects browsers.
    ``page``: Default: from the package."""

    @cache
    def gate() -> "VisitorGate":
        from jikko.http.console.visitor_gate import VisitorGate

        return VisitorGate(console)

    def of_visitors(
        modules: _Modules, *parts: str, services: Callable[[Assembly], Iterable[object]] = lambda _: (console,)
    ) -> Section:
        beginnings = tuple(f"{api}/{part}" for api in ("/api/v1", "/console/api") for part in parts)
        return Section(beginnings, lambda: gate().operations_in(*modules()), modules, services, _refused)

    def of_triggers(api: Assembly) -> Iterable[object]:
        return console, api.triggers, api.webhooks, api.deliveries, api.schedules.control

    def of_all() -> Iterable[Operation]:
        session, entrance, files = _entry()
        return [*session.session_operations(gate()), *entrance.page_operations(gate(), page or files.PageFiles())]

    def of_agents() -> Iterable[Operation]:
        managing, *modules = _managing()
        operations: Iterable[Operation] = managing.manage_operations(gate(), *modules)
        return operations

    def of_links() -> Iterable[Operation]:
        [shared_run] = _LINKS()
        operations: Iterable[Operation] = shared_run.shared_operations(gate())
        return operations

    return [
        BEGINNING,
        of_visitors(_SYSTEM, "audit", "overview", "plugins", "providers", "session", "system", "tokens", "tools"),
        of_visitors(_APPS, "apps", "callbacks"),
        of_visitors(_RUNS, "apps/", "conversations", "files", "forms", "runs"),
        of_visitors(_KNOWLEDGE, "datasets"),
        of_visitors(_TRIGGERS, "deliveries", "triggers", services=of_triggers),
        Section(("/mcp/manage",), of_agents, _managing, of_triggers, _refused),
        Section(("/console/api/shared/",), of_links, _LINKS, lambda _: (console,), _refused),
        # Last: it matches any address.
        Section(("/console", "/api/"), of_all, _entry, lambda _: (console,), _refused),
    ]


def _refused() -> Refusals:
    return REFUSALS


async def _beginning(request: Request) -> SendableResponse:
    """Return what this server is.

    Redirects browsers to its console.
    """
    if "text/html" in (request.header(b"accept") or "").lower():
        answer = redirect_to(request)
        answer.headers.append((b"vary", b"accept"))
        return answer
    return await welcome(request)


BEGINNING: Final = Route("GET", "/", {200: "*/*"}, open=True)(_beginning)
