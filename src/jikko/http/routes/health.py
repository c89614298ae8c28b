"""Health and readiness of the server, for those who restart it, send it requests, or want to know."""

import os
from typing import Annotated, Final

from msgspec import UNSET, Meta, Struct, UnsetType

from jikko import __version__
from jikko.dify.dify_events import encode
from jikko.http.operation import Route
from jikko.http.requests import Request
from jikko.http.responses import Response, SendableResponse, json_response
from jikko.maintenance.readiness import OK

_STALL_SECONDS: Final = 10.0
"""A loop that stands still for longer is not well."""
_TIMEOUT_SECONDS: Final = 1.0
"""For which people wait."""


class Alive(Struct):
    """Whether the process that answers does its work at all."""

    status: Annotated[str, Meta(description="`ok` (200) or `failing` (503).")]
    loop: Annotated[str | UnsetType, Meta(description="With `verbose`: `ok`, or why not.")] = UNSET


class Ready(Struct):
    """Whether runs are accepted by the process that answers."""

    status: Annotated[str, Meta(description="`ok` (200) or `failing` (503).")]
    failing: Annotated[list[str], Meta(description="The names of the checks that fail.")] = []
    checks: Annotated[dict[str, str] | UnsetType, Meta(description="With `verbose`: each check, `ok` or why not.")] = (
        UNSET
    )


class Health(Struct):
    """Who answers, that it does, and how it is."""

    version: str
    process: int
    node: Annotated[str, Meta(description="What the process is called in the records of its runs.")]
    record: Annotated[str, Meta(description="`ok`, or why runs cannot be written.")]
    files: Annotated[str, Meta(description="`ok`, or why files cannot be stored.")]
    status: str = OK


class Verbosity(Struct):
    """How much is told."""

    verbose: Annotated[str, Meta(description="With any value, or none: tell each check.")] = ""


@Route("GET", "/livez", {200: Alive, 503: Alive}, tag="Server", query=Verbosity, open=True, hot=True)
async def livez(request: Request) -> SendableResponse:
    """Whether the process works at all.

    503 if the event loop stood still for more than 10 s lately, so that a restart would help.
    """
    worst = request.front.lag.worst
    is_well = worst <= _STALL_SECONDS
    loop: str | UnsetType = UNSET
    if "verbose" in request.query:
        loop = OK if is_well else f"it stood still for {worst:.0f} s"
    return _checked(Alive(OK if is_well else "failing", loop), is_well)


@Route("GET", "/readyz", {200: Ready, 503: Ready}, tag="Server", query=Verbosity, open=True, hot=True)
async def readyz(request: Request) -> SendableResponse:
    """Whether runs are accepted.

    200 if the record can be written, the other servers, if there are any, can be heard, and the process is not about
    to end.
    """
    checks = await request.api.upkeep.readiness.checks()
    failing = [name for name, found in checks.items() if found != OK]
    verbose = checks if "verbose" in request.query else UNSET
    return _checked(Ready("failing" if failing else OK, failing, verbose), not failing)


def _checked(body: Alive | Ready, is_well: bool) -> SendableResponse:
    return json_response(body) if is_well else Response(encode(body), 503, {"Retry-After": "5"})


@Route("GET", "/health", {200: Health}, tag="Server", open=True, hot=True)
async def health(request: Request) -> SendableResponse:
    """How the server is.

    Always 200. Tells which process answers: there may be several.
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
