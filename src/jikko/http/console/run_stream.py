"""``GET runs/stream``: what becomes of the list of runs while it is looked at."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Annotated

from msgspec import Meta, Struct

from jikko.dify.events import encode
from jikko.errors import JikkoError
from jikko.events import RunStatus
from jikko.http.console.gate import Call
from jikko.http.console.queries import filter_of
from jikko.http.console.run_bodies import Run, run_body
from jikko.http.responses import Answer
from jikko.http.sse import PING, EventStream
from jikko.ids import is_uuid
from jikko.ports.stores.run_pages import Place, RunFilter


class RunTick(Struct):
    """What has changed in a list of runs."""

    counts: Mapping[RunStatus, int]
    capped: bool
    new: Annotated[int, Meta(description="Runs newer than those that the client has; 10,001 stands for more.")]
    changed: Annotated[list[Run], Meta(description="Runs that have moved, 50 at most, new ones among them.")]


async def follow_runs(call: Call) -> Answer:
    """``GET runs/stream``: server-sent events, ``tick`` four times a second at most, while runs move. No resumption:
    whoever comes again reads the first page again."""
    wanted = filter_of(call.request.query)
    newest = call.request.query.get("newest", "")
    pages = call.console.runs.pages
    known = await pages.place(newest) if is_uuid(newest) else None
    return EventStream(_ticks(call, wanted, known or await pages.newest()))


async def _ticks(call: Call, wanted: RunFilter, known: Place | None) -> AsyncIterator[bytes]:
    try:
        yield await _tick(call, wanted, known, ())
        async for moved in call.console.feed.follow(call.request.api.ping_seconds):
            yield await _tick(call, wanted, known, moved) if moved else PING
    except JikkoError as error:
        yield b"event: error\ndata: " + encode({"code": error.code, "message": str(error)}) + b"\n\n"


async def _tick(call: Call, wanted: RunFilter, known: Place | None, moved: Sequence[str]) -> bytes:
    runs, now = call.console.runs, call.request.api.now()
    counts = await runs.pages.counts(wanted)
    changed = await runs.shown(await runs.pages.those(wanted, moved)) if moved else []
    tick = RunTick(
        counts.by_status,
        counts.capped,
        await runs.pages.newer(wanted, known),
        [run_body(run, now) for run in changed],
    )
    return b"event: tick\ndata: " + encode(tick) + b"\n\n"
