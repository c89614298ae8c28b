"""A request as routes read it, and what their bodies have in common."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar, get_args

import msgspec
from msgspec import Meta, Struct
from starlette.datastructures import QueryParams
from starlette.requests import Request as StarletteRequest
from starlette.types import Receive, Scope

from jikko.errors import BadRequest, InvalidParam, PayloadTooLarge, UnsupportedMediaType
from jikko.http.api import Api
from jikko.ports.app_store import App
from jikko.values import MAX_DEPTH, is_too_deep

_UNREADABLE: Final = "The browser (or proxy) sent a request that this server could not understand."
_USER_LENGTH: Final = 255
_TRACE_SESSION_LENGTH: Final = 200
_MUST: Final = "must"

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


def must(text: str) -> dict[str, str]:
    """What a field of a body must be, as clients are told that it is not: the ``extra`` of its ``Meta``."""
    return {_MUST: text}


AnyUser: TypeAlias = Annotated[
    Any, Meta(extra_json_schema={"anyOf": [{"type": "string", "minLength": 1, "maxLength": 255}, {"type": "number"}]})
]
"""The ``user`` of a body; see ``user_named``."""
Mode: TypeAlias = Literal["blocking", "streaming", "async"]
"""How the start of a run is answered."""
AnyMode: TypeAlias = Annotated[Mode | None, Meta(extra=must("must be 'blocking', 'streaming' or 'async'"))]
CallbackUrl: TypeAlias = Annotated[
    Any,
    Meta(
        description="Where the run detail is posted once the run has ended, signed per Standard Webhooks.",
        extra_json_schema={
            "anyOf": [{"type": "string", "pattern": "^https?://[^/?#]", "maxLength": 2000}, {"type": "null"}]
        },
    ),
]
"""See ``checked_url``."""

TRACE_SESSION: Final = {"type": "string", "minLength": 1, "maxLength": 200}
TraceSession: TypeAlias = Annotated[Any, Meta(extra_json_schema={"anyOf": [TRACE_SESSION, {"type": "null"}]})]
"""See ``check_trace_session``."""


class UserRequest(Struct):
    """The body of a request that says only whose it is."""

    user: AnyUser


Body = TypeVar("Body", bound=Struct)


def checked(body: dict[str, Any], into: type[Body]) -> Body:
    """A body as a struct, whose fields that can be wrong tell by ``must`` what they have to be.

    Raises:
        InvalidParam: Fields are missing or of the wrong type. Tells all of them.
    """
    try:
        return msgspec.convert(body, into)
    except msgspec.ValidationError:
        raise InvalidParam("; ".join(_problems(body, into))) from None


def _problems(body: dict[str, Any], into: type[Struct]) -> Iterator[str]:
    for field in msgspec.structs.fields(into):
        value = body.get(field.encode_name)
        if value is None and not field.required:
            continue
        try:
            msgspec.convert(value, field.type)
        except msgspec.ValidationError as error:
            what = next(
                (part.extra[_MUST] for part in get_args(field.type) if isinstance(part, Meta) and part.extra),
                str(error),
            )
            yield f"{field.encode_name}: {f'is required and {what}' if value is None else what}"


def user_of(body: Mapping[str, Any]) -> str:
    """The ``user`` of a request, in its body or query.

    Raises:
        InvalidParam: It is missing or empty, or see ``user_named``.
    """
    user = user_named(body.get("user"))
    if not user:
        raise InvalidParam("Arg user must be provided.")
    return user


def user_named(user: Any) -> str:
    """A user as it is kept, whatever request names it: a text without NULs. ``""`` is none.

    Raises:
        InvalidParam: It is neither text nor number, or longer than 255 characters.
    """
    if user is None:
        return ""
    if isinstance(user, (int, float)) and not isinstance(user, bool):
        user = str(user)
    if not isinstance(user, str):
        raise InvalidParam("Arg user must be a string.")
    name = user.replace("\x00", "")
    if len(name) > _USER_LENGTH:
        raise InvalidParam(f"Arg user must have at most {_USER_LENGTH} characters.")
    return name


def check_trace_session(request: Request, in_body: Any) -> None:
    """Check the trace session that a start may name: in a header, the query or the body; the first of them counts.

    Nothing depends on it. Source: Dify 1.15, spec/service-api.md §4.1.

    Raises:
        BadRequest: It is no text of 1 to 200 characters, without those at its ends that are blank.
    """
    session: Any = request.header(b"x-trace-session-id")
    if session is None and request.scope["query_string"]:
        session = request.query.get("trace_session_id")
    if session is None:
        session = in_body
    if session is None:
        return
    if not isinstance(session, str) or not 0 < len(session.strip()) <= _TRACE_SESSION_LENGTH:
        raise BadRequest(f"trace_session_id must be a text of 1 to {_TRACE_SESSION_LENGTH} characters.")


def _too_deep() -> InvalidParam:
    return InvalidParam(f"The request body is nested deeper than {MAX_DEPTH} levels.")


def _too_large(limit: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"The request body is larger than {limit} bytes (the limit is set by JIKKO_MAX_BODY).")
