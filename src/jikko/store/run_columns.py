"""Columns that every append of a run writes, the same in all databases."""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, Final

import msgspec

from jikko.events import RunStatus
from jikko.ports.stores.run_store import Append
from jikko.record import COUNTS, PARTS, RunIdentity, RunRecord
from jikko.values import encode_json

STATUSES: Final[tuple[RunStatus, ...]] = ("running", "paused", "succeeded", "failed", "stopped", "partial-succeeded")
"""Meaning of the numbers in ``runs.status``."""
STATUS_NUMBERS: Final = {status: number for number, status in enumerate(STATUSES)}

VERDICT: Final = ("price", *PARTS)
"""See ``verdict``."""
TEXTS: Final = ("error", *VERDICT)
MOVING: Final = (
    *("status", "epoch", "log_end", "outputs", "error", "elapsed"),
    *COUNTS,
    *("finished_at", "wake_at"),
    *VERDICT,
)
"""Each database adds the holder and the append's mark."""
EPOCH_AND_END: Final = slice(1, 3)
PRICE: Final = MOVING.index("price")
_AS_THEY_ARE: Final = {
    number: name for number, name in enumerate(MOVING) if name not in ("status", "log_end", *VERDICT)
}
_counts: Final = attrgetter(*COUNTS)
_parts: Final = attrgetter(*PARTS)
_NO_PARTS: Final = (None,) * len(PARTS)
_NO_VERDICT: Final = (None, *_NO_PARTS)
_DECODERS: Final = {name: msgspec.json.Decoder(part) for name, part in PARTS.items()}


def moving(batch: Append, text: Callable[[str], str]) -> tuple[Any, ...]:
    """Return the columns ``MOVING`` after an append. ``text``: Makes a text storable."""
    record = batch.record
    ended = verdict(record)
    return (
        STATUS_NUMBERS[record.status],
        record.epoch,
        batch.at + len(batch.events),
        record.outputs,
        None if record.error is None else text(record.error),
        record.elapsed,
        *_counts(record),
        record.finished_at,
        record.wake_at,
        *(ended if ended == _NO_VERDICT else [column and text(column) for column in ended]),
    )


def record_of(
    identity: RunIdentity, created_at: float, inputs: str, moved: Sequence[Any], holder: str, format: int = 1
) -> RunRecord:
    """Return the record of a run. ``moved``: The columns ``MOVING``."""
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


def verdict(record: RunRecord) -> tuple[str | None, ...]:
    """Return the columns ``VERDICT`` of an ended run, mostly empty."""
    parts = _parts(record)
    if parts != _NO_PARTS:
        parts = tuple(None if part is None else encode_json(part).decode() for part in parts)
    return (f"{record.price} {record.currency}" if record.price else None, *parts)


def verdict_of(price: str | None, *parts: str | None) -> dict[str, Any]:
    """Return the record fields of these columns."""
    amount, _, currency = (price or "").partition(" ")
    return {
        "price": amount,
        "currency": currency,
        **{
            name: None if part is None else decoder.decode(part)
            for (name, decoder), part in zip(_DECODERS.items(), parts, strict=True)
        },
    }
