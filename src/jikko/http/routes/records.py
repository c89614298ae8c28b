"""Records of runs: the logs, the log of one run, its node executions. Source: Dify 1.15, spec/records.md §6."""

import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Final, TypeAlias, TypeVar, get_args

import msgspec
from msgspec import UNSET, Meta, Struct

from jikko.dify import bodies
from jikko.dify import events as dify_events
from jikko.dify.messages import Message
from jikko.dify.snapshot import snapshot as snapshot_messages
from jikko.dify.stream import Messages
from jikko.errors import InvalidParam, JikkoError, LogDamaged, LogUnwritable, NotFound, RunLeft
from jikko.events import Event, RunFinished, RunPaused
from jikko.http.api import Api
from jikko.http.auth import authenticated
from jikko.http.errors import Error, refusal
from jikko.http.fields import user_of
from jikko.http.long_lists import list_response
from jikko.http.requests import Request
from jikko.http.responses import Answer, json_response, no_content
from jikko.http.sse import PING, RETRY, EventStream
from jikko.http.whole_numbers import whole_number
from jikko.ports.stores.run_store import LogQuery
from jikko.record import RunRecord, folded
from jikko.runs.reading.history import readable_executions
from jikko.runs.reading.node_executions import NodeExecution
from jikko.values import Json

T = TypeVar("T")


def event_schema(name: str) -> str:
    """What the API's description calls an event, by the name of its class."""
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
"""The schema of an event of a log."""

NumberedEvent: TypeAlias = Annotated[
    dict[str, Json],
    Meta(
        description="An event of the run's log.",
        extra_json_schema=ANY_EVENT,
    ),
]


class EventLog(Struct):
    """The log of a run, in order."""

    data: list[NumberedEvent]


_WITH_FILES = ("inputs", "process_data", "outputs", "execution_metadata", "files")
_STATUSES = ("succeeded", "failed", "stopped")


async def logs(request: Request) -> Answer:
    """``GET /v1/workflows/logs``. Runs of a chat app are not listed here: its messages are, by conversation."""
    api, app = request.api, await authenticated(request)
    query = _log_query(request, app.id)
    if app.mode == "advanced-chat":
        return json_response(bodies.LogPage(query.page, query.limit, 0, False, []))
    page = await api.runs.records.find(query)
    entries = [bodies.log_entry(record) for record in page.records]
    has_more = page.total > query.page * query.limit
    until = await api.runs.records.archived_until()
    archived = UNSET if until is None else int(until)
    return json_response(bodies.LogPage(query.page, query.limit, page.total, has_more, entries, archived))


async def node_executions(request: Request) -> Answer:
    """``GET /v1/workflows/run/{workflow_run_id}/node-executions``: every node of a run, in order of start."""
    api, record = await _record(request)
    try:
        executions = await api.runs.records.node_executions(record)
    except LogDamaged as damage:
        found = [_fresh(execution, request) for execution in readable_executions(record, damage)]
        return _damaged(damage, msgspec.to_builtins(found))
    return await list_response(executions, lambda _, execution: _fresh(execution, request))


async def node_execution(request: Request) -> Answer:
    """``GET /v1/workflows/run/{workflow_run_id}/node-executions/{node_execution_id}``."""
    api, record = await _record(request)
    wanted = request.path_params["node_execution_id"].lower()
    damaged: LogDamaged | None = None
    try:
        executions = await api.runs.records.node_executions(record)
    except LogDamaged as damage:
        executions, damaged = readable_executions(record, damage), damage
    for execution in executions:
        if execution.id == wanted:
            return json_response(_fresh(execution, request))
    raise damaged or NotFound("Node execution not found.")


async def run_events(request: Request) -> Answer:
    """``GET /v1/workflows/run/{workflow_run_id}/events``: the whole log of a run.

    As JSON, or, if the client accepts ``text/event-stream``, as a stream with ``id:`` lines that goes on, through
    pauses, until the run ends; ``Last-Event-ID`` resumes it behind that position, or at the end of the log if that
    comes first. If nothing more can come, as the run has ended and the client has seen that, the answer is 204: an
    ``EventSource`` of a browser stops asking then.
    """
    api, record = await _record(request)
    if "text/event-stream" not in (request.header(b"accept") or ""):
        try:
            events = await api.runs.records.events(record)
        except LogDamaged as damage:
            return _damaged(damage, [_numbered(position, event) for position, event in enumerate(damage.readable)])
        return await list_response(events, _numbered)
    after = _last_event_id(request)
    if after >= 0 and await _is_behind_the_end(api, record, after):
        return no_content()
    return EventStream(_log_frames(api, record, after))


async def attach(request: Request) -> Answer:
    """``GET /v1/workflow/{workflow_run_id}/events``: Dify's way to listen again. Source: spec/service-api.md §4.3."""
    api, app = request.api, await authenticated(request)
    user = user_of(request.query)
    record = await api.runs.records.record(app.id, request.path_params["workflow_run_id"])
    if record.identity.user != user:
        raise NotFound("Workflow run not found.")
    snapshot = request.query.get("include_state_snapshot", "").lower() == "true"
    stay = request.query.get("continue_on_pause", "").lower() == "true"
    return EventStream(_attached(api, record, snapshot, stay, lambda outputs: api.fresh(outputs, request.base_url)))


async def _record(request: Request) -> tuple[Api, RunRecord]:
    api, app = request.api, await authenticated(request)
    return api, await api.runs.records.record(app.id, request.path_params["workflow_run_id"])


def _fresh(execution: NodeExecution, request: Request) -> NodeExecution:
    """The execution with urls of files that have not expired."""
    fields = {name: request.api.fresh(getattr(execution, name), request.base_url) for name in _WITH_FILES}
    return msgspec.structs.replace(execution, **fields)


async def _log_frames(api: Api, record: RunRecord, after: int) -> AsyncIterator[bytes]:
    yield RETRY + PING
    follow = api.runs.control.reader(record).follow(after, durable=True, idle=api.ping_seconds, through_pauses=True)
    try:
        async for batch in follow:
            yield (
                b"".join(
                    b"id: %d\nevent: %s\ndata: %s\n\n" % (position, _tag(event), dify_events.line(event))
                    for position, event in batch
                )
                or PING
            )
    except (RunLeft, LogUnwritable):
        pass  # the client comes again with the last id that it saw
    except JikkoError as error:
        yield dify_events.error_frame(record.identity, error)


def _damaged(damage: LogDamaged, readable: list[dict[str, Json]]) -> Answer:
    """What can be read of a log, in an answer that cannot be taken for the whole."""
    return refusal(Error(damage.code, str(damage), damage.status, data=readable))


async def _attached(
    api: Api, record: RunRecord, snapshot: bool, stay: bool, fresh: Callable[[Json], Json]
) -> AsyncIterator[bytes]:
    if not record.is_open:
        yield _end(record, fresh)
        return
    yield PING
    try:
        log = await (api.runs.control.events(record) if snapshot else api.runs.control.shown(record))
    except JikkoError as error:
        yield dify_events.error_frame(record.identity, error)
        return
    # The run may have gone on since its record was read: the snapshot and the stream behind it part at one position of
    # the log.
    record = folded(record.identity, log)
    if not record.is_open:
        yield _end(record, fresh)
        return
    if snapshot:
        yield b"".join(dify_events.frame(message) for message in snapshot_messages(record, log))
        if record.status == "paused" and not stay:
            return
    last: Event | None = None
    messages = Messages(record, log)
    follow = api.runs.control.reader(record).follow(len(log) - 1, idle=api.ping_seconds, through_pauses=True)
    try:
        async for batch in follow:
            if piece := messages.frames(event for _, event in batch):
                yield piece
            elif not batch:
                yield PING
            last = batch[-1][1] if batch else last
            if isinstance(last, RunPaused) and not stay:
                return
    except JikkoError as error:
        yield dify_events.error_frame(record.identity, error)
        return
    if not isinstance(last, RunFinished):
        # The run went to another process, whose log is shorter than what was shown here before it was durable.
        with contextlib.suppress(NotFound):
            yield _end(await api.runs.records.any_record(record.identity.run_id), fresh)


def _end(record: RunRecord, fresh: Callable[[Json], Json]) -> bytes:
    """The end of a run that had ended when the client came."""
    run_id = record.identity.run_id
    data = dify_events.finished_data(record, fresh(msgspec.json.decode(record.outputs)))
    # The one answer in which Dify names the run where it otherwise names the task.
    return dify_events.frame(Message("workflow_finished", run_id, run_id, data))


async def _is_behind_the_end(api: Api, record: RunRecord, after: int) -> bool:
    """Whether a client that has seen the events up to a position has seen all that there will ever be."""
    if record.is_open:
        return False
    try:
        return after >= len(await api.runs.records.events(record)) - 1
    except LogDamaged:
        return False  # the stream says so


def _numbered(position: int, event: Event) -> NumberedEvent:
    fields: dict[str, Any] = msgspec.to_builtins(event)
    return {"id": position, **fields}


def _tag(event: Event) -> bytes:
    tag = type(event).__struct_config__.tag
    return str(tag).encode()


def _last_event_id(request: Request) -> int:
    text = (request.header(b"last-event-id") or "").strip()
    if not text:
        return -1
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise InvalidParam("Last-Event-ID must be the id of an event of this stream: a whole number.")
    return int(text)


def _log_query(request: Request, app_id: str) -> LogQuery:
    """The filters of a request.

    Raises:
        InvalidParam: Some are wrong. Tells all of them.
    """
    parameters = request.query
    problems: list[str] = []

    def read(name: str, convert: Callable[[str], T], default: T) -> T:
        text = parameters.get(name)
        if text is None or text == "":
            return default
        try:
            return convert(text)
        except ValueError as error:
            problems.append(f"{name}: {error}")
            return default

    status = parameters.get("status") or None
    if status is not None and status not in _STATUSES:
        problems.append("status: must be 'succeeded', 'failed' or 'stopped'")
    page = read("page", lambda text: whole_number(text, 1, 99999), 1)
    limit = read("limit", lambda text: whole_number(text, 1, 100), 20)
    before = read("created_at__before", _instant, None)
    after = read("created_at__after", _instant, None)
    account = parameters.get("created_by_account")
    if account:
        problems.append(f"created_by_account: Account not found: {account}")
    if problems:
        raise InvalidParam("; ".join(problems))
    return LogQuery(
        app_id=app_id,
        page=page,
        limit=limit,
        keyword=parameters.get("keyword") or None,
        status=status,  # type: ignore[arg-type]  # checked above
        created_before=before,
        created_after=after,
        user=parameters.get("created_by_end_user_session_id") or None,
    )


def _instant(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("must be a time in ISO 8601, such as 2025-06-01T08:00:00Z") from None
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (OverflowError, ValueError):
        raise ValueError("is out of range") from None
