"""``GET /metrics`` on its own port, in the text format of Prometheus, version 0.0.4."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from itertools import accumulate
from typing import Final

import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from jikko.measures import Labels
from jikko.observing.metrics.metrics_table import FAMILIES, MAX_APPS, OTHER, Family, Sample, Snapshot, merged

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class Exposition:
    """Formats successive snapshots as text.

    If apps are told apart, the busiest have labels of their own, and keep them, so that no counter ever shrinks.
    """

    def __init__(self) -> None:
        self._apps: set[str] = set()

    def text(self, snapshot: Snapshot) -> str:
        """Format a snapshot. Metrics without samples are left out."""
        by_name: dict[str, list[Sample]] = {}
        for sample in self._few_apps(snapshot):
            by_name.setdefault(sample[0], []).append(sample)
        lines: list[str] = []
        for name, family in FAMILIES.items():
            if name in by_name:
                kind = "gauge" if family.kind == "info" else family.kind
                lines += [f"# HELP {name} {family.about}", f"# TYPE {name} {kind}"]
                for _, labels, values in sorted(by_name[name]):
                    lines += _lines(name, family, labels, values)
        return "\n".join([*lines, ""])

    def _few_apps(self, snapshot: Snapshot) -> Snapshot:
        of_apps = [sample for sample in snapshot if _is_of_app(sample)]
        if not of_apps:
            return snapshot
        for _, (app, *_), _ in sorted(of_apps, key=lambda sample: -sample[2][0]):
            if len(self._apps) >= MAX_APPS:
                break
            self._apps.add(app)
        named = [
            (name, labels if labels[0] in self._apps else (OTHER, *labels[1:]), values)
            for name, labels, values in of_apps
        ]
        return merged([[sample for sample in snapshot if not _is_of_app(sample)], named])


def _is_of_app(sample: Sample) -> bool:
    return FAMILIES[sample[0]].labels[:1] == ("app",)


def _lines(name: str, family: Family, labels: Labels, values: list[float]) -> Iterator[str]:
    pairs = [f'{label}="{_escaped(value)}"' for label, value in zip(family.labels, labels, strict=True)]
    if family.kind != "histogram":
        yield f"{name}{_braced(pairs)} {_number(values[0])}"
        return
    *parts, total = values
    bounds = [*map(_number, family.bounds), "+Inf"]
    for bound, count in zip(bounds, accumulate(parts), strict=True):
        below = f'le="{bound}"'
        yield f"{name}_bucket{_braced([*pairs, below])} {_number(count)}"
    yield f"{name}_sum{_braced(pairs)} {_number(total)}"
    yield f"{name}_count{_braced(pairs)} {_number(sum(parts))}"


def _braced(pairs: list[str]) -> str:
    return f"{{{','.join(pairs)}}}" if pairs else ""


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


Gather = Callable[[], Awaitable[Snapshot]]
"""Collects the metrics of the whole server."""


class _Server(uvicorn.Server):
    """Leaves signals to the main server."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def metrics_page(listening: socket.socket, gather: Gather) -> AsyncIterator[None]:
    """Serve on a socket for the block."""
    config = uvicorn.Config(
        metrics_app(gather), log_config=None, access_log=False, server_header=False, lifespan="off", ws="none"
    )
    server = _Server(config)
    serving = asyncio.ensure_future(server.serve(sockets=[listening]))
    try:
        yield
    finally:
        server.should_exit = True
        await serving


def metrics_app(gather: Gather) -> ASGIApp:
    """Return the ASGI app: metrics at ``/metrics``, nothing elsewhere."""
    exposition = Exposition()

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != "/metrics":
            answer = PlainTextResponse("There is /metrics, and nothing else.\n", 404)
        elif scope["method"] not in ("GET", "HEAD"):
            answer = PlainTextResponse("Only to be read.\n", 405, {"allow": "GET, HEAD"})
        else:
            answer = PlainTextResponse(exposition.text(await gather()), media_type=MEDIA_TYPE)
        await answer(scope, receive, send)

    return application
