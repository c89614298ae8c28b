"""Records of runs: the logs, the log of one run, its node executions. Source: Dify 1.15, spec/records.md §6."""

import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from jikko.dify import bodies as run_bodies
from jikko.dify import events as wire
from jikko.dify.snapshot import snapshot as told_so_far
from jikko.dify.stream import Messages
from jikko.errors import InvalidParam, LogUnwritable, NotFound, RunLeft
from jikko.events import Event, RunFinished, RunPaused
from jikko.http.api import Api, authenticated
from jikko.http.errors import JsonResponse
from jikko.http.requests import user_of
from jikko.http.sse import PING, EventStream
from jikko.ports.run_store import LogQuery
from jikko.record import RunRecord, folded
from jikko.values import Json

T = TypeVar("T")
_STATUSES = ("succeeded", "failed", "stopped")


async def logs(request: Request) -> Response:
    """``GET /v1/workflows/logs``."""
    api, app = await authenticated(request)
    query = _log_query(request, app.id)
    page = await api.runs.records.find(query)
    return JsonResponse(
        wire.encode(
            {
                "page": query.page,
                "limit": query.limit,
                "total": page.total,
                "has_more": page.total > query.page * query.limit,
                "data": [run_bodies.log_entry(record) for record in page.records],
            }
        )
    )


async def node_executions(request: Request) -> Response:
    """``GET /v1/workflows/run/{workflow_run_id}/node-executions``: every node of a run, in order of start."""
    api, record = await _record(request)
    executions = msgspec.to_builtins(await api.runs.records.node_executions(record))
    return JsonResponse(wire.encode({"data": api.fresh(executions, request)}))


async def node_execution(request: Request) -> Response:
    """``GET /v1/workflows/run/{workflow_run_id}/node-executions/{node_execution_id}``."""
    api, record = await _record(request)
    wanted = request.path_params["node_execution_id"].lower()
    for execution in await api.runs.records.node_executions(record):
        if execution.id == wanted:
            return JsonResponse(wire.encode(api.fresh(msgspec.to_builtins(execution), request)))
    raise NotFound("Node execution not found.")


async def run_events(request: Request) -> Response | ASGIApp:
    """``GET /v1/workflows/run/{workflow_run_id}/events``: the whole log of a run.

    As JSON, or, if the client accepts ``text/event-stream``, as a stream with ``id:`` lines that goes on, through
    pauses, until the run ends; ``Last-Event-ID`` resumes it behind that position, or at the end of the log if that
    comes first.
    """
    api, record = await _record(request)
    if "text/event-stream" not in request.headers.get("accept", ""):
        events = await api.runs.records.events(record)
        return JsonResponse(
            wire.encode({"data": [_numbered(position, event) for position, event in enumerate(events)]})
        )
    after = _last_event_id(request)
    return EventStream(_log_frames(api, record, after))


async def attach(request: Request) -> Response | ASGIApp:
    """``GET /v1/workflow/{workflow_run_id}/events``: Dify's way to listen again. Source: spec/service-api.md §4.3."""
    api, app = await authenticated(request)
    user = user_of(request.query_params)
    record = await api.runs.records.record(app.id, request.path_params["workflow_run_id"])
    if record.owner.user != user:
        raise NotFound("Workflow run not found.")
    snapshot = request.query_params.get("include_state_snapshot", "").lower() == "true"
    stay = request.query_params.get("continue_on_pause", "").lower() == "true"
    return EventStream(_attached(api, record, snapshot, stay, lambda outputs: api.fresh(outputs, request)))


async def _record(request: Request) -> tuple[Api, RunRecord]:
    api, app = await authenticated(request)
    return api, await api.runs.records.record(app.id, request.path_params["workflow_run_id"])


async def _log_frames(api: Api, record: RunRecord, after: int) -> AsyncIterator[bytes]:
    yield PING
    follow = api.runs.control.reader(record).follow(after, durable=True, idle=api.ping_seconds, through_pauses=True)
    # Parked: the client comes again with the last id that it saw.
    with contextlib.suppress(RunLeft, LogUnwritable):
        async for batch in follow:
            yield (
                b"".join(
                    b"id: %d\nevent: %s\ndata: %s\n\n" % (position, _tag(event), wire.line(event))
                    for position, event in batch
                )
                or PING
            )


async def _attached(
    api: Api, record: RunRecord, snapshot: bool, stay: bool, fresh: Callable[[Json], Json]
) -> AsyncIterator[bytes]:
    if not record.is_open:
        yield _end(record, fresh)
        return
    yield PING
    log = await (api.runs.records.events(record) if snapshot else api.runs.control.shown(record))
    # The run may have gone on since its record was read: what the client is told, and what it will be, part at one
    # position of the log.
    record = folded(record.owner, log)
    if not record.is_open:
        yield _end(record, fresh)
        return
    if snapshot:
        yield b"".join(wire.frame(message) for message in told_so_far(record, log))
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
    except (RunLeft, LogUnwritable) as error:
        yield wire.error_frame(record.owner, error)
        return
    if not isinstance(last, RunFinished):
        # The run went to another process, whose log is shorter than what was shown here before it was durable.
        with contextlib.suppress(NotFound):
            yield _end(await api.runs.records.any_record(record.owner.run_id), fresh)


def _end(record: RunRecord, fresh: Callable[[Json], Json]) -> bytes:
    """The end of a run that had ended when the client came."""
    run_id = record.owner.run_id
    data = wire.finished_data(record, fresh(msgspec.json.decode(record.outputs)))
    # The one answer in which Dify names the run where it otherwise names the task.
    return wire.frame({"event": "workflow_finished", "workflow_run_id": run_id, "task_id": run_id, "data": data})


def _numbered(position: int, event: Event) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(event)
    return {"id": position, **fields}


def _tag(event: Event) -> bytes:
    tag = type(event).__struct_config__.tag
    return str(tag).encode()


def _last_event_id(request: Request) -> int:
    text = request.headers.get("last-event-id", "").strip()
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
    parameters = request.query_params
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
    page = read("page", lambda text: _whole(text, 1, 99999), 1)
    limit = read("limit", lambda text: _whole(text, 1, 100), 20)
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


def _whole(text: str, least: int, most: int) -> int:
    if not text.lstrip("+-").isascii() or not text.lstrip("+-").isdigit() or len(text) > 12:
        raise ValueError("must be a whole number")
    number = int(text)
    if not least <= number <= most:
        raise ValueError(f"must lie between {least} and {most}")
    return number


def _instant(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("must be a time in ISO 8601, such as 2025-06-01T08:00:00Z") from None
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (OverflowError, ValueError):
        raise ValueError("is out of range") from None
