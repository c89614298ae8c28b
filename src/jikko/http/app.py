"""ASGI application and its router."""

import asyncio
import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

from msgspec import Struct, field
from starlette.types import ASGIApp, Receive, Scope, Send

from jikko.assemble.assembly import Assembly
from jikko.concurrency.scheduler import LoopLag
from jikko.errors import JikkoError, NotAllowed, NotFound
from jikko.http.bodies.reading import Bodies
from jikko.http.console.console_headers import MANAGED, console_headers, is_console
from jikko.http.cors import METHODS, added_headers, is_preflight
from jikko.http.http_errors import (
    REFUSALS,
    Error,
    Refusals,
    error_response,
    no_page,
    options,
    refusal,
    server_ended,
    unexpected_error,
)
from jikko.http.operation import Operation, Section
from jikko.http.proxies import TrustedProxies, checked_root_path
from jikko.http.request_observer import Observed, ObservedRequest, RequestObserver
from jikko.http.requests import Request, authenticated, request_ids
from jikko.http.responses import PING_SECONDS, SendableResponse, redirect
from jikko.http.served import SERVED
from jikko.http.starts import starting
from jikko.ids import is_uuid
from jikko.log_context import LogContext, log_context

if TYPE_CHECKING:
    from jikko.settings import Settings


class Front(Struct, frozen=True, kw_only=True):
    """Limits and clocks shared by all requests."""

    bodies: Bodies = field(default_factory=Bodies)
    lag: LoopLag = field(default_factory=LoopLag)
    ping_seconds: float = PING_SECONDS
    """Interval of keep-alive pings on an idle stream."""


def front_of(settings: "Settings", lag: LoopLag | None = None) -> Front:
    """Make the front for the settings. ``lag``: Lag of the process's event loop, if measured."""
    bodies = Bodies(settings.body_memory, settings.app_share, settings.body_seconds)
    return Front(bodies=bodies, lag=lag or LoopLag())


log = logging.getLogger(__name__)


def create_app(
    api: Assembly,
    observers: Iterable[RequestObserver] = (),
    front: Front | None = None,
    console: Sequence[Operation | Section] | None = None,
) -> ASGIApp:
    """Make the application that serves a process's API, and its console if there is one.

    Args:
        front: Default: from the settings.
        console: Operations of the console, which take precedence over the API's; default: the process's own.

    Raises:
        InvalidSettings: Invalid root path or proxy.
    """
    return _Application(
        api, observers, front or front_of(api.settings), _console_of(api) if console is None else console
    )


class _Application:
    """Pipeline of every request: match, observe, authenticate, handle, answer."""

    def __init__(
        self, api: Assembly, observers: Iterable[RequestObserver], front: Front, console: Sequence[Operation | Section]
    ) -> None:
        self._api = api
        self._front = front
        self._root_path = checked_root_path(api.settings.root_path)
        proxies = api.settings.trusted_proxies
        self._proxies = TrustedProxies(proxies) if proxies else None
        self._router = Router([*SERVED, *console])
        self._has_console = bool(console)
        self._observed = Observed(observers)
        self._is_observed = bool(self._observed)
        self._counts_requests = api.app_keys.counts_requests
        self._ids = request_ids()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await _refuse(scope, receive, send)
            return
        if self._root_path:
            scope = {**scope, "root_path": self._root_path}
        if self._proxies is not None:
            scope = self._proxies.believed(scope)
        path = scope["path"]
        # An int: searching bytes for bytes raises and swallows an exception inside Python.
        if scope.get("root_path") or _PERCENT in (scope.get("raw_path") or b""):
            path = _path(scope)
        found = self._router.lookup(scope["method"], path)
        if found is None:
            await self._router.prepare(path, self._api)
            found = self._router.find(scope["method"], path)
        operation, values = found
        request = Request(self._api, self._front, scope, receive, values, self._ids, operation)
        log_context.set(LogContext(request.id, scope["headers"]))
        observed = ObservedRequest(self._observed, request, send) if self._is_observed else None
        try:
            # Inline: a method would cost every request another coroutine.
            try:
                # Preflights come before a route's own OPTIONS, which webhooks have.
                if operation is None or (operation.method == "OPTIONS" and is_preflight(request)):
                    answer = self._no_operation(request)
                elif operation.ids and not all(is_uuid(values[name]) for name in operation.ids):
                    answer = no_page()
                else:
                    handle = operation.handler
                    if operation.starts:
                        answer = await starting(request, handle)
                    else:
                        if self._counts_requests and not operation.open and operation.key == "app":
                            await authenticated(request)
                        answer = await handle(request)
            except JikkoError as error:
                answer = (error_response if operation is None else operation.refused.response)(error)
            except asyncio.CancelledError:
                # The server is shutting down; the grace period for the rest of the body is over.
                answer = server_ended()
            except Exception:
                answer = _fault(request)
            if request.reservation is not None:
                request.reservation.leave()
            if self._has_console and path.startswith(MANAGED) and is_console(path):
                answer.headers += console_headers(request, answer.headers)
            else:
                answer.headers += added_headers(request)
            await answer(receive, send if observed is None else observed)
        except asyncio.CancelledError:
            # The server is shutting down; the grace period for a client that does not read is over.
            log.info("the answer to request %s was cut off by the shutdown of the server", request.id.decode())
        finally:
            if observed is not None:
                observed.end()

    def _no_operation(self, request: Request) -> SendableResponse:
        path = _path(request.scope)
        # ``OPTIONS *`` asks for the whole server (RFC 9110, 9.3.7).
        methods = METHODS if path == "*" else self._router.methods(path)
        if not methods:
            return _begin_of(request) or self._misplaced(path) or self._nothing(request)
        if request.scope["method"] == "OPTIONS":
            return options(methods)
        # As recorded: Dify lists no methods for addresses of MCP servers.
        error = NotAllowed(() if path.startswith("/mcp/server/") else methods)
        return (self._router.refusals(path) or REFUSALS).response(error)

    def _nothing(self, request: Request) -> SendableResponse:
        """Return a 404 in the format of the neighbouring addresses."""
        path = request.scope["path"].removeprefix(request.root_path)
        refused = self._router.refusals(path)
        return no_page() if refused is None else refused.response(NotFound(f"Nothing at {path[:200]}."))

    def _misplaced(self, path: str) -> SendableResponse | None:
        """Return a hint for a base URL without ``/v1``, or with two. ``path``: Empty if malformed: no hint."""
        meant = path[3:] if path.startswith("/v1/v1/") else f"/v1{path}"
        if not path or not self._router.methods(meant):
            return None
        return refusal(Error("not_found", f"Nothing at {path[:200]}. The API has {meant[:200]}.", 404))


def _console_of(api: Assembly) -> Sequence[Operation | Section]:
    if api.console is None:
        return []
    from jikko.http.console.sections import console_sections

    return console_sections(api.console)


def _begin_of(request: Request) -> SendableResponse | None:
    """Redirect from the mount path without its trailing slash to the root."""
    root = request.root_path
    if not root or request.scope["path"] != root or request.scope["method"] not in ("GET", "HEAD"):
        return None
    return redirect(f"{root}/")


def _fault(request: Request) -> SendableResponse:
    request_id = request.id.decode()
    log.exception("request %s failed: %s %r", request_id, request.scope["method"], request.scope["path"])
    return unexpected_error(request_id)


def _path(scope: Scope) -> str:
    """Return the path below the mount point; empty, which matches nothing, if malformed."""
    path: str = scope["path"]
    if has_encoded_slash(scope.get("raw_path") or b""):
        return ""
    root = scope.get("root_path", "")
    return path[len(root) :] if root and path.startswith(f"{root}/") else path


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    """Close web sockets, and acknowledge lifespan events, which have no effect."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close"})
    elif scope["type"] == "lifespan":
        for name in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{name}.complete"})


_NOTHING: Final[Mapping[str, str]] = {}
_PERCENT: Final = ord("%")

Found: TypeAlias = tuple[Operation | None, Mapping[str, str]]


class Router:
    """Table of operations, looked up by method and path.

    Fixed paths, and those of which only the last segment varies, are looked up in a dictionary. The others are
    alternatives of one regular expression per method, each in a group of its own, which identifies the match. As in
    Dify, a trailing slash makes a different address. A segment ``{*…}`` takes the whole rest, slashes included.

    A section is imported with the first path that has one of its prefixes; its operations then join the table.
    """

    def __init__(self, entries: Iterable[Operation | Section]) -> None:
        entries = list(entries)
        self._refusals = [
            (beginning, entry.refused)
            for entry in entries
            if isinstance(entry, Section) and entry.refused is not None
            for beginning in entry.beginnings
        ]
        self._become(entries)

    def _become(self, entries: list[Operation | Section]) -> None:
        self._entries = entries
        self._beginnings = tuple(
            beginning for entry in entries if isinstance(entry, Section) for beginning in entry.beginnings
        )
        tables: dict[str, list[Operation]] = {}
        for operation in entries:
            if isinstance(operation, Operation):
                for method in ("GET", "HEAD") if operation.method == "GET" else (operation.method,):
                    tables.setdefault(method, []).append(operation)
        self._tables = {method: _Table(table) for method, table in tables.items()}

    def _import(self, path: str) -> None:
        """Import the sections of a path and add their operations."""
        entries: list[Operation | Section] = []
        for entry in self._entries:
            if isinstance(entry, Section) and path.startswith(entry.beginnings):
                entries += entry.operations()
            else:
                entries.append(entry)
        self._become(entries)

    async def prepare(self, path: str, api: Assembly) -> None:
        """Import what a path needs, off the event loop."""
        for entry in self._entries:
            if isinstance(entry, Section) and path.startswith(entry.beginnings):
                await entry.prepare(api)

    def lookup(self, method: str, path: str) -> Found | None:
        """Find an operation by dictionary only; otherwise ``None``. See ``find``."""
        table = self._tables.get(method)
        if table is None:
            return None
        operation = table.fixed.get(path)
        if operation is not None:
            return operation, _NOTHING
        before, _, last = path.rpartition("/")
        ending = table.endings.get(before)
        if ending is None or not last:
            return None
        operation, name = ending
        return operation, {name: last}

    def find(self, method: str, path: str) -> Found:
        """Return the operation, or ``None``, and the path parameters. ``path``: Decoded, so it may contain encoded
        slashes: see ``has_encoded_slash``."""
        if path.startswith(self._beginnings):
            self._import(path)
        found = self.lookup(method, path)
        if found is not None:
            return found
        table = self._tables.get(method)
        if table is None:
            return None, _NOTHING
        match = table.match(path)
        if match is None or match.lastindex is None:
            return None, _NOTHING
        operation, names = table.varied[match.lastindex]
        return operation, {name: match[group] for name, group in names}

    def refusals(self, path: str) -> Refusals | None:
        """Return the error format for an address without the operation; ``None``: as in Dify."""
        return next((refused() for beginning, refused in self._refusals if path.startswith(beginning)), None)

    def methods(self, path: str) -> list[str]:
        """Return the methods of an address, sorted, with ``OPTIONS``; empty if unknown."""
        found = [method for method in self._tables if self.find(method, path)[0] is not None]
        return sorted({*found, "OPTIONS"}) if found else []


class _Table:
    __slots__ = ("_pattern", "endings", "fixed", "match", "varied")

    def __init__(self, operations: list[Operation]) -> None:
        self.fixed = {operation.path: operation for operation in operations if "{" not in operation.path}
        self.endings: dict[str, tuple[Operation, str]] = {}
        """Operations with only the last segment variable, by prefix, with that segment's name."""
        self.varied: dict[int, tuple[Operation, list[tuple[str, int]]]] = {}
        """Other variable operations, by group number, with the names and numbers of their inner groups."""
        patterns, group = [], 1
        for operation in operations:
            literal, *parts = re.split(r"{(\*?\w+)}", operation.path)
            if len(parts) == 2 and not parts[1] and literal.endswith("/") and not parts[0].startswith("*"):
                self.endings[literal[:-1]] = operation, parts[0]
            elif parts:
                after = "".join(
                    f"({'.*' if name.startswith('*') else '[^/]+'}){re.escape(text)}"
                    for name, text in zip(parts[::2], parts[1::2], strict=True)
                )
                patterns.append(f"({re.escape(literal)}{after})")
                self.varied[group] = operation, [(name, group + place) for place, name in enumerate(parts[::2], 1)]
                group += len(parts[::2]) + 1
        self._pattern = "|".join(patterns)
        self.match: Callable[[str], re.Match[str] | None] = self._first_match if patterns else lambda _: None

    def _first_match(self, path: str) -> re.Match[str] | None:
        """Match, compiling the expression at first use: some methods never need it."""
        self.match = re.compile(self._pattern).fullmatch
        return self.match(path)


def has_encoded_slash(raw_path: bytes) -> bool:
    """Return whether a path has an encoded slash, which decoding would turn into a separator."""
    return _PERCENT in raw_path and b"%2f" in raw_path.lower()
