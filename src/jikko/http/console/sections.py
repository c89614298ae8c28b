"""The operations of the console as the application serves them: in sections, by what a page asks for together.

A server whose console nobody opens has imported none of it.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Final

from jikko.http.console.entry.headers import redirect_to
from jikko.http.operation import Operation, Section
from jikko.http.requests import Request
from jikko.http.responses import Answer
from jikko.http.welcome import welcome

if TYPE_CHECKING:
    from jikko.console.service import Console
    from jikko.http.console.files import Page
    from jikko.http.console.gate import Gate
    from jikko.http.console.tables.entry import Entry

_OF_OPERATIONS: Final = ("jikko.http.console.gate", "jikko.http.console.tables.entry")
_OF_THE_PAGE: Final = ("jikko.http.console.entry.entrance", "jikko.http.console.files", "jikko.http.console.gate")
"""Modules that are imported with the first request of a section."""


def console_sections(console: "Console", page: "Page | None" = None) -> Sequence[Operation | Section]:
    """All addresses below ``/console``, and ``/``, which leads browsers there.

    Args:
        page: By default that of the package.
    """

    @cache
    def gate() -> "Gate":
        from jikko.http.console.gate import Gate

        return Gate(console)

    def of_visitors(table: Callable[[], "Iterable[Entry]"], *parts: str) -> Section:
        def operations() -> Iterable[Operation]:
            from jikko.http.console.tables.entry import operations_of

            return operations_of(gate(), table())

        def imports() -> None:
            for name in _OF_OPERATIONS:
                import_module(name)
            table()

        return Section(tuple(f"/console/api/{part}" for part in parts), operations, imports, lambda _: (console,))

    def of_all() -> Iterable[Operation]:
        from jikko.http.console.entry.entrance import page_operations, session_operations
        from jikko.http.console.files import Page

        return [*session_operations(gate()), *page_operations(gate(), page or Page())]

    return [
        BEGINNING,
        of_visitors(_system, "overview", "plugins", "providers", "session", "system", "tokens", "tools"),
        of_visitors(_apps, "apps", "callbacks"),
        of_visitors(_runs, "apps/", "files", "forms", "runs"),
        of_visitors(_chat, "apps/", "conversations"),
        of_visitors(_knowledge, "datasets"),
        # Behind all others: it has an operation for any address.
        Section(("/console",), of_all, _import_page, lambda _: (console,)),
    ]


async def _beginning(request: Request) -> Answer:
    """What this server is; to a browser, its console."""
    if "text/html" in (request.header(b"accept") or "").lower():
        answer = redirect_to(request)
        answer.headers.append((b"vary", b"accept"))
        return answer
    return await welcome(request)


BEGINNING: Final = Operation("GET", "/", _beginning, "What this server is", {200: "*/*"}, open=True)


def _import_page() -> None:
    for name in _OF_THE_PAGE:
        import_module(name)


def _system() -> "Iterable[Entry]":
    from jikko.http.console.tables.system import SYSTEM

    return SYSTEM


def _apps() -> "Iterable[Entry]":
    from jikko.http.console.tables.apps import APPS

    return APPS


def _runs() -> "Iterable[Entry]":
    from jikko.http.console.tables.runs import RUNS

    return RUNS


def _chat() -> "Iterable[Entry]":
    from jikko.http.console.tables.chat import CHAT

    return CHAT


def _knowledge() -> "Iterable[Entry]":
    from jikko.http.console.tables.knowledge import KNOWLEDGE

    return KNOWLEDGE
