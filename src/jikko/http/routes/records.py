"""Records of runs: the list of logs, and the node executions of one run. Source: Dify 1.15, spec/records.md §6."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

import msgspec
from msgspec import UNSET

from jikko.dify import bodies
from jikko.errors import InvalidParam, LogDamaged, NotFound
from jikko.http.api import Api
from jikko.http.auth import authenticated
from jikko.http.errors import Error, refusal
from jikko.http.long_lists import list_response
from jikko.http.requests import Request
from jikko.http.responses import Answer, json_response
from jikko.http.whole_numbers import whole_number
from jikko.ports.stores.run_store import LogQuery
from jikko.record import RunRecord
from jikko.runs.reading.history import readable_executions
from jikko.runs.reading.node_executions import NodeExecution
from jikko.values import Json

T = TypeVar("T")


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
    api, record = await record_of(request)
    try:
        executions = await api.runs.records.node_executions(record)
    except LogDamaged as damage:
        found = [_fresh(execution, request) for execution in readable_executions(record, damage)]
        return damaged(damage, msgspec.to_builtins(found))
    return await list_response(executions, lambda _, execution: _fresh(execution, request))


async def node_execution(request: Request) -> Answer:
    """``GET /v1/workflows/run/{workflow_run_id}/node-executions/{node_execution_id}``."""
    api, record = await record_of(request)
    wanted = request.path_params["node_execution_id"].lower()
    damage_found: LogDamaged | None = None
    try:
        executions = await api.runs.records.node_executions(record)
    except LogDamaged as damage:
        executions, damage_found = readable_executions(record, damage), damage
    for execution in executions:
        if execution.id == wanted:
            return json_response(_fresh(execution, request))
    raise damage_found or NotFound("Node execution not found.")


async def record_of(request: Request) -> tuple[Api, RunRecord]:
    """The record of the run that a request names. Raises ``NotFound``."""
    api, app = request.api, await authenticated(request)
    return api, await api.runs.records.record(app.id, request.path_params["workflow_run_id"])


def _fresh(execution: NodeExecution, request: Request) -> NodeExecution:
    """The execution with urls of files that have not expired."""
    fields = {name: request.api.fresh(getattr(execution, name), request.base_url) for name in _WITH_FILES}
    return msgspec.structs.replace(execution, **fields)


def damaged(damage: LogDamaged, readable: list[dict[str, Json]]) -> Answer:
    """What can be read of a log, in an answer that cannot be taken for the whole."""
    return refusal(Error(damage.code, str(damage), damage.status, data=readable))


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
