"""Reading what clients send."""

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.requests import Request

from jikko.errors import BadRequest, InvalidParam, PayloadTooLarge, UnsupportedMediaType
from jikko.http.api import header
from jikko.runs.runs import StartRequest
from jikko.values import MAX_DEPTH, is_too_deep

_UNREADABLE = "The browser (or proxy) sent a request that this server could not understand."
_MODES = ("blocking", "streaming", "async")
_USER_LENGTH = 255
_TRACE_SESSION_LENGTH = 200

_decode = msgspec.json.Decoder().decode


async def read_body(request: Request, limit: int) -> bytes:
    """The body.

    Args:
        limit: Bytes it may have.

    Raises:
        PayloadTooLarge: It is larger. No more than ``limit`` is kept in memory.
        BadRequest: The client went away in the middle.
    """
    announced = header(request.scope, b"content-length") or ""
    if announced.isdigit() and int(announced) > limit:
        raise _too_large(limit)
    chunks: list[bytes] = []
    size, more = 0, True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise BadRequest(_UNREADABLE)
        chunk = message.get("body", b"")
        more = message.get("more_body", False)
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def read_json(request: Request, limit: int) -> dict[str, Any]:
    """The body as a JSON object.

    Raises:
        UnsupportedMediaType: Its content type is not JSON.
        BadRequest: It is no JSON, or no object.
        InvalidParam: It is nested too deeply.
        PayloadTooLarge: See ``read_body``.
    """
    media_type = (header(request.scope, b"content-type") or "").split(";")[0].strip().lower()
    if media_type != "application/json" and not (
        media_type.startswith("application/") and media_type.endswith("+json")
    ):
        raise UnsupportedMediaType(
            "Did not attempt to load JSON data because the request Content-Type was not 'application/json'."
        )
    body = await read_body(request, limit)
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


def check_trace_session(request: Request, body: dict[str, Any]) -> None:
    """Check the trace session that a start may name: in a header, the query or the body; the first of them counts.

    Nothing depends on it. Source: Dify 1.15, spec/service-api.md §4.1.

    Raises:
        BadRequest: It is no text of 1 to 200 characters, without those at its ends that are blank.
    """
    session: Any = header(request.scope, b"x-trace-session-id")
    if session is None and request.scope["query_string"]:
        session = request.query_params.get("trace_session_id")
    if session is None:
        session = body.get("trace_session_id")
    if session is None:
        return
    if not isinstance(session, str) or not 0 < len(session.strip()) <= _TRACE_SESSION_LENGTH:
        raise BadRequest(f"trace_session_id must be a text of 1 to {_TRACE_SESSION_LENGTH} characters.")


def mode_of(body: dict[str, Any]) -> str:
    """The ``response_mode`` of a request: ``blocking``, ``streaming`` or ``async``. Absent or null is ``blocking``.

    Raises:
        InvalidParam: It is something else.
    """
    mode = body.get("response_mode")
    if mode is None:
        return "blocking"
    if mode not in _MODES:
        raise InvalidParam("response_mode: must be 'blocking', 'streaming' or 'async'")
    return str(mode)


def start_request(body: dict[str, Any], workflow_id: str | None, base_url: str) -> tuple[StartRequest, str]:
    """What a client wants to run, and its ``response_mode``.

    Raises:
        InvalidParam: A field is missing or of the wrong type. Tells all of them.
    """
    user = user_of(body)
    problems: list[str] = []
    inputs = body.get("inputs")
    if not isinstance(inputs, dict):
        problems.append("inputs: is required and must be an object" if inputs is None else "inputs: must be an object")
    mode = "blocking"
    try:
        mode = mode_of(body)
    except InvalidParam as error:
        problems.append(str(error))
    files = body.get("files")
    if files is not None and not (isinstance(files, list) and all(isinstance(item, dict) for item in files)):
        problems.append("files: must be a list of objects")
    if problems:
        raise InvalidParam("; ".join(problems))
    return StartRequest(inputs=inputs or {}, user=user, files=files, workflow_id=workflow_id, base_url=base_url), mode


def _too_deep() -> InvalidParam:
    return InvalidParam(f"The request body is nested deeper than {MAX_DEPTH} levels.")


def _too_large(limit: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"The request body is larger than {limit} bytes (the limit is set by JIKKO_MAX_BODY).")
