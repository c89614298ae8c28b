"""Triggers: due times of schedules and their outcomes; pauses, manual runs, backfills."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from jikko.dify.bodies import body_from
from jikko.errors import InvalidParam, JikkoError, NotFound
from jikko.http.console.console_queries import Limit, id_in
from jikko.http.console.run_bodies import RunApp, icon_of
from jikko.http.console.visitor_gate import ConsoleRequest, VisitorRoute
from jikko.http.request_fields import Id, must
from jikko.ports.stores.trigger_store import DueState, Trigger, TriggerKind
from jikko.repositories.app_store import App
from jikko.triggers.planning import Overlap
from jikko.triggers.schedule_control import ScheduleView
from jikko.values import Json, Moment, Uuid

_LATEST = 4_102_444_800.0
"""End of the year 2099."""
_Time = Annotated[float, Meta(ge=0, le=_LATEST, extra=must("must be seconds since 1970, before the year 2100"))]


class DueTimeEntry(Struct):
    """Outcome of a due time, or of several skipped together."""

    due: Moment
    count: int
    state: DueState
    at: Annotated[Moment, Meta(description="Time of this outcome.")]
    run_id: Uuid | None
    why: Annotated[str, Meta(description="Reason for skipping: missed, paused, overlap or dropped.")]


class ScheduleEntry(Struct):
    next: Annotated[list[Moment], Meta(description="Next due times, at most ten, even while paused or disabled.")]
    paused: Annotated[str | None, Meta(description="Reason for the pause; null: not paused.")]
    paused_until: Moment | None
    recent: Annotated[list[DueTimeEntry], Meta(description="Newest first, at most ten.")]
    error: Annotated[str, Meta(description="Reason why it never runs.")]


class TriggerEntry(Struct):
    """Trigger node of an app."""

    id: Uuid
    app: RunApp
    node_id: str
    title: Annotated[str | None, Meta(description="null: the current version does not have the node.")]
    kind: TriggerKind
    enabled: bool
    path: Annotated[str | UnsetType, Meta(description="Webhooks, for operators: address at this server.")] = UNSET
    verified: Annotated[
        bool | UnsetType, Meta(description="Webhooks: whether callers are authenticated beyond knowing the address.")
    ] = UNSET
    refused: Annotated[int | UnsetType, Meta(description="Webhooks: calls refused within the last hour.")] = UNSET
    schedule: ScheduleEntry | UnsetType = UNSET


class TriggerList(Struct):
    """Page of triggers, oldest first."""

    data: list[TriggerEntry]
    next: str | None


class TriggersPage(Struct):
    app: Annotated[Id | None, Meta(description="ID of an app.")] = None
    kind: Annotated[TriggerKind | None, Meta(description="Default: all.")] = None
    cursor: Annotated[Id | None, Meta(description="Cursor from the previous page's `next`.")] = None
    limit: Limit = 50


class SchedulePause(Struct):
    """Duration and reason of a schedule's pause."""

    reason: Annotated[str, Meta(max_length=200, extra=must("must be a text of at most 200 characters"))] = ""
    until: Annotated[_Time | None, Meta(description="Default: until it is enabled.")] = None


class ScheduleBackfill(Struct, rename={"since": "from", "until": "to"}):
    """Time range of a backfill."""

    since: _Time
    until: _Time
    overlap: Annotated[Overlap, Meta(description="Overlap policy of their runs.")] = "queue_all"


class DueTimesAdded(Struct):
    """Number of due times queued."""

    added: int


class DueTimesDropped(Struct):
    """Number of due times removed from the queue."""

    dropped: int


class ScheduleFired(Struct):
    """Run started manually."""

    timestamp: Annotated[Moment, Meta(description="Its `sys.timestamp`; it starts within ten seconds.")]


@VisitorRoute("GET", "triggers", (400, 503), scope="apps:read")
async def list_triggers(call: ConsoleRequest, asked: TriggersPage) -> TriggerList:
    """List triggers of one app or all, oldest first, including nodes missing from the current version."""
    triggers = call.request.api.triggers
    apps = {app.id: app for app in await call.console.app_store.apps()}
    if asked.app is None:
        found = await triggers.all(asked.kind)
    else:
        of_app = await triggers.of(apps[asked.app]) if asked.app in apps else []
        found = [trigger for trigger in of_app if asked.kind in (None, trigger.kind)]
    begin = next((at for at, trigger in enumerate(found, 1) if trigger.id == asked.cursor), 0)
    page = found[begin : begin + asked.limit]
    following = page[-1].id if begin + asked.limit < len(found) else None
    entries = [await _entry(call, trigger, app) for trigger in page if (app := apps.get(trigger.app_id)) is not None]
    return TriggerList(entries, following)


@VisitorRoute("GET", "triggers/{trigger_id}", (404, 503), scope="apps:read")
async def read_trigger(call: ConsoleRequest) -> TriggerEntry:
    """Read a trigger."""
    return await _entry_of(call, await _trigger_of(call))


@VisitorRoute("POST", "triggers/{trigger_id}/enable", (404, 503), scope="apps:write")
async def enable_trigger(call: ConsoleRequest) -> TriggerEntry:
    """Enable a trigger, which also ends a schedule's pause.

    Missed due times are not caught up.
    """
    trigger = await _trigger_of(call)
    await call.request.api.triggers.enable(trigger, True)
    if trigger.kind == "schedule":
        await call.request.api.schedules.control.resume(trigger)
    return await _changed(call, "enabled", trigger)


@VisitorRoute("POST", "triggers/{trigger_id}/disable", (404, 503), scope="apps:write")
async def disable_trigger(call: ConsoleRequest) -> TriggerEntry:
    """Disable a trigger: calls of its address get 404, schedules start nothing.

    Runs in progress continue.
    """
    trigger = await _trigger_of(call)
    await call.request.api.triggers.enable(trigger, False)
    return await _changed(call, "disabled", trigger)


@VisitorRoute("POST", "triggers/{trigger_id}/pause", (404, 503), scope="apps:write")
async def pause_trigger(call: ConsoleRequest, body: SchedulePause) -> TriggerEntry:
    """Pause a schedule for a time.

    Due times within the pause are not caught up.
    """
    trigger = await _trigger_of(call)
    reason = body.reason or f"paused by {call.visitor.name}"
    await call.request.api.schedules.control.pause(trigger, reason, body.until)
    return await _changed(call, "paused", trigger)


@VisitorRoute("POST", "triggers/{trigger_id}/fire", (404, 503), status=202, scope="runs:write")
async def fire_trigger(call: ConsoleRequest) -> ScheduleFired:
    """Run a schedule now, in addition to its due times, even if disabled or paused."""
    trigger = await _trigger_of(call)
    due = await call.request.api.schedules.control.fire(trigger)
    call.note("fired trigger", trigger.id, app=trigger.app_id)
    return ScheduleFired(due)


@VisitorRoute("POST", "triggers/{trigger_id}/backfill", (404, 503), status=202, scope="runs:write")
async def backfill_trigger(call: ConsoleRequest, body: ScheduleBackfill) -> DueTimesAdded:
    """Run past due times of a schedule that have not run yet, both ends included.

    `sys.timestamp` of each run is its due time.
    """
    trigger = await _trigger_of(call)
    if body.until < body.since:
        raise InvalidParam("to: must not be earlier than `from`")
    added = await call.request.api.schedules.control.backfill(trigger, body.since, body.until, body.overlap)
    call.note("backfilled trigger", f"{trigger.id}: {added} due times", app=trigger.app_id)
    return DueTimesAdded(added)


@VisitorRoute("DELETE", "triggers/{trigger_id}/backfill", (404, 503), scope="runs:write")
async def drop_backfill(call: ConsoleRequest) -> DueTimesDropped:
    """Cancel the pending due times of a schedule's backfills."""
    trigger = await _trigger_of(call)
    dropped = await call.request.api.schedules.control.drop_backfill(trigger)
    call.note("dropped backfill of trigger", f"{trigger.id}: {dropped} due times", app=trigger.app_id)
    return DueTimesDropped(dropped)


async def _trigger_of(call: ConsoleRequest) -> Trigger:
    """Return the trigger in the path. Raises ``NotFound``."""
    return await call.request.api.triggers.find(id_in(call, "trigger"))


async def _changed(call: ConsoleRequest, did: str, trigger: Trigger) -> TriggerEntry:
    """Audit a change, and return the trigger's new state."""
    now = await _entry_of(call, await _trigger_of(call))
    paused = None if isinstance(now.schedule, UnsetType) else now.schedule.paused
    before: Json = {"enabled": trigger.enabled}
    call.note(
        f"{did} trigger",
        trigger.id,
        app=trigger.app_id,
        before=before,
        after={"enabled": now.enabled, "paused": paused},
    )
    return now


async def _entry_of(call: ConsoleRequest, trigger: Trigger) -> TriggerEntry:
    return await _entry(call, trigger, await call.request.api.apps.find(trigger.app_id))


async def _entry(call: ConsoleRequest, trigger: Trigger, app: App) -> TriggerEntry:
    api = call.request.api
    try:
        node = (await api.workflows.get(app)).graph.nodes.get(trigger.node_id)
        title = None if node is None else node.title or node.id
    except JikkoError:
        title = trigger.node_id  # unreadable version, as the page of its app reports
    entry = TriggerEntry(
        trigger.id, RunApp(app.id, app.name, icon_of(app)), trigger.node_id, title, trigger.kind, trigger.enabled
    )
    if trigger.kind == "webhook":
        if call.visitor.may("apps:write"):
            entry.path = f"/triggers/webhook/{trigger.address}"
        entry.verified = api.webhooks.verification(trigger, app.name) is not None
        entry.refused = await api.webhooks.refused_lately(trigger)
    elif trigger.kind == "schedule":
        try:
            view = await api.schedules.control.view(trigger)
        except NotFound as gone:  # deleted meanwhile
            view = ScheduleView(error=str(gone))
        recent = [
            body_from(time, DueTimeEntry, run_id=time.run_id or None, why=time.why if time.state == "skipped" else "")
            for time in view.recent
        ]
        entry.schedule = ScheduleEntry(list(view.next), view.paused, view.paused_until, recent, view.error)
    return entry
