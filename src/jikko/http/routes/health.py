"""Health and readiness, for supervisors, load balancers and people; and the landing addresses ``/`` and ``/v1``: a page
for browsers, JSON for clients."""

import html
import os
from typing import Annotated, Any, Final

from msgspec import UNSET, Meta, Struct, UnsetType

from jikko import __version__
from jikko.dify.dify_events import encode
from jikko.http.operation import Operation, Route
from jikko.http.requests import Request
from jikko.http.responses import Response, SendableResponse, json_response
from jikko.maintenance.readiness import OK


async def welcome(request: Request) -> SendableResponse:
    """Return what this server is, with links to its documentation."""
    version, root = __version__, request.root_path
    if "text/html" in (request.header(b"accept") or "").lower():
        # Two representations of one address: caches must keep them apart.
        return Response(_page(version).encode(), headers={"vary": "accept"}, media_type=b"text/html; charset=utf-8")
    content: dict[str, Any] = {
        "welcome": "Jikko",
        "api_version": "v1",
        "server_version": version,
        "api": f"{root}/v1/",
        "docs": f"{root}/docs",
        "openapi": f"{root}/openapi.json",
        "health": f"{root}/health",
    }
    if request.api.console is not None:
        content["console"] = f"{root}/console/"
    answer = json_response(content)
    answer.headers.append((b"vary", b"accept"))
    return answer


def _page(version: str) -> str:
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Jikko</title>"
        "<meta name=viewport content='width=device-width'>"
        "<style>body{font:16px/1.5 system-ui;margin:4rem auto;max-width:40rem;padding:0 1rem}</style>"
        f"<h1>Jikko {html.escape(version)}</h1>"
        "<p>This server runs workflows written in the Dify DSL, and serves them over Dify's workflow API, below "
        "<code>/v1</code>. Requests carry the API key of an app: <code>Authorization: Bearer app-…</code>.</p>"
        "<p><a href=docs>The API</a> · <a href=openapi.json>openapi.json</a> · <a href=health>health</a></p></html>"
    )


WELCOME_OPERATIONS: Final[tuple[Operation, ...]] = tuple(
    Route("GET", path, {200: "application/json"}, tag="Server", open=True)(welcome) for path in ("/", "/v1")
)
"""Not part of the described API."""


_STALL_SECONDS: Final = 10.0
"""Event loop lag beyond which the process counts as hung."""
_TIMEOUT_SECONDS: Final = 1.0
"""Short, since people wait for it."""


class Alive(Struct):
    """Whether the answering process works at all."""

    status: Annotated[str, Meta(description="`ok` (200) or `failing` (503).")]
    loop: Annotated[str | UnsetType, Meta(description="With `verbose`: `ok`, or the reason.")] = UNSET


class Ready(Struct):
    """Whether the answering process accepts runs."""

    status: Annotated[str, Meta(description="`ok` (200) or `failing` (503).")]
    failing: Annotated[list[str], Meta(description="Names of failing checks.")] = []
    checks: Annotated[
        dict[str, str] | UnsetType, Meta(description="With `verbose`: each check, `ok` or the reason.")
    ] = UNSET


class Health(Struct):
    """Health of the answering process."""

    version: str
    process: int
    node: Annotated[str, Meta(description="The process's name in the records of its runs.")]
    record: Annotated[str, Meta(description="`ok`, or the reason why runs cannot be written.")]
    files: Annotated[str, Meta(description="`ok`, or the reason why files cannot be stored.")]
    status: str = OK


class Verbosity(Struct):
    """Level of detail."""

    verbose: Annotated[str, Meta(description="With or without a value: report each check.")] = ""


@Route("GET", "/livez", {200: Alive, 503: Alive}, tag="Server", query=Verbosity, open=True, hot=True)
async def livez(request: Request) -> SendableResponse:
    """Check that the process works at all.

    503 if the event loop was recently blocked for more than 10 s, so that a restart would help.
    """
    worst = request.front.lag.worst
    is_well = worst <= _STALL_SECONDS
    loop: str | UnsetType = UNSET
    if "verbose" in request.query:
        loop = OK if is_well else f"it stood still for {worst:.0f} s"
    return _checked(Alive(OK if is_well else "failing", loop), is_well)


@Route("GET", "/readyz", {200: Ready, 503: Ready}, tag="Server", query=Verbosity, open=True, hot=True)
async def readyz(request: Request) -> SendableResponse:
    """Check that runs are accepted.

    200 if the store is writable, the other servers of a cluster are reachable, and the process is not shutting down.
    """
    checks = await request.api.upkeep.readiness.checks()
    failing = [name for name, found in checks.items() if found != OK]
    verbose = checks if "verbose" in request.query else UNSET
    return _checked(Ready("failing" if failing else OK, failing, verbose), not failing)


def _checked(body: Alive | Ready, is_well: bool) -> SendableResponse:
    return json_response(body) if is_well else Response(encode(body), 503, {"Retry-After": "5"})


@Route("GET", "/health", {200: Health}, tag="Server", open=True, hot=True)
async def health(request: Request) -> SendableResponse:
    """Read the server's health.

    Always 200. Names the answering process: there may be several.
    """
    api = request.api
    checks = await api.upkeep.readiness.checks(_TIMEOUT_SECONDS)
    return json_response(
        Health(
            version=__version__,
            process=os.getpid(),
            node=api.cluster.name,
            record=checks["record"],
            files=api.upkeep.readiness.files(),
        )
    )
