"""Errors as clients see them. Source: docs/dify-behaviour.md, “Users and errors”."""

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
    """The body of every error."""

    code: Annotated[str, Meta(description="What a program may match on; never changes.")]
    message: str
    status: int
    task_id: Uuid | UnsetType = UNSET
    workflow_run_id: Annotated[
        Uuid | UnsetType, Meta(description="The run that was accepted though the answer is an error.")
    ] = UNSET
    request_id: Annotated[
        str | UnsetType,
        Meta(description="Of a fault of the server: the name of the request in its log, as in X-Request-Id."),
    ] = UNSET
    data: Annotated[
        list[dict[str, Json]] | UnsetType, Meta(description="Of a run whose log is damaged: what can be read of it.")
    ] = UNSET


def error_response(error: JikkoError) -> Response:
    """An error that was raised on purpose."""
    return refusal(Error(error.code, str(error), error.status), error.headers)


class Refusals(Struct, frozen=True):
    """How the refusals of an operation are told."""

    body: type[Struct]
    response: Callable[[JikkoError], Response]


REFUSALS: Final = Refusals(Error, error_response)


def refusal(error: Error, headers: Mapping[str, str] | None = None) -> Response:
    """An error as an answer."""
    return Response(encode(error), error.status, headers)


def no_page() -> Response:
    """There is nothing at that address."""
    return Response(_NOT_FOUND_PAGE, 404, media_type=_HTML)


def too_large_page(error: PayloadTooLarge) -> Response:
    """The body of a request to a webhook is too large."""
    page = f"<!doctype html>\n<html lang=en>\n<title>413 {_TOO_LARGE}</title>\n<h1>{_TOO_LARGE}</h1>\n<p>{error}</p>\n"
    return Response(page.encode(), 413, media_type=_HTML)


def options(methods: Iterable[str]) -> Response:
    """Which methods an address has, for those who ask."""
    return Response(b"", 200, {"Allow": ", ".join(methods)}, media_type=_HTML)


def server_ended() -> Response:
    """The server ended before the request was there."""
    message = "The server ended before the request was whole, and did nothing of it. Send it again."
    return refusal(Error("service_unavailable", message, 503), {"Retry-After": "5"})


def unexpected_error(request_id: str) -> Response:
    """A fault of ours. What it was goes to the log and not to the client, who gets the place where it stands there."""
    message = f"Internal server error. The server's log tells more of request {request_id}."
    return refusal(Error("internal_server_error", message, 500, request_id=request_id))
