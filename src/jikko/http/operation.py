"""Operations of the API, each with route and description beside its handler.
Sections of them are imported on demand.

    @Route("GET", "/v1/workflows/logs", {200: LogPage}, (400, 401), query=LogFilter)
    async def logs(request: Request) -> Answer:
        ...
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from functools import cache, wraps
from inspect import cleandoc, get_annotations
from types import GenericAlias, ModuleType
from typing import Any, ClassVar, Literal, Self, TypeAlias

from msgspec import Struct, defstruct, field
from msgspec.structs import asdict, replace

from jikko.assemble.assembly import Assembly
from jikko.concurrency.lazy_proxy import import_for
from jikko.concurrency.run_in_thread import import_in_thread
from jikko.errors import BadRequest, JikkoError
from jikko.http.http_errors import REFUSALS, Refusals
from jikko.http.request_fields import checked, queried
from jikko.http.requests import Request, authenticated
from jikko.http.responses import Response, SendableResponse, deleted, json_response, no_content

Handler: TypeAlias = Callable[[Request], Awaitable[SendableResponse]]
DeclaredHandler: TypeAlias = Callable[..., Awaitable[SendableResponse | Struct | list[Any] | None]]
Answers: TypeAlias = Mapping[int, type[Struct] | str]
Schema: TypeAlias = dict[str, Any]


class Endpoint(Struct, frozen=True):
    """One method of one path, with its parameters and answers."""

    method: str
    path: str
    answers: Answers
    """Answers by status, without errors: a JSON schema, or a media type without a schema."""
    errors: tuple[int, ...] = ()
    """Error statuses beyond those of the key and the body: see ``refusals``."""
    tag: str = "Workflow Runs"
    body: type[Struct] | None = None
    body_media_type: str = "application/json"
    """Media type of the request body; without ``body`` and other than JSON, that of raw bytes."""
    query: type[Struct] | None = None
    """Query parameters; see ``queried``."""
    headers: tuple[tuple[str, Schema, str], ...] = ()
    """Request headers, all optional: name, schema and description."""
    streams: bool = False
    """Whether it may also answer with server-sent events."""
    ids: tuple[str, ...] = ()
    """Path parameters that must be UUIDs: otherwise a 404 page, with any key. (Dify)"""
    open: bool = False
    """Whether it works without an API key."""
    key: Literal["app", "apps", "dataset", "console"] = "app"
    """Type of API key; ``apps``: also one for several apps. Except for ``app``, the handler checks it."""
    scope: str | None = None
    """Required scope of a management token."""
    hot: bool = False
    """Whether it is called so often that logging each call would hide the others."""
    starts: bool = False
    """Whether it starts a run; see ``starting``."""
    older: tuple[str, ...] = ()
    """Older paths, served but not described."""
    described: bool = True
    """Whether it is part of the API's description."""
    refused: Refusals = REFUSALS
    status: int = 200
    """Status of JSON answers made by the route; see ``DeclaredRoute``."""


class Operation(Endpoint, frozen=True, kw_only=True):
    """Endpoint with its handler, whose docstring is its public description."""

    handler: Handler

    @property
    def refusals(self) -> tuple[int, ...]:
        by_key = () if self.open else (401, 403, 421) if self.key == "console" else (401, 429)
        by_body = () if self.body is None else (400, 413, 415)
        return tuple(sorted({*self.errors, *by_key, *by_body}))

    @property
    def summary(self) -> str:
        """Return the docstring's first paragraph, without the full stop."""
        return " ".join(self._words[0].split()).removesuffix(".")

    @property
    def description(self) -> str:
        """Return the docstring's other paragraphs."""
        return self._words[2]

    @property
    def _words(self) -> tuple[str, str, str]:
        return cleandoc(self.handler.__doc__ or "").partition("\n\n")


class Route(Endpoint, frozen=True):
    """Endpoint as a decorator of its handler."""

    def __call__(self, handler: Handler) -> Operation:
        return Operation(handler=handler, **asdict(self))


def ids_in(path: str) -> tuple[str, ...]:
    """Return the ID parameters of a path, except task IDs, which may be any text."""
    return tuple(name for name in re.findall(r"{(\w+_id)}", path) if name != "task_id")


class ChatRoute(Route, frozen=True):
    """Route of chat apps. Its ID parameters must be UUIDs; otherwise the address does not exist."""

    tag: str = "Chat apps"

    def __call__(self, handler: Handler) -> Operation:
        return replace(super().__call__(handler), ids=ids_in(self.path))


@cache
def list_of(entry: type[Struct]) -> type[Struct]:
    """Return the body of a list, an object with ``data``, named by the plural: ``Keys`` of ``Key``."""
    name = re.sub(r"(?<![aeiou])y$", "ie", entry.__name__) + "s"
    # The type exists at run time only.
    entries = list[entry]  # type: ignore[valid-type]
    return defstruct(name, [("data", entries)], namespace={"__doc__": f"List of `{entry.__name__}`."})


class DeclaredRoute(Endpoint, frozen=True, kw_only=True):
    """Endpoint that parses its handler's arguments, and encodes its result.

    Their types are the handler's annotations, unless the route sets them: ``asked``, the query; ``body``, the JSON
    body; and a struct, a list of structs or ``None`` as result.
    """

    answers: Answers = field(default_factory=dict)
    lists_are: ClassVar[type[JikkoError]] = BadRequest
    """Error for JSON other than an object."""
    nothing: ClassVar[tuple[str, Callable[[], Response]]] = "application/json", no_content
    """Media type and response for a result of ``None``: 204."""

    def declared(self, handler: DeclaredHandler) -> tuple[Self, Callable[..., Awaitable[SendableResponse]]]:
        """Return the completed route, and a wrapper of the handler that takes the request before its arguments."""
        types = get_annotations(handler)
        query, body, answer = types.get("asked"), types.get("body"), types["return"]
        if isinstance(answer, GenericAlias):
            answer = list_of(*answer.__args__)
        media_type, nothing = self.nothing
        answers = self.answers or ({204: media_type} if answer is None else {self.status: answer})
        route = replace(self, query=query or self.query, body=body or self.body, answers=answers)

        async def answered(request: Request, *call: object) -> SendableResponse:
            given: dict[str, Struct] = {} if query is None else {"asked": queried(request.query, query)}
            if body is not None:
                given["body"] = checked(await request.json(lists_are=self.lists_are), body)
            found = await handler(*call, **given)
            if isinstance(found, Struct):
                return json_response(found, self.status)
            if isinstance(found, list):
                return json_response({"data": found}, self.status)
            return nothing() if found is None else found

        return route, answered


class AppRoute(DeclaredRoute, frozen=True, kw_only=True):
    """Route with the key of an app, which its handler gets after the request. The key is checked before all else."""

    nothing: ClassVar[tuple[str, Callable[[], Response]]] = "application/json", deleted

    def __call__(self, handler: DeclaredHandler) -> Operation:
        route, answered = self.declared(handler)

        @wraps(handler)
        async def handle(request: Request) -> SendableResponse:
            return await answered(request, request, await authenticated(request))

        return Operation(handler=handle, **asdict(route))


def operations_in(*modules: ModuleType) -> Iterator[Operation]:
    """Yield the operations defined in modules, in source order, without imported ones."""
    for module in modules:
        for found in vars(module).values():
            if isinstance(found, Operation) and found.handler.__module__ == module.__name__:
                yield found
                for path in found.older:
                    yield replace(found, path=path, older=(), described=False)


class Section(Struct, frozen=True):
    """Operations imported on demand: an unused section costs nothing.

    The first request waits for the import, without blocking others.
    """

    beginnings: tuple[str, ...]
    """Path prefixes of its operations, not necessarily exclusive, and of unknown addresses that it refuses."""
    operations: Callable[[], Iterable[Operation]]
    """Imports and returns them."""
    imports: Callable[[], object] | None = None
    """Only imports them, in another thread; ``None``: ``operations`` does."""
    services: Callable[[Assembly], Iterable[object]] = lambda _: ()
    """Services that they use, some perhaps not yet created: see ``lazy_proxy``."""
    refused: Callable[[], Refusals] | None = None
    """Error format for unknown addresses below its prefixes; ``None``: a page (Dify)."""

    async def prepare(self, api: Assembly) -> None:
        """Import in a thread all that would otherwise block the event loop."""
        await import_in_thread(self.imports or self.operations)
        for service in self.services(api):
            await import_for(service)


def all_operations(entries: Iterable[Operation | Section]) -> tuple[Operation, ...]:
    """Return all operations, importing the sections."""
    return tuple(
        found for entry in entries for found in (entry.operations() if isinstance(entry, Section) else (entry,))
    )
