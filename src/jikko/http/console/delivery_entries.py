"""Webhook deliveries and their outcomes: listing, replaying and discarding."""

import math
from functools import partial
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from jikko.dify.bodies import body_from
from jikko.http.console.console_queries import Limit, id_in
from jikko.http.console.console_runs import STARTS, RunAccepted, accepted
from jikko.http.console.run_bodies import Run, RunApp, icon_of, run_body
from jikko.http.console.visitor_gate import ConsoleRequest, VisitorRoute
from jikko.http.request_fields import Id
from jikko.http.responses import SendableResponse
from jikko.http.starts import START_ERRORS, start_options_of
from jikko.ids import is_uuid
from jikko.ports.stores.trigger_store import Place, Trigger, Verdict
from jikko.repositories.app_store import App
from jikko.triggers.deliveries import DeliveryState, DeliveryView
from jikko.values import Json, Moment, Uuid

_FIRST_ID: Final = "00000000-0000-0000-0000-000000000000"


class DeliveryCursor:
    """Start of a page of deliveries."""

    def __init__(self, place: Place) -> None:
        self.place = place

    @classmethod
    def parse(cls, text: str) -> "DeliveryCursor":
        """Raises ``ValueError`` if malformed."""
        at, _, delivery_id = text.partition("_")
        try:
            received_at = float(at)
        except ValueError:
            received_at = math.nan
        if not math.isfinite(received_at) or not is_uuid(delivery_id):
            raise ValueError("must be `next` of an earlier page")
        return cls((received_at, delivery_id))


class DeliveriesPage(Struct):
    app: Annotated[Id | None, Meta(description="ID of an app.")] = None
    trigger: Annotated[Id | None, Meta(description="ID of a trigger.")] = None
    state: Annotated[
        DeliveryState | None, Meta(description="Status, applied to the newest 5,000 that match the other filters.")
    ] = None
    after: Annotated[float, Meta(ge=0, description="Earliest time received, in seconds since the Unix epoch.")] = 0.0
    before: Annotated[float, Meta(ge=0, description="Latest time received.")] | None = None
    cursor: (
        Annotated[
            DeliveryCursor,
            Meta(description="Cursor from the previous page's `next`.", extra_json_schema={"type": "string"}),
        ]
        | None
    ) = None
    limit: Limit = 50


class DeliveryEntry(Struct, kw_only=True):
    """Webhook call."""

    id: Uuid
    app: RunApp
    trigger_id: Uuid
    node_id: str
    received_at: Moment
    method: str
    size: Annotated[int, Meta(description="Size of the body in bytes.")]
    verdict: Verdict
    reason: Annotated[str, Meta(description="Reason for the refusal.")]
    state: Annotated[DeliveryState, Meta(description="Status of its newest run. `expired`: the run was deleted.")]
    sender_id: Annotated[str, Meta(description="The sender's ID of the call, or empty.")]
    runs: Annotated[list[Uuid], Meta(description="The run that it started, and its retries, oldest first.")]
    error: Annotated[str | None, Meta(description="Error of the newest run.")]


class DeliveryFull(DeliveryEntry, kw_only=True):
    """Webhook call with its contents."""

    call: Annotated[
        Json,
        Meta(
            description="`method`, `headers` (credentials masked), `query_params`, `body` and `files`; null: refused, "
            "its run was deleted, or not requested."
        ),
    ]
    run_list: Annotated[list[Run], Meta(description="Its runs, oldest first, as in lists of runs.")]


class DeliveryParts(Struct):
    without: Annotated[
        Literal["call"] | None, Meta(description="`call`: omit it (null), for clients that poll the status of runs.")
    ] = None


class DeliveryList(Struct):
    """Page of deliveries, newest first."""

    data: list[DeliveryEntry]
    next: str | None


@VisitorRoute("GET", "deliveries", (400, 503), scope="runs:read")
async def list_deliveries(call: ConsoleRequest, asked: DeliveriesPage) -> DeliveryList:
    """List webhook calls of all apps, newest first."""
    api = call.request.api
    triggers = {
        trigger.id: trigger
        for trigger in await api.triggers.all("webhook")
        if asked.app in (None, trigger.app_id) and asked.trigger in (None, trigger.id)
    }
    begin: Place | None = None
    if asked.cursor is not None:
        begin = asked.cursor.place
    elif asked.before is not None:
        begin = math.nextafter(asked.before, math.inf), _FIRST_ID
    found = await api.deliveries.listed(
        list(triggers.values()),
        states=() if asked.state is None else (asked.state,),
        since=asked.after,
        before=begin,
        limit=asked.limit,
    )
    apps = {app.id: app for app in await call.console.app_store.apps()}
    last = found[-1].delivery if len(found) == asked.limit else None
    following = None if last is None else f"{last.received_at!r}_{last.id}"
    entries = [_entry(view, triggers[view.delivery.trigger_id], apps.get(view.delivery.app_id)) for view in found]
    return DeliveryList(entries, following)


@VisitorRoute("GET", "deliveries/{delivery_id}", (400, 404, 503), scope="runs:read")
async def read_delivery(call: ConsoleRequest, asked: DeliveryParts) -> DeliveryFull:
    """Read a webhook call, with headers, parameters and body, and its runs."""
    api = call.request.api
    view = await api.deliveries.find(id_in(call, "delivery"))
    entry = await _entry_of(call, view)
    records = [record for run_id in view.runs if (record := await call.console.run_store.record(run_id)) is not None]
    brought: Json = None
    if asked.without is None:
        brought = api.files.fresh(await api.deliveries.call(view), base_url=call.request.base_url)
    now = api.clock()
    runs = [run_body(run, now) for run in await call.console.runs.shown(records)]
    return body_from(entry, DeliveryFull, call=brought, run_list=runs)


@STARTS(path="deliveries/{delivery_id}/replay", answers={202: RunAccepted}, errors=(400, *START_ERRORS))
async def replay_delivery(call: ConsoleRequest) -> SendableResponse:
    """Replay a webhook call, from its trigger on, with the app's current version."""
    api, delivery_id = call.request.api, id_in(call, "delivery")
    record, node = await api.deliveries.first_run(delivery_id)
    app, run_id = await api.apps.find(record.identity.app_id), record.identity.run_id
    options = start_options_of(call.request, f"console replay {delivery_id}", {"callback_url": None})
    retry = partial(api.runs.retries.retry, app, run_id, from_node=node, current=True)
    return await accepted(
        call, f"replayed delivery {delivery_id}: run", await api.runs.starts.start(app, options, retry)
    )


@VisitorRoute("POST", "deliveries/{delivery_id}/discard", (404, 409, 503), scope="runs:write")
async def discard_delivery(call: ConsoleRequest) -> DeliveryEntry:
    """Discard a webhook call: a pending one will not run, a failed one counts as handled."""
    api = call.request.api
    view = await api.deliveries.find(id_in(call, "delivery"))
    if view.state == "waiting":
        # If it has started meanwhile, it continues, and this is refused.
        user = f"console:{call.visitor.name}"
        await api.runs.control.stop(view.delivery.app_id, view.runs[-1], user, only_waiting=True)
    view = await api.deliveries.discard(view.delivery.id)
    call.note("discarded delivery", view.delivery.id, app=view.delivery.app_id)
    return await _entry_of(call, view)


async def _entry_of(call: ConsoleRequest, view: DeliveryView) -> DeliveryEntry:
    trigger = await call.request.api.triggers.find(view.delivery.trigger_id)
    return _entry(view, trigger, await call.console.app_store.app(trigger.app_id))


def _entry(view: DeliveryView, trigger: Trigger, app: App | None) -> DeliveryEntry:
    shown = RunApp(view.delivery.app_id, "" if app is None else app.name, None if app is None else icon_of(app))
    of_view = {"state": view.state, "runs": list(view.runs), "error": view.error}
    return body_from(view.delivery, DeliveryEntry, app=shown, node_id=trigger.node_id, **of_view)
