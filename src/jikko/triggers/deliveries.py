"""Deliveries: accepted webhook calls and their runs. A delivery has the state of its newest run."""

import json
import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Final, Literal, NamedTuple, TypeAlias

from msgspec import Struct

from jikko.apps.publishing import AppCatalog
from jikko.concurrency.run_in_thread import run_in_thread
from jikko.errors import (
    Conflict,
    InvalidParam,
    JikkoError,
    KeyTaken,
    LogDamaged,
    LogTooNew,
    NoRoom,
    NotFound,
    ServerStopping,
    StoreUnavailable,
    TooManyRequests,
)
from jikko.events import NodeStarted, RunRetried, RunStarted
from jikko.ports.clock import Clock
from jikko.ports.stores.run_store import KeyClaim, RunStore, StartOptions
from jikko.ports.stores.trigger_store import Delivery, Place, Trigger
from jikko.record import RunRecord
from jikko.repositories.delivery_store import DeliveryStore
from jikko.runs.activity import has_begun
from jikko.runs.retry import Retries, RetryPlan
from jikko.runs.run_log import RunLog
from jikko.triggers.planning import jitter_of
from jikko.triggers.triggers import Triggers
from jikko.values import Json

DeliveryState: TypeAlias = Literal[
    "waiting", "running", "done", "failed", "dead", "discarded", "duplicate", "refused", "expired"
]
_ENDED: Final[dict[str, DeliveryState]] = {"succeeded": "done", "partial-succeeded": "done"}
_SLICE: Final = 200
_MAX_SCANNED: Final = 5_000
"""Maximum number of deliveries scanned for a state."""
_LAST_EVENTS: Final = 64
"""Last events of an open run that show whether it has begun."""


class DeliveryView(Struct, frozen=True):
    delivery: Delivery
    state: DeliveryState
    """``expired``: its run was deleted."""
    runs: Sequence[str] = ()
    """Its run and the retries, oldest first."""
    error: str | None = None
    """Error of the newest run."""


class Deliveries(Struct, eq=False):
    store: DeliveryStore
    run_store: RunStore
    retries: Retries
    apps: AppCatalog

    async def listed(
        self,
        triggers: Sequence[Trigger],
        *,
        states: Collection[DeliveryState] = (),
        where: Mapping[str, str] | None = None,
        since: float = 0.0,
        before: Place | None = None,
        limit: int = 20,
        depth: float = _MAX_SCANNED,
    ) -> list[DeliveryView]:
        """List deliveries of some triggers, newest first.

        Args:
            states: Only in these states, among the newest ``depth``; empty: all.
            where: Likewise, only with these texts at these paths: ``{"body.type": "paid"}``.
            before: Start after this place.
            depth: Number of deliveries scanned; ``math.inf``: all.
        """
        found: list[DeliveryView] = []
        ids, looked_at = [trigger.id for trigger in triggers], 0
        while ids and looked_at < depth:
            count = _SLICE if states or where else limit
            page = await self.store.newest(ids, since=since, before=before, limit=count)
            for delivery in page:
                view = await self._view(delivery)
                if (not states or view.state in states) and (not where or await self._brought(view, where)):
                    found.append(view)
                if len(found) == limit:
                    return found
            looked_at += len(page)
            if len(page) < count:
                return found
            before = page[-1].received_at, page[-1].id
        return found

    async def find(self, delivery_id: str) -> DeliveryView:
        """Return one delivery. Raises ``NotFound`` if there is none."""
        delivery = await self.store.find(delivery_id)
        if delivery is None:
            raise NotFound(f"No delivery {delivery_id!r}; `jikko deliveries list` lists the deliveries.")
        return await self._view(delivery)

    async def record(self, view: DeliveryView) -> RunRecord | None:
        """Return a delivery's first run, whose inputs are the call's content; ``None`` if it was deleted."""
        return await self.run_store.record(view.runs[0]) if view.runs else None

    async def call(self, view: DeliveryView) -> Json:
        """Return the call's content: ``method``, ``headers``, ``query_params``, ``body`` and ``files``; ``None`` if its
        run was deleted, or it started none."""
        record = await self.record(view)
        if record is None or view.delivery.verdict != "accepted":
            return None
        # It may have 10 MiB.
        inputs: dict[str, Json] = await run_in_thread(json.loads, record.inputs, queue="records")
        return inputs.get("webhook_data")

    async def _brought(self, view: DeliveryView, where: Mapping[str, str]) -> bool:
        call = await self.call(view)
        return call is not None and all(_text_at(call, path.split(".")) == text for path, text in where.items())

    async def runs_of(self, delivery: Delivery) -> list[str]:
        """Return a delivery's run, and the runs that repeat it or one of these, oldest first."""
        found, created_at = [delivery.run_id], {delivery.run_id: 0.0}
        for run_id in found:
            repeats = await self.run_store.retries(run_id)
            created_at |= {each.run_id: each.created_at for each in repeats}
            found += [each.run_id for each in repeats]
        return sorted(found, key=lambda run_id: (created_at[run_id], run_id))

    async def newest_record(self, runs: Sequence[str]) -> RunRecord | None:
        """Return the last of some runs; ``None`` if it was deleted."""
        return await self.run_store.record(runs[-1])

    async def first_run(self, delivery_id: str) -> tuple[RunRecord, str | None]:
        """Return a delivery's run, and the node from which a full repeat starts; ``None`` if none has run. Raises
        ``NotFound``: no such delivery, or its run was deleted; ``Conflict``: it started no run."""
        view = await self.find(delivery_id)
        if not view.delivery.run_id or view.delivery.verdict != "accepted":
            raise Conflict(f"Delivery {delivery_id} was {view.delivery.verdict}, so that it has no run to repeat.")
        record = await self.record(view)
        if record is None:
            raise NotFound(f"The run of delivery {delivery_id} was removed.")
        try:
            log = await self.run_store.events(record.identity.run_id)
        except LogDamaged:
            log = []
        entry = next((event.entry for event in log if isinstance(event, RunStarted)), "")
        has_run = any(isinstance(event, NodeStarted) and event.node_id == entry for event in log)
        return record, entry if has_run else None

    async def replay(self, delivery_id: str) -> RunLog:
        """Repeat a delivery's run from its trigger on, with the app's current version. Raises ``NotFound``,
        ``Conflict``: see ``first_run`` and ``Retries.retry``."""
        record, node = await self.first_run(delivery_id)
        app = await self.apps.find(record.identity.app_id)
        return await self.retries.retry(app, record.identity.run_id, from_node=node, current=True)

    async def plan(self, delivery_id: str) -> RetryPlan:
        """Return the plan of ``replay``. Raises the same errors."""
        record, node = await self.first_run(delivery_id)
        app = await self.apps.find(record.identity.app_id)
        return await self.retries.plan(app, record, from_node=node, current=True)

    async def discard(self, delivery_id: str) -> DeliveryView:
        """Discard a delivery whose newest run failed or was stopped. Raises ``NotFound``: there is none; ``Conflict``:
        it did not fail."""
        while True:
            view = await self.find(delivery_id)
            if view.state not in ("failed", "dead"):
                under_way = view.state in ("waiting", "running")
                remedy = f"stop its run first: `jikko runs stop {view.runs[-1]}`" if under_way else "it did not fail"
                raise Conflict(f"Delivery {delivery_id} is {view.state} and cannot be discarded: {remedy}.")
            newest = await self.newest_record(view.runs)
            if newest is not None and await self.store.discard(view.delivery.id, view.runs, newest.created_at):
                return await self.find(delivery_id)
            # It was replayed meanwhile, or its run was removed: it is looked at again.

    async def _view(self, delivery: Delivery) -> DeliveryView:
        if delivery.verdict != "accepted":
            return DeliveryView(delivery, delivery.verdict, [delivery.run_id] if delivery.run_id else [])
        runs = await self.runs_of(delivery)
        record = await self.newest_record(runs)
        if record is None:
            return DeliveryView(delivery, "discarded" if delivery.discarded_at else "expired")
        if not record.is_open:
            state = _ENDED.get(record.status, "failed" if delivery.dead_at is None else "dead")
            if state == "failed" and (delivery.discarded_at or 0.0) >= record.created_at:
                state = "discarded"
            return DeliveryView(delivery, state, runs, record.error)
        if record.status == "paused":
            return DeliveryView(delivery, "running", runs)
        return DeliveryView(delivery, "running" if await self._has_begun(runs[-1]) else "waiting", runs)

    async def _has_begun(self, run_id: str) -> bool:
        """Return whether a run has got its turn, or its log cannot be read here. Reads only the end of the log: the
        first event may have 10 MiB."""
        try:
            first = max(0, await self.run_store.log_end(run_id) - _LAST_EVENTS)
            last = await self.run_store.events(run_id, after=first)
        except StoreUnavailable:
            raise
        except JikkoError:
            return True
        # Text chunks alone come from a running run.
        return has_begun(last) or (first > 0 and not any(isinstance(event, RunRetried) for event in last))


def _text_at(value: Json, path: Sequence[str]) -> str | None:
    """Return the text at a path of names and positions; other values as JSON. ``None`` if there is nothing."""
    for name in path:
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            return None
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


log = logging.getLogger(__name__)

_RETRY_SECONDS, _MAX_RETRY_SECONDS = 5.0, 300.0
"""Delay before a retry that could not be started is attempted again: its lateness, within these bounds."""
_GIVE_UP_SECONDS: Final = 3600.0
"""Seconds after which a permanent error, such as an invalid environment value, makes a delivery dead."""
_PASSING: Final = (TooManyRequests, NoRoom, ServerStopping, StoreUnavailable, LogTooNew)
_OFF_SECONDS: Final = 60.0
"""Interval of checks of a delivery whose webhook is disabled."""
_DEAD_SECONDS: Final = 600.0
"""First interval of checks of a dead delivery: somebody may have replayed it."""
_FIRST_WAIT_SECONDS, _MAX_WAIT_SECONDS = 5.0, 3600.0
"""Seconds from a failure to the first retry, and at most to later ones."""
_JITTER: Final = 0.2
"""Relative jitter, which spreads the retries of deliveries that failed together."""
_CLAIMED_SECONDS: Final = 30 * 86_400.0
"""Lifetime of the claim of a retry."""


class Decision(NamedTuple):
    look_at: float | None
    """Time of the next check; ``None``: never."""
    is_dead: bool = False
    retry: bool = False
    """Whether to retry now."""
    is_full: bool = False
    """Whether the app's queue is full."""


def decide(delivery: Delivery, record: RunRecord | None, repeated: int, now: float) -> Decision:
    """Decide the next step of a delivery.

    Args:
        record: Its newest run; ``None`` if deleted.
        repeated: Number of retries so far.
    """
    if record is None or record.status in ("succeeded", "partial-succeeded", "stopped"):
        return Decision(None)
    if record.is_open:
        # Less often the longer it runs.
        return Decision(now + min(300.0, max(1.0, 0.1 * (now - record.created_at))), delivery.dead_at is not None)
    if repeated >= delivery.retries or delivery.dead_at is not None:
        return Decision(now + max(_DEAD_SECONDS, 0.1 * (now - (delivery.dead_at or now))), is_dead=True)
    wait = min(_FIRST_WAIT_SECONDS * 2.0 ** min(repeated, 20), _MAX_WAIT_SECONDS)
    due = (record.finished_at or now) + wait + jitter_of(f"{delivery.id} {repeated}", _JITTER * wait)
    return Decision(due, retry=now >= due)


class DeliveryRetries(Struct, eq=False):
    """Retries failed deliveries, as often as their triggers ask for."""

    store: DeliveryStore
    deliveries: Deliveries
    retries: Retries
    apps: AppCatalog
    triggers: Triggers
    clock: Clock

    async def look(self) -> None:
        """Handle some due deliveries. Raises ``StoreUnavailable``: the record is unusable; the rest stays due."""
        full: dict[str, float | None] = {}
        for delivery in await self.store.due(self.clock()):
            if delivery.app_id in full:
                await self.store.looked(delivery.id, full[delivery.app_id], delivery.dead_at)
            elif (decision := await self._handle(delivery)) is not None and decision.is_full:
                full[delivery.app_id] = decision.look_at

    async def _handle(self, delivery: Delivery) -> Decision | None:
        """Handle one delivery. Its failure does not delay others. Raises ``StoreUnavailable``."""
        try:
            return await self._advance(delivery)
        except StoreUnavailable:
            raise
        except Exception as error:
            unexpected = None if isinstance(error, JikkoError) else error
            log.error("delivery %s cannot be dealt with, trying again: %s", delivery.id, error, exc_info=unexpected)
            await self.store.looked(delivery.id, self.clock() + _RETRY_SECONDS, delivery.dead_at)
            return None

    async def _advance(self, delivery: Delivery) -> Decision:
        runs = await self.deliveries.runs_of(delivery)
        record = await self.deliveries.newest_record(runs)
        now = self.clock()
        decision = decide(delivery, record, len(runs) - 1, now)
        if decision.retry and not (await self.triggers.find(delivery.trigger_id)).enabled:
            decision = Decision(now + _OFF_SECONDS)
        elif decision.retry and record is not None:
            decision = await self._retry(delivery, record, len(runs), now - (decision.look_at or now))
        if decision.is_dead and delivery.dead_at is None:
            log.warning("delivery %s is dead: its last run %s failed", delivery.id, runs[-1])
        await self.store.looked(delivery.id, decision.look_at, (delivery.dead_at or now) if decision.is_dead else None)
        return decision

    async def _retry(self, delivery: Delivery, record: RunRecord, number: int, late: float) -> Decision:
        """Retry a run from its failed nodes, exactly once: the retry's number is claimed with the new run. ``late``:
        Seconds since it was due."""
        now = self.clock()
        # Clients cannot send a key with a leading blank.
        claim = KeyClaim(key=f" delivery {delivery.id} {number}", fingerprint=b"", at=now, lifetime=_CLAIMED_SECONDS)
        try:
            app = await self.apps.find(record.identity.app_id)
            run = await self.retries.retry(app, record.identity.run_id, StartOptions(claim=claim))
            await run.committed()
        except KeyTaken:
            pass
        except (NotFound, InvalidParam, LogDamaged) as error:
            log.warning("delivery %s cannot be retried: %s", delivery.id, error)
            return Decision(now + _DEAD_SECONDS, is_dead=True)
        except JikkoError as error:
            log.warning("delivery %s cannot be retried now: %s", delivery.id, error)
            if late >= _GIVE_UP_SECONDS and not isinstance(error, _PASSING):
                return Decision(now + _DEAD_SECONDS, is_dead=True)
            wait = min(max(_RETRY_SECONDS, late), _MAX_RETRY_SECONDS)
            return Decision(now + wait, is_full=isinstance(error, TooManyRequests))
        return Decision(now + 1.0)
