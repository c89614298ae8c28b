"""Automatic retries of failed deliveries, and dead letters. Done by the leader."""

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

_RETRY_SECONDS, _MAX_RETRY_SECONDS = 5.0, 300.0
"""Delay before a retry that could not be started is attempted again: the time by which it is late, within
these bounds."""
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
        """Handle one delivery. Its failure does not delay the others. Raises ``StoreUnavailable`` if the record is
        unusable."""
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
