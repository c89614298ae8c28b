"""What comes with an append, in its savepoint, but for its keys. See ``ports/stores/projections.py``."""

from typing import Final

from jikko.ports.stores.callback_store import receiver_of
from jikko.ports.stores.projections import (
    CallbackRequest,
    KeyClaim,
    TurnBegan,
    TurnChanged,
    TurnRepeated,
    VariablesAssigned,
)
from jikko.store.callback_states import PENDING, RUN_GOES_ON
from jikko.store.postgres.columns import text
from jikko.store.postgres.conversations.turn_writes import add_turn, turn_changed, turn_repeated, variables_assigned
from jikko.store.postgres.database import Connection
from jikko.store.postgres.runs.run_rows import RunWrite

_ADD_CALLBACK: Final = """
INSERT INTO callbacks (run_id, app_id, url, receiver, created_at, state, attempts, next_at)
VALUES ($1, $2, $3, $4, $5, $6, 0, 0)
"""


async def project(connection: Connection, write: RunWrite) -> None:
    """Write what comes with an append, behind it; but for its keys."""
    for projection in write.projections:
        match projection:
            case KeyClaim():
                pass
            case CallbackRequest(url=url):
                state = RUN_GOES_ON if write.is_open else PENDING
                values = (write.run_id, write.app_id, text(url), text(receiver_of(url)), write.created_at, state)
                await connection.execute(_ADD_CALLBACK, *values)
            case TurnBegan():
                await add_turn(connection, projection.message, projection.new, projection.variables)
            case TurnRepeated():
                await turn_repeated(connection, write.run_id, projection)
            case TurnChanged():
                await turn_changed(connection, write.run_id, projection)
            case VariablesAssigned():
                await variables_assigned(connection, write.run_id, projection)
