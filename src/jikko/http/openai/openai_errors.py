"""Errors as OpenAI's clients read them, and which of them they try again by themselves."""

import re
from typing import Final

from msgspec import Struct

from jikko.dify.dify_events import encode
from jikko.errors import JikkoError
from jikko.http.responses import Response

_PARAM: Final = re.compile(r"([a-z_]+(?:\[\d+\]|\.[a-z_]+)*): ")
"""How the message of a wrong parameter begins."""
_CODES: Final = {401: "invalid_api_key", 429: "rate_limit_exceeded"}
_TYPES: Final = {403: "permission_error", 429: "rate_limit_error"}


class OpenaiErrorDetail(Struct):
    """What is wrong."""

    message: str
    type: str
    """``invalid_request_error``, ``permission_error``, ``rate_limit_error`` or ``server_error``."""
    param: str | None = None
    """The parameter that is wrong, if it is one."""
    code: str | None = None


class OpenaiError(Struct):
    """The body of an error of these operations."""

    error: OpenaiErrorDetail


def error_detail(error: JikkoError) -> OpenaiErrorDetail:
    """What a client is told of an error."""
    status, message = error.status, str(error)
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    param = _PARAM.match(message) if status == 400 else None
    return OpenaiErrorDetail(message, kind, None if param is None else param[1], _CODES.get(status, error.code))


def openai_error(error: JikkoError) -> Response:
    """The answer to a request that is refused, or whose run failed."""
    return Response(encode(OpenaiError(error_detail(error))), error.status, error.headers)
