"""Live lists of runs; the log of a run, by page and live, with its truncated values; and a run's files."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Annotated, Any, Final, TypeAlias

from msgspec import Meta, Struct

from jikko.console.guest_view import GuestView
from jikko.console.log_pages import LogView, encoded, plain_event, value_at
from jikko.dify.dify_events import encode, in_one_line
from jikko.errors import JikkoError, LogUnwritable, NotFound, RunLeft
from jikko.events import RunStatus
from jikko.http.console.console_queries import RunsFilter, id_in
from jikko.http.console.console_runs import listed, record_of
from jikko.http.console.run_bodies import Run, run_body
from jikko.http.console.visitor_gate import STREAM, ConsoleRequest, VisitorRoute
from jikko.http.request_fields import is_on, queried
from jikko.http.responses import PING, RETRY, EventStream, Response, SendableResponse, StreamResponse
from jikko.http.responses import encoded as encoded_headers
from jikko.http.routes.run_events import ANY_EVENT, numbered_frame
from jikko.ids import is_uuid
from jikko.ports.stores.run_pages import RunCounts, RunCursor, RunFilter
from jikko.record import RunRecord
from jikko.values import Json, Uuid


class RunTick(Struct):
    """Changes in a list of runs."""

    counts: Mapping[RunStatus, int]
    capped: bool
    new: Annotated[int, Meta(description="Number of runs newer than the client's; 10,001 means more.")]
    changed: Annotated[list[Run], Meta(description="Changed runs that match, at most 50, including new ones.")]
    gone: Annotated[list[Uuid], Meta(description="IDs of changed runs that do not match, among them deleted ones.")]


class ListedRuns(RunsFilter):
    """Filter of the runs to follow."""

    newest: Annotated[str, Meta(description="ID of the client's newest run.")] = ""


@VisitorRoute("GET", "runs/stream", answers=STREAM, errors=(400, 503), scope="runs:read")
async def follow_runs(call: ConsoleRequest, asked: ListedRuns) -> SendableResponse:
    """Follow the list of runs.

    Server-sent events: ``tick``, at most four times a second, while runs change. No resumption: a client that
    reconnects reads the first page again.
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
    """Return a frame, cached for all clients of the same list."""
    hints = call.console.feed.hints_received
    return await call.console.list_cache.get((hints, wanted, known, moved), lambda: _frame(call, wanted, known, moved))


async def _frame(call: ConsoleRequest, wanted: RunFilter, known: RunCursor | None, moved: Sequence[str]) -> bytes:
    console = call.console
    counts, changed, gone = await console.list_cache.get(
        (console.feed.hints_received, wanted, moved), lambda: _shared(call, wanted, moved)
    )
    new = await console.runs.pages.newer(wanted, known)
    tick = RunTick(counts.by_status, counts.capped, new, changed, gone)
    return b"event: tick\ndata: " + encode(tick) + b"\n\n"


async def _shared(
    call: ConsoleRequest, wanted: RunFilter, moved: Sequence[str]
) -> tuple[RunCounts, list[Run], list[str]]:
    """Return what all clients of the same list share: the counts, the changed runs, and those that do not match."""
    runs, now = call.console.runs, call.request.api.clock()
    shown = await runs.shown(await runs.pages.those(wanted, moved)) if moved else []
    changed = [run_body(run, now) for run in shown]
    matching = {run.id for run in changed}
    return await runs.pages.counts(wanted), changed, [run_id for run_id in moved if run_id not in matching]


_LAST_EVENT: Final = (("Last-Event-ID", {"type": "integer", "minimum": -1}, "Position of the last event seen."),)
_TEXT: Final = b"text/plain; charset=utf-8"

LogEvent: TypeAlias = Annotated[
    dict[str, Json], Meta(description="Event of the log, with `cut` for truncated values.", extra_json_schema=ANY_EVENT)
]


class LogPage(Struct):
    data: list[LogEvent]
    end: Annotated[int, Meta(description="Number of events in the log.")]
    closed: Annotated[bool, Meta(description="Whether the log is complete.")]


class _Behind(Struct):
    after: Annotated[int, Meta(ge=-1, description="Default -1: from the first event.")] = -1


class LogRange(_Behind):
    limit: Annotated[int, Meta(ge=1, le=5_000, description="Default 2000.")] = 2_000


class _Position(Struct):
    position: Annotated[int, Meta(ge=0)]


class ValueChoice(Struct):
    """Value of an event, and its format."""

    path: Annotated[str, Meta(description="JSON Pointer, such as /outputs/text; default: the whole event.")] = ""
    download: Annotated[str, Meta(description="true: download as a file.")] = ""


@VisitorRoute("GET", "runs/{run_id}/log", answers={200: LogPage}, errors=(400, 404, 503), scope="runs:read")
async def read_log(call: ConsoleRequest, asked: LogRange) -> SendableResponse:
    """Read events of a log after a position.

    Values above 4 kB are truncated; ``cut`` says where.
    """
    record = await record_of(call)
    view = await _view(call, record)
    page = await call.console.logs.page(record, after=asked.after, limit=asked.limit, view=view)
    closed = b"true" if page.closed else b"false"
    return Response(b'{"data":[%b],"end":%d,"closed":%b}' % (b",".join(page.events), page.end, closed))


@VisitorRoute(
    "GET", "runs/{run_id}/log/{position}/value", answers={200: "*/*"}, errors=(400, 404, 503), scope="runs:read"
)
async def read_value(call: ConsoleRequest, asked: ValueChoice) -> SendableResponse:
    """Read a complete value of an event, by its path (JSON Pointer)."""
    record = await record_of(call)
    position = queried(call.request.path_params, _Position).position
    event = await call.console.logs.event(record, position)
    try:
        if event is None:
            raise LookupError
        value = value_at(plain_event(event, await _view(call, record)), asked.path)
    except LookupError:
        raise NotFound("Value not found in the log.") from None
    is_text = isinstance(value, str)
    if is_on(asked.download):
        name = f"{record.identity.run_id}-{position}.{'txt' if is_text else 'json'}"
        body = value.encode("utf-8", "replace") if is_text else encode(value)
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(body, headers=headers, media_type=_TEXT if is_text else b"application/json")
    return Response(encode(value))


@VisitorRoute(
    "GET", "runs/{run_id}/stream", answers=STREAM, errors=(400, 404, 503), headers=_LAST_EVENT, scope="runs:read"
)
async def follow_log(call: ConsoleRequest) -> SendableResponse:
    """Follow a run.

    Server-sent events: ``hello`` with the server's time and the end of the log, then each event after ``Last-Event-ID``
    with its position as ``id``, through pauses, until the run ends.
    """
    record = await record_of(call)
    given = call.request.header(b"last-event-id")
    asked = call.request.query if given is None else {"after": given}
    after = queried(asked, _Behind).after
    return EventStream(_frames(call, record, after, await _view(call, record)))


async def guest_view_of(call: ConsoleRequest, record: RunRecord) -> GuestView:
    owner = record.identity
    hidden = owner.retry_of, owner.end_user_id, (await listed(call, record)).conversation_id
    return GuestView(tuple(each for each in hidden if each))


async def _view(call: ConsoleRequest, record: RunRecord) -> LogView:
    guest_view = await guest_view_of(call, record) if call.visitor.is_guest else None
    return LogView(call.visitor.may("runs:write"), guest_view)


async def _frames(call: ConsoleRequest, record: RunRecord, after: int, view: LogView) -> AsyncIterator[bytes]:
    api = call.request.api
    end = await call.console.run_store.log_end(record.identity.run_id)
    yield RETRY + b"event: hello\ndata: " + encode({"now": api.clock(), "end": end}) + b"\n\n"
    idle = call.request.front.ping_seconds
    follow = api.runs.control.reader(record).follow(after, durable=True, idle=idle, through_pauses=True)
    try:
        async for batch in follow:
            lines = [(at, event, in_one_line(encoded(at, event, view))) for at, event in batch]
            yield b"".join(numbered_frame(*each) for each in lines) or PING
    except (RunLeft, LogUnwritable):
        pass  # the client reconnects with its last ID
    except JikkoError as error:
        body: dict[str, Any] = {"code": error.code, "message": str(error), "status": error.status}
        yield b"event: error\ndata: " + encode(body) + b"\n\n"


class FileAttachment(Struct):
    as_attachment: Annotated[
        Any, Meta(description="true: download instead of display.", extra_json_schema={"type": "boolean"})
    ] = ""


@VisitorRoute("GET", "files/{file_id}", answers={200: "*/*"}, errors=(404, 503), scope="runs:read")
async def read_file(call: ConsoleRequest, asked: FileAttachment) -> SendableResponse:
    """Download a file of a run, like ``/v1/files/{file_id}/preview``."""
    as_attachment = is_on(asked.as_attachment)
    found = await call.request.api.files.preview(id_in(call, "file"), as_attachment=as_attachment)
    return StreamResponse(found.chunks, encoded_headers(found.headers.items()))
