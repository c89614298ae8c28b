"""What comes with appends, but for their keys: each kind in one statement for all of a batch. Nothing of it is refused.

See ``ports/stores/projections.py``.
"""

from collections.abc import Sequence
from typing import Any, Final

from msgspec.structs import replace

from jikko.ports.stores.callback_store import receiver_of
from jikko.ports.stores.messages import MessageAnswer
from jikko.ports.stores.projections import (
    CallbackRequest,
    DeliveryReceived,
    KeyClaim,
    TurnBegan,
    TurnChanged,
    TurnRepeated,
    VariablesAssigned,
)
from jikko.repositories.callback_states import PENDING, RUN_GOES_ON
from jikko.store.postgres.columns import id_column, text
from jikko.store.postgres.database import Connection
from jikko.store.postgres.runs.run_rows import RunWrite
from jikko.store.postgres.runs.turn_writes import turns_began, turns_changed, turns_repeated

_ADD_CALLBACKS: Final = """
INSERT INTO callbacks (run_id, app_id, url, receiver, created_at, state, attempts, next_at)
SELECT *, 0, 0 FROM unnest($1::bytea[], $2::bytea[], $3::text[], $4::text[], $5::float8[], $6::int2[])
"""
_ADD_DELIVERIES: Final = """
INSERT INTO deliveries (delivery_id, app_id, trigger_id, received_at, verdict, reason, sender, method, size, run_id)
SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::float8[], $5::text[], $6::text[], $7::text[],
  $8::text[], $9::int8[], $10::bytea[]) ON CONFLICT DO NOTHING
"""


class _Changes:
    """What comes with some appends, by kind. Kinds are written in the order in which one run may have them."""

    def __init__(self) -> None:
        self.callbacks: list[tuple[Any, ...]] = []
        self.deliveries: list[tuple[Any, ...]] = []
        self.began: list[TurnBegan] = []
        self.repeated: list[tuple[bytes, TurnRepeated]] = []
        self.answers: dict[bytes, MessageAnswer] = {}
        self.assigned: list[tuple[bytes, VariablesAssigned]] = []

    def add(self, write: RunWrite) -> None:
        """Those of one append, which is of another run than all others."""
        begins = False
        for projection in write.projections:
            match projection:
                case KeyClaim():
                    pass
                case CallbackRequest(url=url):
                    state = RUN_GOES_ON if write.is_open else PENDING
                    receiver = text(receiver_of(url))
                    self.callbacks.append((write.run_id, write.app_id, text(url), receiver, write.created_at, state))
                case DeliveryReceived(delivery=given):
                    ids = id_column(given.id), write.app_id, id_column(given.trigger_id)
                    texts = map(text, (given.verdict, given.reason, given.sender_id, given.method))
                    self.deliveries.append((*ids, given.received_at, *texts, given.size, write.run_id))
                case TurnBegan():
                    self.began.append(projection)
                    begins = True
                case TurnRepeated():
                    self.repeated.append((write.run_id, projection))
                case TurnChanged(answer=answer) if begins:
                    # The answer of a turn that is over at once is written with it.
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
    """Write what comes with appends, behind them; but for their keys. No two are of one run."""
    changes = _Changes()
    for write in writes:
        changes.add(write)
    await changes.write(connection)
