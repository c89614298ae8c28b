"""A request as routes read it."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec
from starlette.datastructures import QueryParams
from starlette.requests import Request as StarletteRequest
from starlette.types import Receive, Scope

from jikko.errors import BadRequest, InvalidParam, PayloadTooLarge, UnsupportedMediaType
from jikko.http.api import Api
from jikko.ports.app_store import App
from jikko.values import MAX_DEPTH, is_too_deep

_UNREADABLE: Final = "The browser (or proxy) sent a request that this server could not understand."

_decode = msgspec.json.Decoder().decode


class Request:
    """An HTTP request to the API."""

    __slots__ = ("_query", "api", "app", "path_params", "receive", "scope")

    def __init__(self, api: Api, scope: Scope, receive: Receive, path_params: Mapping[str, str]) -> None:
        self.api = api
        self.scope = scope
        self.receive = receive
        self.path_params = path_params
        """The parts of the path that its template names, decoded."""
        self.app: App | None = None
        """The app that its key opens; see ``authenticated``."""
        self._query: QueryParams | None = None

    def header_bytes(self, name: bytes) -> bytes | None:
        """The first header of that name (in lower case), if there is one."""
        for found, value in self.scope["headers"]:
            if found == name:
                data: bytes = value
                return data
        return None

    def header(self, name: bytes) -> str | None:
        """As ``header_bytes``, decoded as Latin-1."""
        value = self.header_bytes(name)
        return None if value is None else str(value, "latin-1")

    @property
    def query(self) -> Mapping[str, str]:
        """The parameters behind the path; of several of one name the last."""
        if self._query is None:
            self._query = QueryParams(self.scope["query_string"])
        return self._query

    @property
    def base_url(self) -> str:
        """The address under which its client reached the server, without a slash at its end."""
        if self.api.public_url:
            return self.api.public_url.rstrip("/")
        scope = self.scope
        return _base_url(scope["scheme"], self.header(b"host"), scope.get("server"), scope.get("root_path", ""))

    async def body(self) -> bytes:
        """The body.

        Raises:
            PayloadTooLarge: It is larger than ``max_body``. No more is kept in memory.
            BadRequest: The client went away in the middle.
        """
        limit = self.api.max_body
        announced = self.header_bytes(b"content-length") or b""
        if announced.isdigit() and int(announced) > limit:
            raise _too_large(limit)
        chunks: list[bytes] = []
        size, more = 0, True
        while more:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise BadRequest(_UNREADABLE)
            chunk = message.get("body", b"")
            more = message.get("more_body", False)
            size += len(chunk)
            if size > limit:
                raise _too_large(limit)
            chunks.append(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def json(self) -> dict[str, Any]:
        """The body as a JSON object.

        Raises:
            UnsupportedMediaType: Its content type is not JSON.
            BadRequest: It is no JSON, or no object.
            InvalidParam: It is nested too deeply.
            PayloadTooLarge: See ``body``.
        """
        media_type = (self.header(b"content-type") or "").split(";")[0].strip().lower()
        if media_type != "application/json" and not (
            media_type.startswith("application/") and media_type.endswith("+json")
        ):
            raise UnsupportedMediaType(
                "Did not attempt to load JSON data because the request Content-Type was not 'application/json'."
            )
        body = await self.body()
        try:
            value = _decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise BadRequest(_UNREADABLE) from None
        except RecursionError:
            raise _too_deep() from None
        # Nearly no body has so many brackets at all.
        if body.count(b"{") + body.count(b"[") > MAX_DEPTH and is_too_deep(value):
            raise _too_deep()
        if not isinstance(value, dict):
            raise BadRequest("The request body must be a JSON object.")
        return value


@lru_cache(maxsize=64)
def _base_url(scheme: str, host: str | None, server: tuple[str, int | None] | None, root_path: str) -> str:
    # Kept: every start of a run asks for it, nearly always the same clients in the same way.
    headers = [] if host is None else [(b"host", host.encode("latin-1"))]
    scope = {"type": "http", "scheme": scheme, "headers": headers, "server": server, "root_path": root_path}
    return str(StarletteRequest(scope).base_url).rstrip("/")


def _too_deep() -> InvalidParam:
    return InvalidParam(f"The request body is nested deeper than {MAX_DEPTH} levels.")


def _too_large(limit: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"The request body is larger than {limit} bytes (the limit is set by JIKKO_MAX_BODY).")
