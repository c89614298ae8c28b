"""``GET runs/stream``: what becomes of the list of runs while it is looked at."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Annotated, NamedTuple

from msgspec import Meta, Struct

from jikko.dify.dify_events import encode
from jikko.errors import JikkoError
from jikko.events import RunStatus
from jikko.http.console.console_queries import RunsFilter
from jikko.http.console.run_bodies import Run, run_body
from jikko.http.console.visitor_gate import STREAM, ConsoleRequest, VisitorRoute
from jikko.http.responses import PING, EventStream, SendableResponse
from jikko.ids import is_uuid
from jikko.ports.stores.run_pages import RunCounts, RunCursor, RunFilter


class RunTick(Struct):
    """What has changed in a list of runs."""

    counts: Mapping[RunStatus, int]
    capped: bool
    new: Annotated[int, Meta(description="Runs newer than those that the client has; 10,001 stands for more.")]
    changed: Annotated[list[Run], Meta(description="Runs that have moved, 50 at most, new ones among them.")]


class _Shared(NamedTuple):
    """The response that all clients share that look at the same list."""

    counts: RunCounts
    changed: list[Run]


class ListedRuns(RunsFilter):
    """Which runs are listened to."""

    newest: Annotated[str, Meta(description="The id of the newest run that the client has.")] = ""


@VisitorRoute("GET", "runs/stream", answers=STREAM, errors=(400, 503), scope="runs:read")
async def follow_runs(call: ConsoleRequest, asked: ListedRuns) -> SendableResponse:
    """Follow the list of runs.

    Server-sent events, ``tick`` four times a second at most, while runs move. No resumption: a client that comes
    again reads the first page again.
    """
    wanted, newest = await asked.wanted_of(call.console.runs.models), asked.newest
    pages = call.console.runs.pages
    known = await pages.place(newest) if is_uuid(newest) else None
    return EventStream(_ticks(call, wanted, known or await pages.newest()))


async def _ticks(call: ConsoleRequest, wanted: RunFilter, known: RunCursor | None) -> AsyncIterator[bytes]:
    try:
        yield await _tick(call, wanted, known, ())
        async for moved in call.console.feed.follow(call.request.front.ping_seconds):
            yield await _tick(call, wanted, known, moved) if moved else PING
    except JikkoError as error:
        yield b"event: error\ndata: " + encode({"code": error.code, "message": str(error)}) + b"\n\n"


async def _tick(call: ConsoleRequest, wanted: RunFilter, known: RunCursor | None, moved: Sequence[str]) -> bytes:
    """A frame. Of all who look at the same list, as many do, one has it made."""
    hints = call.console.feed.hints_received
    return await call.console.list_cache.get((hints, wanted, known, moved), lambda: _frame(call, wanted, known, moved))


async def _frame(call: ConsoleRequest, wanted: RunFilter, known: RunCursor | None, moved: Sequence[str]) -> bytes:
    console = call.console
    shared = await console.list_cache.get(
        (console.feed.hints_received, wanted, moved), lambda: _shared(call, wanted, moved)
    )
    new = await console.runs.pages.newer(wanted, known)
    tick = RunTick(shared.counts.by_status, shared.counts.capped, new, shared.changed)
    return b"event: tick\ndata: " + encode(tick) + b"\n\n"


async def _shared(call: ConsoleRequest, wanted: RunFilter, moved: Sequence[str]) -> _Shared:
    runs, now = call.console.runs, call.request.api.clock()
    changed = await runs.shown(await runs.pages.those(wanted, moved)) if moved else []
    return _Shared(await runs.pages.counts(wanted), [run_body(run, now) for run in changed])
