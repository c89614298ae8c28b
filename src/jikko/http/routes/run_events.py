"""Event log of a run, and Dify's stream of a run in progress. Source: docs/dify-behaviour.md, “Rejoining a stream”."""

import contextlib
from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated, Any, Final, TypeAlias, get_args

import msgspec
from msgspec import Meta, Struct

from jikko.assemble.assembly import Assembly
from jikko.dify import dify_events
from jikko.dify.stream import StreamEncoder
from jikko.dify.stream import snapshot as snapshot_messages
from jikko.dify.stream_messages import StreamMessage
from jikko.dsl.document import BASIC_MODES
from jikko.errors import InvalidParam, JikkoError, LogDamaged, LogUnwritable, NotFound, RunLeft
from jikko.events import Event, RunFinished, RunPaused
from jikko.http.operation import Route
from jikko.http.request_fields import queried, user_of
from jikko.http.requests import Request, authenticated
from jikko.http.responses import PING, RETRY, EventStream, SendableResponse, list_response, no_content
from jikko.http.routes.record_routes import damaged, record_of
from jikko.http.routes.run_routes import no_run
from jikko.long_texts import encode_giving_way, first_long
from jikko.record import RunRecord, folded
from jikko.repositories.app_store import App
from jikko.values import Json


def event_schema(name: str) -> str:
    return f"{name}Event"


ANY_EVENT: Final[dict[str, Json]] = {
    "oneOf": [{"$ref": f"#/components/schemas/{event_schema(kind.__name__)}"} for kind in get_args(Event)],
    "discriminator": {
        "propertyName": "event",
        "mapping": {
            str(kind.__struct_config__.tag): f"#/components/schemas/{event_schema(kind.__name__)}"
            for kind in get_args(Event)
        },
    },
}
"""Schema of a log event."""
NumberedEvent: TypeAlias = Annotated[
    dict[str, Json], Meta(description="An event of the run's log.", extra_json_schema=ANY_EVENT)
]


class EventLog(Struct):
    """Log of a run, in order."""

    data: list[NumberedEvent]


@Route(
    "GET",
    "/v1/workflows/run/{workflow_run_id}/events",
    {200: EventLog, 204: "text/event-stream"},
    (400, 404, 503),
    streams=True,
    hot=True,
)
async def run_events(request: Request) -> SendableResponse:
    """Read the log of a run as JSON, or as a resumable stream (Last-Event-ID).

    With ``Accept: text/event-stream`` the answer is a stream with ``id:`` lines that continues, through pauses, until
    the run ends. ``Last-Event-ID`` resumes it after that position, or at the end of the log if that comes first. If the
    run has ended and the client has seen everything, the answer is 204, upon which a browser's ``EventSource`` stops
    reconnecting.
    """
    api, record = await record_of(request)
    if "text/event-stream" not in (request.header(b"accept") or ""):
        try:
            events = await api.runs.records.events(record)
        except LogDamaged as damage:
            return damaged(damage, [_numbered(position, event) for position, event in enumerate(damage.readable)])
        return await list_response(events, _numbered)
    after = _last_event_id(request)
    if after >= 0 and await _is_fully_read(api, record, after):
        return no_content()
    return EventStream(_log_frames(request, record, after))


class Listening(Struct):
    """Options of rejoining a stream."""

    user: Annotated[str, Meta(description="User of the run.", extra_json_schema={"minLength": 1, "maxLength": 255})]
    include_state_snapshot: Annotated[str, Meta(description="true: begin with a snapshot of the run so far.")] = ""
    continue_on_pause: Annotated[str, Meta(description="true: stay connected when the run pauses.")] = ""


@Route(
    "GET", "/v1/workflow/{workflow_run_id}/events", {200: "text/event-stream"}, (400, 404), query=Listening, hot=True
)
async def attach(request: Request) -> SendableResponse:
    """Rejoin a run's stream, as in Dify."""
    # Source: docs/dify-behaviour.md, “Rejoining a stream”.
    api, app = request.api, await authenticated(request)
    user = user_of(request.query)
    try:
        record = await api.runs.records.record(app.id, request.path_params["workflow_run_id"])
    except NotFound:
        raise no_run(app) from None
    if record.identity.user != user:
        raise no_run(app)
    asked = queried(request.query, Listening)
    snapshot, stay = asked.include_state_snapshot.lower() == "true", asked.continue_on_pause.lower() == "true"
    log: list[Event] | JikkoError = []
    if record.is_open:
        # Before the headers: a client that has them misses nothing of what it makes the run do.
        try:
            log = await (api.runs.control.events(record) if snapshot else api.runs.control.shown(record))
        except JikkoError as error:
            log = error
    return EventStream(_attached(request, app, record, log, snapshot, stay))


async def _log_frames(request: Request, record: RunRecord, after: int) -> AsyncIterator[bytes]:
    yield RETRY + PING
    reader, idle = request.api.runs.control.reader(record), request.front.ping_seconds
    follow = reader.follow(after, durable=True, idle=idle, through_pauses=True)
    try:
        async for batch in follow:
            if not batch:
                yield PING
            elif first_long([event for _, event in batch]) is None:
                yield b"".join(_log_frame(position, event) for position, event in batch)
            else:
                for position, event in batch:
                    yield await encode_giving_way(event, partial(_log_frame, position), dify_events.line_of_text)
    except (RunLeft, LogUnwritable):
        pass  # the client reconnects with its last ID
    except JikkoError as error:
        yield dify_events.error_frame(record.identity, error)


def numbered_frame(position: int, event: Event, line: bytes) -> bytes:
    """Make the frame of a log's event. ``line``: The event in JSON."""
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (position, str(type(event).__struct_config__.tag).encode(), line)


def _log_frame(position: int, event: Event) -> bytes:
    return numbered_frame(position, event, dify_events.line(event))


async def _attached(
    request: Request, app: App, record: RunRecord, log: list[Event] | JikkoError, snapshot: bool, stay: bool
) -> AsyncIterator[bytes]:
    api = request.api
    if not record.is_open:
        yield await _end(request, app, record)
        return
    yield PING
    if isinstance(log, JikkoError):
        yield dify_events.error_frame(record.identity, log)
        return
    # The run may have advanced since its record was read: snapshot and stream meet at one position of the log.
    record = folded(record.identity, log)
    if not record.is_open:
        yield await _end(request, app, record)
        return
    if snapshot:
        yield b"".join(dify_events.frame(message) for message in snapshot_messages(record, log))
        if record.status == "paused" and not stay:
            return
    last: Event | None = None
    messages = StreamEncoder(record, log)
    idle = request.front.ping_seconds
    follow = api.runs.control.reader(record).follow(len(log) - 1, idle=idle, through_pauses=True)
    try:
        async for batch in follow:
            events = [event for _, event in batch]
            if first_long(events) is not None:
                async for piece in messages.long_frames(events):
                    yield piece
            elif piece := messages.frames(events):
                yield piece
            elif not batch:
                yield PING
            last = batch[-1][1] if batch else last
            if isinstance(last, RunPaused) and not stay:
                return
    except JikkoError as error:
        yield messages.broken(error)
        return
    if not isinstance(last, RunFinished):
        # Another process took over the run, with a shorter log than the events shown here before they were durable.
        with contextlib.suppress(NotFound):
            yield await _end(request, app, await api.runs.records.any_record(record.identity.run_id))


async def _end(request: Request, app: App, record: RunRecord) -> bytes:
    """Encode the end of a run that had ended before."""
    fresh, run_id = partial(request.api.files.fresh, base_url=request.base_url), record.identity.run_id
    if app.mode in BASIC_MODES:
        # Rarely needed: few apps have no workflow.
        from jikko.dify.app_events import ended_messages

        try:
            log = await request.api.runs.records.events(record)
        except JikkoError as error:
            return dify_events.error_frame(record.identity, error)
        return b"".join(dify_events.frame(message) for message in ended_messages(record, log, fresh))
    data = dify_events.finished_data(record, fresh(msgspec.json.decode(record.outputs)))
    # The one answer in which Dify has the run ID in place of the task ID.
    return dify_events.frame(StreamMessage("workflow_finished", run_id, run_id, data))


async def _is_fully_read(api: Assembly, record: RunRecord, after: int) -> bool:
    """Return whether a client at a position has seen the complete log of an ended run."""
    if record.is_open:
        return False
    try:
        return after >= len(await api.runs.records.events(record)) - 1
    except LogDamaged:
        return False  # the stream reports it


def _numbered(position: int, event: Event) -> NumberedEvent:
    fields: dict[str, Any] = msgspec.to_builtins(event)
    return {"id": position, **fields}


def _last_event_id(request: Request) -> int:
    text = (request.header(b"last-event-id") or "").strip()
    if not text:
        return -1
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise InvalidParam("Last-Event-ID must be the id of an event of this stream: a whole number.")
    return int(text)
