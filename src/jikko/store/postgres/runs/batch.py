"""Batches of appends, at most one per run, written in one transaction.

Starts with nothing but one key, the usual case with keys, need one statement. Otherwise all keys are claimed together,
then appends of a kind share a statement, then their projections do. Appends with several keys, or with a key that
occurs twice in the batch, are written one by one, each in its own savepoint: a refusal must not undo the others.

Projections (``ports/stores/run_store.py``) are written after the appends, one statement per kind and batch. They are
never refused.
"""

import logging
from collections.abc import Sequence
from typing import Any, Final

from msgspec.structs import replace

from jikko.errors import JikkoError
from jikko.ports.stores.messages import MessageAnswer
from jikko.ports.stores.run_store import (
    CallbackRequest,
    DeliveryReceived,
    KeyClaim,
    TurnBegan,
    TurnChanged,
    TurnRepeated,
    VariablesAssigned,
)
from jikko.repositories.callback_store import PENDING, RUN_OPEN, receiver_of
from jikko.store.postgres.conversation_store import turns_began, turns_changed, turns_repeated
from jikko.store.postgres.database import Connection
from jikko.store.postgres.runs import appends
from jikko.store.postgres.runs.appends import begin_with_keys
from jikko.store.postgres.runs.key_claims import (
    Claims,
    claim_keys,
    claim_together,
    claims_of,
    forget_keys,
    free_keys,
    order_of_locks,
)
from jikko.store.postgres.runs.run_rows import RunWrite
from jikko.store.postgres.sql import id_column, text

_ADD_CALLBACKS: Final = """
INSERT INTO callbacks (run_id, app_id, url, receiver, created_at, state, attempts, next_at)
SELECT *, 0, 0 FROM unnest($1::bytea[], $2::bytea[], $3::text[], $4::text[], $5::float8[], $6::int2[])
"""
_ADD_DELIVERIES: Final = """
INSERT INTO deliveries (
  delivery_id, app_id, trigger_id, received_at, verdict, reason, sender, method, size, run_id, retries, look_at)
SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::float8[], $5::text[], $6::text[], $7::text[],
  $8::text[], $9::int8[], $10::bytea[], $11::int4[], $12::float8[]) ON CONFLICT DO NOTHING
"""


class _Changes:
    """Projections of appends, by kind. Kinds are written in the order in which a run may have them."""

    def __init__(self) -> None:
        self.callbacks: list[tuple[Any, ...]] = []
        self.deliveries: list[tuple[Any, ...]] = []
        self.began: list[TurnBegan] = []
        self.repeated: list[tuple[bytes, TurnRepeated]] = []
        self.answers: dict[bytes, MessageAnswer] = {}
        self.assigned: list[tuple[bytes, VariablesAssigned]] = []

    def add(self, write: RunWrite) -> None:
        """Add those of an append. No two are of the same run."""
        begins = False
        for projection in write.projections:
            match projection:
                case KeyClaim():
                    pass
                case CallbackRequest(url=url):
                    state = RUN_OPEN if write.is_open else PENDING
                    receiver = text(receiver_of(url))
                    self.callbacks.append((write.run_id, write.app_id, text(url), receiver, write.created_at, state))
                case DeliveryReceived(delivery=given):
                    ids = id_column(given.id), write.app_id, id_column(given.trigger_id)
                    texts = map(text, (given.verdict, given.reason, given.sender_id, given.method))
                    rest = given.size, write.run_id, given.retries, given.look_at
                    self.deliveries.append((*ids, given.received_at, *texts, *rest))
                case TurnBegan():
                    self.began.append(projection)
                    begins = True
                case TurnRepeated():
                    self.repeated.append((write.run_id, projection))
                case TurnChanged(answer=answer) if begins:
                    # The answer of a turn that ends at once is written with it.
                    began = self.began[-1]
                    self.began[-1] = replace(began, message=replace(began.message, answer=answer))
                case TurnChanged(answer=answer):
                    self.answers[write.run_id] = answer
                case VariablesAssigned():
                    self.assigned.append((write.run_id, projection))

    async def write(self, connection: Connection) -> None:
        if self.callbacks:
            await connection.execute(_ADD_CALLBACKS, *map(list, zip(*self.callbacks, strict=True)))
        if self.deliveries:
            await connection.execute(_ADD_DELIVERIES, *map(list, zip(*self.deliveries, strict=True)))
        if self.began:
            await turns_began(connection, self.began)
        if self.repeated:
            await turns_repeated(connection, self.repeated)
        if self.answers or self.assigned:
            await turns_changed(connection, self.answers, self.assigned)


async def project(connection: Connection, writes: Sequence[RunWrite]) -> None:
    """Write the projections of appends, at most one per run, except for keys."""
    changes = _Changes()
    for write in writes:
        changes.add(write)
    await changes.write(connection)


log = logging.getLogger(__name__)
_FORGETS_EACH: Final = 16
"""One in this many batches of starts with keys removes expired keys, for all of them."""


async def write_batch(connection: Connection, writes: Sequence[RunWrite]) -> tuple[set[bytes], dict[bytes, JikkoError]]:
    """Write appends. Returns the runs written, and those that failed individually; the rest was refused by their logs.
    Raises ``Exception``: the library's. Nothing was written, or the outcome is unknown after a broken connection."""
    begun = await _begin_with_keys(connection, writes)
    left = [write for write in writes if write.run_id not in begun] if begun else writes
    if not left:
        return begun, {}
    written, failed = await _write(connection, left)
    return begun | written, failed


async def _begin_with_keys(connection: Connection, writes: Sequence[RunWrite]) -> set[bytes]:
    """Write a batch of starts with one key each and nothing else, in one round trip. Returns the runs written. Of the
    others, the keys' owners must be looked up."""
    claims = [(write, claims_of(write)) for write in sorted(writes, key=order_of_locks)]
    if not all(
        len(keys) == len(write.projections) == 1 and appends.statement_of(write) == appends.BEGUN
        for write, keys in claims
    ) or len({(write.app_id, text(keys[0].key)) for write, keys in claims}) < len(claims):
        return set()
    begun = await begin_with_keys(connection, [(write, keys[0]) for write, keys in claims])
    if writes[0].run_id[-1] % _FORGETS_EACH == 0:
        try:
            await forget_keys(connection, list(writes) * _FORGETS_EACH)
        except Exception as error:  # the starts are durable: nothing is undone
            log.warning("expired keys cannot be removed, trying again: %s", error)
    return begun


async def _write(connection: Connection, writes: Sequence[RunWrite]) -> tuple[set[bytes], dict[bytes, JikkoError]]:
    parts = _Parts(writes)
    written: set[bytes] = set()
    failed: dict[bytes, JikkoError] = {}
    if len(parts.together) == 1 and not any(write.projections for write in writes):
        [(statement, some)] = parts.together.items()
        written = await appends.perform(connection, statement, some)
    else:
        async with connection.transaction():
            claims = await claim_together(connection, parts.keyed) if parts.keyed else Claims(set(), set(), {})
            failed |= claims.refused
            parts.settle(claims)
            for statement, some in parts.together.items():
                written |= await appends.perform(connection, statement, some)
            if lost := [write for write in parts.keyed if write.run_id in claims.new - written]:
                await free_keys(connection, lost)
            # Those with projections other than keys.
            more = [each for each in writes if each.run_id in written and len(each.projections) > len(claims_of(each))]
            if more:
                await project(connection, more)
            for write in sorted(parts.apart, key=order_of_locks):
                try:
                    async with connection.transaction():
                        await _with_projections(connection, write)
                    written.add(write.run_id)
                except _Refused:
                    continue
                except JikkoError as error:
                    failed[write.run_id] = error
            await forget_keys(connection, [*parts.keyed, *parts.apart])
    return written, failed


class _Parts:
    """A batch, divided by how its appends are written."""

    def __init__(self, writes: Sequence[RunWrite]) -> None:
        self.together: dict[str, list[RunWrite]] = {}
        """Appends that share a statement, by statement."""
        self.keyed: list[RunWrite] = []
        """Appends with one key, unique in the batch: once claimed, they share a statement."""
        self.apart: list[RunWrite] = []
        keys: set[tuple[bytes, str]] = set()
        for write in writes:
            claims = claims_of(write) if write.projections else []
            if not claims:
                self._add(write)
            elif len(claims) == 1 and (key := (write.app_id, text(claims[0].key))) not in keys:
                keys.add(key)
                self.keyed.append(write)
            else:
                self.apart.append(write)

    def settle(self, claims: Claims) -> None:
        """Apply the result of claiming its keys."""
        for write in self.keyed:
            if write.run_id in claims.held:
                self._add(write)
            elif write.run_id not in claims.refused:
                self.apart.append(write)

    def _add(self, write: RunWrite) -> None:
        self.together.setdefault(appends.statement_of(write), []).append(write)


class _Refused(Exception):
    """An append was not written, and so none of its projections."""


async def _with_projections(connection: Connection, write: RunWrite) -> None:
    """Write an append and its projections, in a savepoint.

    Raises:
        KeyTaken: See ``KeyClaim``.
        _Refused: The log does not match, or already has this append.
    """
    await claim_keys(connection, write)
    if not await appends.perform(connection, appends.statement_of(write), [write]):
        raise _Refused
    await project(connection, [write])
