"""One operation of the API: its route and its description, beside its handler; and sections of operations, which are
imported with the first request for one.

    @Route("GET", "/v1/workflows/logs", {200: LogPage}, (400, 401), query=LogFilter)
    async def logs(request: Request) -> Answer:
        ...
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from inspect import cleandoc, get_annotations
from types import ModuleType
from typing import Any, ClassVar, Literal, Self, TypeAlias

from msgspec import Struct, field
from msgspec.structs import asdict, replace

from jikko.assemble.assembly import Assembly
from jikko.concurrency.lazy_proxy import import_for
from jikko.concurrency.run_in_thread import import_in_thread
from jikko.errors import BadRequest, JikkoError
from jikko.http.http_errors import REFUSALS, Refusals
from jikko.http.request_fields import checked, queried
from jikko.http.requests import Request
from jikko.http.responses import Response, SendableResponse, json_response, no_content

Handler: TypeAlias = Callable[[Request], Awaitable[SendableResponse]]
DeclaredHandler: TypeAlias = Callable[..., Awaitable[SendableResponse | Struct | None]]
Answers: TypeAlias = Mapping[int, type[Struct] | str]
Schema: TypeAlias = dict[str, Any]


def _none(api: Assembly) -> Iterable[object]:
    return ()


class Endpoint(Struct, frozen=True):
    """One method of one path, and what it takes and answers."""

    method: str
    path: str
    answers: Answers
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
    status: int = 200
    """Of an answer in JSON that a handler leaves to its route; see ``DeclaredRoute``."""


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


def ids_in(path: str) -> tuple[str, ...]:
    """The parts of a path that are called ids; that of a task may be any text."""
    return tuple(name for name in re.findall(r"{(\w+_id)}", path) if name != "task_id")


class RouteOfIds(Route, frozen=True):
    """A route of which there is no such address, unless each part of its path that is called an id is a UUID."""

    def __call__(self, handler: Handler) -> Operation:
        """The operation."""
        return replace(super().__call__(handler), ids=ids_in(self.path))


class ChatRoute(RouteOfIds, frozen=True):
    """A route of chat apps."""

    tag: str = "Chat apps"


class DeclaredRoute(Endpoint, frozen=True, kw_only=True):
    """An endpoint that parses what its handler asks for, and makes the answer of what that returns.

    What is asked and answered is what the handler is annotated with, unless the route says it: ``asked``, the query;
    ``body``, the JSON of the body; and a struct, or nothing.
    """

    answers: Answers = field(default_factory=dict)
    lists_are: ClassVar[type[JikkoError]] = BadRequest
    """The error for JSON that is no object."""
    nothing: ClassVar[tuple[str, Callable[[], Response]]] = "application/json", no_content
    """The media type and the answer of a handler that returns nothing: 204."""

    def declared(self, handler: DeclaredHandler) -> tuple[Self, Callable[[Any, Request], Awaitable[SendableResponse]]]:
        """The route with all that it says, and what has the handler answer a call, which is its first argument."""
        types = get_annotations(handler)
        query, body, answer = types.get("asked"), types.get("body"), types["return"]
        media_type, nothing = self.nothing
        answers = self.answers or ({204: media_type} if answer is None else {self.status: answer})
        route = replace(self, query=query or self.query, body=body or self.body, answers=answers)

        async def answered(call: Any, request: Request) -> SendableResponse:
            given: dict[str, Struct] = {} if query is None else {"asked": queried(request.query, query)}
            if body is not None:
                given["body"] = checked(await request.json(lists_are=self.lists_are), body)
            found = await handler(call, **given)
            if isinstance(found, Struct):
                return json_response(found, self.status)
            return nothing() if found is None else found

        return route, answered


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
