"""Writing a batch of appends, of which no two are of one run, in one transaction.

Starts with nothing but a key each, which most starts with keys are, go by one statement. Otherwise all keys are claimed
together, then appends share a statement a kind, then what else comes with them does. Those with several keys, or with
one that another of the batch has, come one by one, each in a savepoint of its own: what one of them is refused for must
not undo the others.
"""

import logging
from collections.abc import Sequence
from typing import Final

from jikko.errors import JikkoError
from jikko.store.postgres.columns import text
from jikko.store.postgres.database import Connection
from jikko.store.postgres.runs import appends
from jikko.store.postgres.runs.appends import begin_with_keys
from jikko.store.postgres.runs.key_claims import (
    Claims,
    claim_keys,
    claim_together,
    claims_of,
    forget_keys,
    give_back,
    order_of_locks,
)
from jikko.store.postgres.runs.projections import project
from jikko.store.postgres.runs.run_rows import RunWrite

log = logging.getLogger(__name__)
_FORGETS_EACH: Final = 16
"""Of so many batches of starts with keys, one forgets keys whose time is over: for all of them."""


async def write_batch(connection: Connection, writes: Sequence[RunWrite]) -> tuple[set[bytes], dict[bytes, JikkoError]]:
    """Write appends. Returns the runs that were written, and those that failed by themselves; the rest was refused by
    their logs.

    Raises:
        Exception: Of the library. Nothing was written, or the connection broke and nobody knows.
    """
    begun = await _begin_with_keys(connection, writes)
    left = [write for write in writes if write.run_id not in begun] if begun else writes
    if not left:
        return begun, {}
    written, failed = await _write(connection, left)
    return begun | written, failed


async def _begin_with_keys(connection: Connection, writes: Sequence[RunWrite]) -> set[bytes]:
    """Write the starts of a batch that has nothing else, each with a key of its own, in one round trip.

    Returns:
        The runs that were written. The others need a look at who has their keys.
    """
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
            log.warning("keys whose time is over cannot be removed, trying again: %s", error)
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
                await give_back(connection, lost)
            if more := [write for write in writes if write.run_id in written and _has_more(write)]:
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
    """A batch, by how its appends are written."""

    def __init__(self, writes: Sequence[RunWrite]) -> None:
        self.together: dict[str, list[RunWrite]] = {}
        """Those that share a statement, by the statement."""
        self.keyed: list[RunWrite] = []
        """Those with one key, of which no two have the same: they share a statement once they have it."""
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
        """Its keys were claimed."""
        for write in self.keyed:
            if write.run_id in claims.held:
                self._add(write)
            elif write.run_id not in claims.refused:
                self.apart.append(write)

    def _add(self, write: RunWrite) -> None:
        self.together.setdefault(appends.statement_of(write), []).append(write)


def _has_more(write: RunWrite) -> bool:
    """Whether an append has more with it than keys."""
    return len(write.projections) > len(claims_of(write))


class _Refused(Exception):
    """An append was not written, and so nothing that goes with it."""


async def _with_projections(connection: Connection, write: RunWrite) -> None:
    """An append and what goes with it, in a savepoint.

    Raises:
        KeyTaken: See ``KeyClaim``.
        _Refused: The log is not as the writer of the events believes, or has this append already.
    """
    await claim_keys(connection, write)
    if not await appends.perform(connection, appends.statement_of(write), [write]):
        raise _Refused
    await project(connection, [write])
