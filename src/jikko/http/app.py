"""The ASGI application."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from jikko.dify.events import encode
from jikko.errors import JikkoError
from jikko.http.api import Api
from jikko.http.errors import JsonResponse, http_error, jikko_error, unexpected_error
from jikko.http.lane import Lane
from jikko.http.openapi import docs_page, openapi
from jikko.http.operations import OPERATIONS


def create_app(api: Api) -> ASGIApp:
    """The application that serves an assembled API."""
    routes = [Route(operation.path, operation.handler, methods=[operation.method]) for operation in OPERATIONS]
    application = Starlette(
        routes=[*routes, *_description(api.version)],
        exception_handlers={
            JikkoError: jikko_error,
            HTTPException: http_error,
            Exception: unexpected_error,
        },
    )
    # Dify knows no address with a slash behind it.
    application.router.redirect_slashes = False
    application.state.api = api
    return Lane(application, api)


def _description(version: str) -> list[Route]:
    async def openapi_json(request: Request) -> Response:
        return JsonResponse(encode(openapi(version)))

    async def docs(request: Request) -> Response:
        return Response(docs_page(version), media_type="text/html")

    return [Route("/openapi.json", openapi_json), Route("/docs", docs)]
