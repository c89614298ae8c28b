"""Error responses. Source: docs/dify-behaviour.md, “Users and errors”."""

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Final

from msgspec import UNSET, Meta, Struct, UnsetType

from jikko.dify.dify_events import encode
from jikko.errors import JikkoError, PayloadTooLarge
from jikko.http.responses import Response
from jikko.values import Json, Uuid

_NOT_FOUND_PAGE = (
    b"<!doctype html>\n<html lang=en>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n"
    b"<p>The requested URL was not found on the server. If you entered the URL manually please check your spelling "
    b"and try again.</p>\n"
)
_TOO_LARGE = "Request Entity Too Large"
_HTML = b"text/html; charset=utf-8"


class Error(Struct):
    """Body of every error."""

    code: Annotated[str, Meta(description="Stable code, for programs to match.")]
    message: str
    status: int
    task_id: Uuid | UnsetType = UNSET
    workflow_run_id: Annotated[
        Uuid | UnsetType, Meta(description="Run that was accepted although the answer is an error.")
    ] = UNSET
    request_id: Annotated[
        str | UnsetType,
        Meta(description="For internal errors: the request's ID in the server log, as in X-Request-Id."),
    ] = UNSET
    data: Annotated[list[dict[str, Json]] | UnsetType, Meta(description="For damaged logs: the readable part.")] = UNSET


def error_response(error: JikkoError) -> Response:
    return refusal(Error(error.code, str(error), error.status), error.headers)


class Refusals(Struct, frozen=True):
    """Error format of an operation."""

    body: type[Struct]
    response: Callable[[JikkoError], Response]


REFUSALS: Final = Refusals(Error, error_response)


def refusal(error: Error, headers: Mapping[str, str] | None = None) -> Response:
    return Response(encode(error), error.status, headers)


def no_page() -> Response:
    return Response(_NOT_FOUND_PAGE, 404, media_type=_HTML)


def too_large_page(error: PayloadTooLarge) -> Response:
    """Make a 413 page, for webhooks."""
    page = f"<!doctype html>\n<html lang=en>\n<title>413 {_TOO_LARGE}</title>\n<h1>{_TOO_LARGE}</h1>\n<p>{error}</p>\n"
    return Response(page.encode(), 413, media_type=_HTML)


def options(methods: Iterable[str]) -> Response:
    return Response(b"", 200, {"Allow": ", ".join(methods)}, media_type=_HTML)


def server_ended() -> Response:
    """Make the 503 for a request cut off by shutdown."""
    message = "The server shut down before the request was complete; nothing was done. Send it again."
    return refusal(Error("service_unavailable", message, 503), {"Retry-After": "5"})


def unexpected_error(request_id: str) -> Response:
    """Make the 500 for an internal error. Details go to the log only, under the request ID."""
    message = f"Internal server error. Details are in the server's log, under request {request_id}."
    return refusal(Error("internal_server_error", message, 500, request_id=request_id))
