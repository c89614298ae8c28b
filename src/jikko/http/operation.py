"""One operation of the API: its route and its description, beside its handler; and sections of operations, which are
imported with the first request for one.

    @Route("GET", "/v1/workflows/logs", {200: LogPage}, (400, 401), query=LogFilter)
    async def logs(request: Request) -> Answer:
        ...
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from inspect import cleandoc
from types import ModuleType
from typing import Any, Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import asdict, replace

from jikko.assemble.assembly import Assembly
from jikko.concurrency.lazy_proxy import import_for
from jikko.concurrency.run_in_thread import import_in_thread
from jikko.http.http_errors import REFUSALS, Refusals
from jikko.http.requests import Request
from jikko.http.responses import SendableResponse

Handler: TypeAlias = Callable[[Request], Awaitable[SendableResponse]]
Schema: TypeAlias = dict[str, Any]


def _none(api: Assembly) -> Iterable[object]:
    return ()


class Endpoint(Struct, frozen=True):
    """One method of one path, and what it takes and answers."""

    method: str
    path: str
    answers: Mapping[int, type[Struct] | str]
    """What it answers with by status, errors apart: a body in JSON, or a media type without a schema."""
    errors: tuple[int, ...] = ()
    """What it may be refused with besides what its key and its body may be: see ``refusals``."""
    tag: str = "Workflow Runs"
    body: type[Struct] | None = None
    body_media_type: str = "application/json"
    """Of a body; without ``body``, if not JSON, that of bytes that are taken as they come."""
    query: type[Struct] | None = None
    """The parameters behind the path; see ``queried``."""
    headers: tuple[tuple[str, Schema, str], ...] = ()
    """Headers of the request, all optional: name, schema and description."""
    streams: bool = False
    """Whether it may answer with server-sent events as well."""
    ids: tuple[str, ...] = ()
    """Parts of the path without which, if they are no UUIDs, there is no such address, with any key: a page. (Dify)"""
    open: bool = False
    """Whether it needs no API key."""
    key: Literal["app", "apps", "dataset", "console"] = "app"
    """What its API key opens; ``apps``: also several apps. The handlers of all but those of one app look at it."""
    scope: str | None = None
    """What a token of the management API needs to have."""
    hot: bool = False
    """Whether it is asked so often that a line of the log for each time would hide the others."""
    starts: bool = False
    """Whether it starts a run; see ``starting``."""
    older: tuple[str, ...] = ()
    """Older names of the path, which are served and not described."""
    described: bool = True
    """Whether the description of the API has it."""
    refused: Refusals = REFUSALS


class Operation(Endpoint, frozen=True, kw_only=True):
    """An endpoint with its handler, whose docstring describes it to clients."""

    handler: Handler

    @property
    def refusals(self) -> tuple[int, ...]:
        """All statuses that it may be refused with, in order."""
        by_key = () if self.open else (401, 403, 421) if self.key == "console" else (401, 429)
        by_body = () if self.body is None else (400, 413, 415)
        return tuple(sorted({*self.errors, *by_key, *by_body}))

    @property
    def summary(self) -> str:
        """The first paragraph of its handler's docstring, without the full stop."""
        return " ".join(self._words[0].split()).removesuffix(".")

    @property
    def description(self) -> str:
        """The other paragraphs."""
        return self._words[2]

    @property
    def _words(self) -> tuple[str, str, str]:
        return cleandoc(self.handler.__doc__ or "").partition("\n\n")


class Route(Endpoint, frozen=True):
    """An endpoint, as the decorator that makes an operation of its handler."""

    def __call__(self, handler: Handler) -> Operation:
        """The operation."""
        return Operation(handler=handler, **asdict(self))


class RouteOfIds(Route, frozen=True):
    """A route of which there is no such address, unless each part of its path that is called an id is a UUID."""

    def __call__(self, handler: Handler) -> Operation:
        """The operation. The id of a task may be any text."""
        ids = tuple(name for name in re.findall(r"{(\w+_id)}", self.path) if name != "task_id")
        return replace(super().__call__(handler), ids=ids)


class ChatRoute(RouteOfIds, frozen=True):
    """A route of chat apps."""

    tag: str = "Chat apps"


def operations_in(*modules: ModuleType) -> Iterator[Operation]:
    """The operations that modules have, in the order of their text; not those that they import from others."""
    for module in modules:
        for found in vars(module).values():
            if isinstance(found, Operation) and found.handler.__module__ == module.__name__:
                yield found
                for path in found.older:
                    yield replace(found, path=path, older=(), described=False)


class Section(Struct, frozen=True):
    """Operations that not every server is asked for: until then they, and all they work with, cost nothing.

    What asks for them first waits for the import, and all else goes on meanwhile.
    """

    beginnings: tuple[str, ...]
    """How the addresses of its operations begin. Others may begin so, too."""
    operations: Callable[[], Iterable[Operation]]
    """Imports them."""
    imports: Callable[[], object] | None = None
    """Imports them and does nothing else, in another thread; ``None``: ``operations`` is like that."""
    services: Callable[[Assembly], Iterable[object]] = _none
    """What they work with, of which some may not be made and imported yet: see ``later``."""
    refused: Callable[[], Refusals] | None = None
    """How an address is refused that begins so and has no operation; ``None``: with a page (Dify)."""

    async def prepare(self, api: Assembly) -> None:
        """Have all imported that the event loop would have to wait for."""
        await import_in_thread(self.imports or self.operations)
        for service in self.services(api):
            await import_for(service)


def all_operations(entries: Iterable[Operation | Section]) -> tuple[Operation, ...]:
    """Operations, and those of sections, which are imported for it."""
    return tuple(
        found for entry in entries for found in (entry.operations() if isinstance(entry, Section) else (entry,))
    )
