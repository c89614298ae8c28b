"""Retries of deliveries whose runs failed, and the end of them. The process that leads does so."""

import logging
from typing import Final, NamedTuple

from msgspec import Struct

from jikko.apps.publishing import AppCatalog
from jikko.errors import (
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
from jikko.ports.clock import Clock
from jikko.ports.stores.projections import KeyClaim, StartOptions
from jikko.ports.stores.trigger_store import Delivery
from jikko.record import RunRecord
from jikko.repositories.delivery_store import DeliveryStore
from jikko.runs.retry import Retries
from jikko.triggers.deliveries import Deliveries
from jikko.triggers.planning import jitter_of
from jikko.triggers.triggers import Triggers

log = logging.getLogger(__name__)

_TRY_AGAIN_SECONDS, _MAX_TRY_AGAIN_SECONDS = 5.0, 300.0
"""Until a retry is tried again that could not be started: as long as it is late already, within these."""
_GIVE_UP_SECONDS: Final = 3600.0
"""After which what will not pass by itself, such as a wrong environment value, makes a delivery dead."""
_PASSING: Final = (TooManyRequests, NoRoom, ServerStopping, StoreUnavailable, LogTooNew)
_OFF_SECONDS: Final = 60.0
"""Until the next look at a delivery whose webhook is switched off."""
_DEAD_SECONDS: Final = 600.0
"""Until the next look at a dead one, at first: somebody may have repeated it by hand."""
_FIRST_WAIT_SECONDS, _MAX_WAIT_SECONDS = 5.0, 3600.0
"""Seconds from the end of a failed run to the first retry, and at most to a later one."""
_JITTER: Final = 0.2
"""By this share of a wait, retries of several deliveries that failed together are spread."""
_CLAIMED_SECONDS: Final = 30 * 86_400.0
"""For which a retry is known to have been started."""


class Decision(NamedTuple):
    look_at: float | None
    """When to look at it next; ``None``: never."""
    is_dead: bool = False
    retry: bool = False
    """Whether its run is repeated now."""
    is_full: bool = False
    """Whether its app takes no more runs for now."""


def decide(delivery: Delivery, record: RunRecord | None, repeated: int, now: float) -> Decision:
    """Decide what becomes of a delivery.

    Args:
        record: The newest of its runs; ``None``: it was removed.
        repeated: How many runs have repeated its first one.
    """
    if record is None or record.status in ("succeeded", "partial-succeeded", "stopped"):
        return Decision(None)
    if record.is_open:
        # Less often the longer it goes on.
        return Decision(now + min(300.0, max(1.0, 0.1 * (now - record.created_at))), delivery.dead_at is not None)
    if repeated >= delivery.retries or delivery.dead_at is not None:
        return Decision(now + max(_DEAD_SECONDS, 0.1 * (now - (delivery.dead_at or now))), is_dead=True)
    wait = min(_FIRST_WAIT_SECONDS * 2.0 ** min(repeated, 20), _MAX_WAIT_SECONDS)
    due = (record.finished_at or now) + wait + jitter_of(f"{delivery.id} {repeated}", _JITTER * wait)
    return Decision(due, retry=now >= due)


class DeliveryRetries(Struct, eq=False):
    """Repeats the runs of deliveries that failed, as often as their triggers ask for it."""

    store: DeliveryStore
    deliveries: Deliveries
    retries: Retries
    apps: AppCatalog
    triggers: Triggers
    clock: Clock

    async def look(self) -> None:
        """Deal with some of what is due now.
        Raises ``StoreUnavailable``: the record cannot be used. What was not dealt with is due still."""
        full: dict[str, float | None] = {}
        for delivery in await self.store.due(self.clock()):
            if delivery.app_id in full:
                await self.store.looked(delivery.id, full[delivery.app_id], delivery.dead_at)
            elif (decision := await self._handle(delivery)) is not None and decision.is_full:
                full[delivery.app_id] = decision.look_at

    async def _handle(self, delivery: Delivery) -> Decision | None:
        """Deal with one delivery. What goes wrong with it does not hold up the others.
        Raises ``StoreUnavailable``: the record cannot be used."""
        try:
            return await self._advance(delivery)
        except StoreUnavailable:
            raise
        except Exception as error:
            unexpected = None if isinstance(error, JikkoError) else error
            log.error("delivery %s cannot be dealt with, trying again: %s", delivery.id, error, exc_info=unexpected)
            await self.store.looked(delivery.id, self.clock() + _TRY_AGAIN_SECONDS, delivery.dead_at)
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
        """Repeat a run from the nodes that failed, once: the number of the retry is claimed with the new run.
        ``late``: seconds since it was due."""
        now = self.clock()
        # No client can send a key that begins with a blank.
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
            wait = min(max(_TRY_AGAIN_SECONDS, late), _MAX_TRY_AGAIN_SECONDS)
            return Decision(now + wait, is_full=isinstance(error, TooManyRequests))
        return Decision(now + 1.0)
