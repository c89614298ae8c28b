"""The columns of a run that every append writes: the same in all databases."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from jikko.event_parts import Exceptions, FailedNode
from jikko.events import RunStatus
from jikko.ports.stores.run_store import Append
from jikko.record import RunIdentity, RunRecord
from jikko.values import encode_json

STATUSES: Final[tuple[RunStatus, ...]] = ("running", "paused", "succeeded", "failed", "stopped", "partial-succeeded")
"""What the numbers in ``runs.status`` mean."""
STATUS_NUMBERS: Final = {status: number for number, status in enumerate(STATUSES)}

COUNTS: Final = ("total_tokens", "total_steps", "exceptions_count")
VERDICT: Final = ("price", "failed_node", "exceptions")
"""See ``verdict``."""
TEXTS: Final = ("error", *VERDICT)
MOVING: Final = (
    *("status", "epoch", "log_end", "outputs", "error", "elapsed"),
    *COUNTS,
    *("finished_at", "wake_at"),
    *VERDICT,
)
"""Behind them each database has the holder, and the mark of the append."""
EPOCH_AND_END: Final = slice(1, 3)
PRICE: Final = MOVING.index("price")
_AS_THEY_ARE: Final = {
    number: name for number, name in enumerate(MOVING) if name not in ("status", "log_end", *VERDICT)
}
_FAILED_NODE: Final = msgspec.json.Decoder(FailedNode)
_EXCEPTIONS: Final = msgspec.json.Decoder(Exceptions)


def moving(batch: Append, text: Callable[[str], str]) -> tuple[Any, ...]:
    """The columns ``MOVING`` after an append. ``text``: makes a text one that the database takes."""
    record = batch.record
    return (
        STATUS_NUMBERS[record.status],
        record.epoch,
        batch.at + len(batch.events),
        record.outputs,
        None if record.error is None else text(record.error),
        record.elapsed,
        record.total_tokens,
        record.total_steps,
        record.exceptions_count,
        record.finished_at,
        record.wake_at,
        *(column and text(column) for column in verdict(record)),
    )


def record_of(
    identity: RunIdentity, created_at: float, inputs: str, moved: Sequence[Any], holder: str, format: int = 1
) -> RunRecord:
    """The record of a run. ``moved``: the columns ``MOVING``."""
    return RunRecord(
        identity=identity,
        created_at=created_at,
        inputs=inputs,
        status=STATUSES[moved[0]],
        holder=holder,
        format=format,
        **{name: moved[number] for number, name in _AS_THEY_ARE.items()},
        **verdict_of(*moved[PRICE:]),
    )


def verdict(record: RunRecord) -> tuple[str | None, str | None, str | None]:
    """The columns ``price, failed_node, exceptions`` of a run that has ended. Most runs have nothing to tell there."""
    failed, exceptions = record.failed_node, record.exceptions
    return (
        f"{record.price} {record.currency}" if record.price else None,
        None if failed is None else encode_json(failed).decode(),
        None if exceptions is None else encode_json(exceptions).decode(),
    )


def verdict_of(price: str | None, failed_node: str | None, exceptions: str | None) -> dict[str, Any]:
    """The fields of a record that these columns stand for."""
    amount, _, currency = (price or "").partition(" ")
    return {
        "price": amount,
        "currency": currency,
        "failed_node": None if failed_node is None else _FAILED_NODE.decode(failed_node),
        "exceptions": None if exceptions is None else _EXCEPTIONS.decode(exceptions),
    }
