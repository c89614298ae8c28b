"""Run records: the log list, and a run's node executions. Source: docs/dify-behaviour.md, “Logs”."""

from datetime import UTC, datetime
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Struct

from jikko.apps.end_users import TRIGGER_USERS, trigger_user
from jikko.assemble.assembly import Assembly
from jikko.dify import bodies
from jikko.errors import LogDamaged, NotFound
from jikko.http.http_errors import Error, refusal
from jikko.http.operation import AppRoute, Route
from jikko.http.request_fields import must
from jikko.http.requests import Request, authenticated
from jikko.http.responses import SendableResponse, json_response, list_response
from jikko.ports.stores.run_store import LogQuery
from jikko.ports.stores.trigger_store import KINDS, TriggerKind
from jikko.record import RunRecord
from jikko.repositories.app_store import App
from jikko.runs.reading.node_executions import NodeExecution
from jikko.runs.reading.run_history import readable_executions
from jikko.values import Json

_WITH_FILES = ("inputs", "process_data", "outputs", "execution_metadata", "files")
_TIME: Final = {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "string", "maxLength": 0}]}
"""As in Dify, an empty one counts as missing."""


class _Instant(float):
    """Time in seconds since the Unix epoch."""

    @classmethod
    def parse(cls, text: str) -> "_Instant":
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise ValueError("must be a time in ISO 8601, such as 2025-06-01T08:00:00Z") from None
        try:
            return cls((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
        except (OverflowError, ValueError):
            raise ValueError("is out of range") from None


class _Account:
    """Account; there are none."""

    @classmethod
    def parse(cls, text: str) -> "_Account":
        raise ValueError(f"Account not found: {text}")


_Time: TypeAlias = Annotated[_Instant, Meta(description="A time in ISO 8601.", extra_json_schema=_TIME)]
_NoAccount: TypeAlias = Annotated[
    _Account, Meta(description="Not supported: any value is refused.", extra_json_schema={"type": "string"})
]


class LogFilter(Struct):
    page: Annotated[int, Meta(ge=1, le=99999, description="Default 1.")] = 1
    limit: Annotated[int, Meta(ge=1, le=100, description="Default 20.")] = 20
    keyword: Annotated[
        str, Meta(description="Part of inputs, outputs or user (first 30 characters count); or a run ID.")
    ] = ""
    status: Annotated[
        Literal["succeeded", "failed", "stopped"] | None,
        Meta(description="Status of the runs.", extra=must("must be 'succeeded', 'failed' or 'stopped'")),
    ] = None
    created_at__before: _Time | None = None
    created_at__after: _Time | None = None
    created_by_end_user_session_id: Annotated[str, Meta(description="User of the runs, exact match.")] = ""
    created_by_account: _NoAccount | None = None
    triggered_from: Annotated[
        TriggerKind | None,
        Meta(description="Kind of trigger that started the runs.", extra=must("must be one of " + ", ".join(KINDS))),
    ] = None


@AppRoute("GET", "/v1/workflows/logs", (400,))
async def logs(request: Request, app: App, asked: LogFilter) -> bodies.LogPage:
    """List runs, newest first.

    Runs of chat apps are not listed here; their messages are, by conversation.
    """
    api = request.api
    if app.mode != "workflow":
        return bodies.LogPage(asked.page, asked.limit, 0, False, [])
    user: str | None = asked.created_by_end_user_session_id or None
    trigger = asked.triggered_from
    page = await api.runs.records.find(
        LogQuery(
            app_id=app.id,
            page=asked.page,
            limit=asked.limit,
            keyword=asked.keyword or None,
            statuses=() if asked.status is None else (asked.status,),
            before=asked.created_at__before,
            after=asked.created_at__after,
            user=TRIGGER_USERS[trigger] if user is None and trigger is not None else user,
            end_user_id=None if trigger is None else trigger_user(app.id, trigger),
        )
    )
    entries = [bodies.log_entry(record) for record in page.records]
    has_more = page.total > asked.page * asked.limit
    until = await api.runs.records.archived_until()
    archived = UNSET if until is None else int(until)
    return bodies.LogPage(asked.page, asked.limit, page.total, has_more, entries, archived)


@Route("GET", "/v1/workflows/run/{workflow_run_id}/node-executions", {200: bodies.NodeExecutions}, (404, 503), hot=True)
async def node_executions(request: Request) -> SendableResponse:
    """Read the node executions of a run, in order of start."""
    api, record = await record_of(request)
    try:
        executions = await api.runs.records.node_executions(record)
    except LogDamaged as damage:
        found = [_fresh(execution, request) for execution in readable_executions(record, damage)]
        return damaged(damage, msgspec.to_builtins(found))
    return await list_response(executions, lambda _, execution: _fresh(execution, request))


@Route(
    "GET", "/v1/workflows/run/{workflow_run_id}/node-executions/{node_execution_id}", {200: NodeExecution}, (404, 503)
)
async def node_execution(request: Request) -> SendableResponse:
    """Read one node execution."""
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


async def record_of(request: Request) -> tuple[Assembly, RunRecord]:
    """Return the run of a request. Raises ``NotFound``."""
    api, app = request.api, await authenticated(request)
    return api, await api.runs.records.record(app.id, request.path_params["workflow_run_id"])


def _fresh(execution: NodeExecution, request: Request) -> NodeExecution:
    """Renew the file URLs of an execution."""
    files, base_url = request.api.files, request.base_url
    fields = {name: files.fresh(getattr(execution, name), base_url=base_url) for name in _WITH_FILES}
    return msgspec.structs.replace(execution, **fields)


def damaged(damage: LogDamaged, readable: list[dict[str, Json]]) -> SendableResponse:
    """Return the readable part of a damaged log, marked as incomplete."""
    return refusal(Error(damage.code, str(damage), damage.status, data=readable))
