"""The operations that say what the server is, and how."""

from typing import Final

from jikko.http.operation import Operation
from jikko.http.routes import health, info

_TAG: Final = "Server"
_VERBOSE: Final = (("verbose", {"type": "string"}, "With any value, or none: tell each check."),)

INDEX: Final = Operation("GET", "/v1/", info.index, "What this server is", {200: info.Index}, tag=_TAG, open=True)
HEALTH_OPERATIONS: Final = (
    Operation(
        "GET",
        "/livez",
        health.livez,
        "Whether the process works at all",
        {200: health.Alive, 503: health.Alive},
        tag=_TAG,
        query=_VERBOSE,
        open=True,
        hot=True,
    ),
    Operation(
        "GET",
        "/readyz",
        health.readyz,
        "Whether runs are accepted",
        {200: health.Ready, 503: health.Ready},
        tag=_TAG,
        query=_VERBOSE,
        open=True,
        hot=True,
    ),
    Operation(
        "GET", "/health", health.health, "How the server is", {200: health.Health}, tag=_TAG, open=True, hot=True
    ),
)
