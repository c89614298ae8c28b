"""Errors as clients see them. Source: Dify 1.15, spec/service-api.md §3."""

import logging
from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from jikko.dify.events import encode
from jikko.errors import JikkoError
from jikko.values import Json

log = logging.getLogger(__name__)

_NOT_FOUND_PAGE = (
    "<!doctype html>\n<html lang=en>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n"
    "<p>The requested URL was not found on the server. If you entered the URL manually please check your spelling "
    "and try again.</p>\n"
)


class JsonResponse(Response):
    """A body that is JSON already."""

    media_type = "application/json"

    def init_headers(self, headers: Mapping[str, str] | None = None) -> None:
        # What Starlette does, without its search for headers that are not given here.
        given = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in (headers or {}).items()]
        length = (b"content-length", b"%d" % len(self.body))
        self.raw_headers = [*given, length, (b"content-type", b"application/json")]


def error_response(
    code: str, message: str, status: int, headers: Mapping[str, str] | None = None, **more: Json
) -> Response:
    """The error envelope.

    Args:
        more: Further fields of the body.
    """
    return JsonResponse(encode({"code": code, "message": message, "status": status, **more}), status, headers)


async def jikko_error(request: Request, error: Exception) -> Response:
    """An error that was raised on purpose."""
    if not isinstance(error, JikkoError):
        raise error
    return error_response(error.code, str(error), error.status, error.headers)


async def http_error(request: Request, error: Exception) -> Response:
    """No route, or none for the method."""
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == 405:
        allow = {"Allow": ", ".join(sorted(_allowed(request)))}
        if request.method == "OPTIONS":
            return Response(b"", 200, allow, media_type="text/html")
        return error_response("method_not_allowed", "The method is not allowed for the requested URL.", 405, allow)
    if error.status_code == 404:
        return no_page()
    return error_response("bad_request", str(error.detail), error.status_code)


def no_page() -> Response:
    """There is nothing at that address."""
    return Response(_NOT_FOUND_PAGE, 404, media_type="text/html")


def _allowed(request: Request) -> set[str]:
    """The methods of an address: there may be a route for each."""
    methods = {"OPTIONS"}
    for route in request.app.routes:
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE:
            methods |= route.methods or set()
    return methods


async def unexpected_error(request: Request, error: Exception) -> Response:
    """A fault of ours. What it was goes to the log and not to the client."""
    return error_response("internal_server_error", "Internal server error.", 500)
