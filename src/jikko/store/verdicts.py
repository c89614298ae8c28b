"""What a run that has ended cost, at which node it failed and what it bore, as it is stored."""

from typing import Final, NamedTuple

import msgspec

from jikko.event_parts import Exceptions, FailedNode
from jikko.record import RunRecord
from jikko.values import encode_json

_FAILED_NODE: Final = msgspec.json.Decoder(FailedNode)
_EXCEPTIONS: Final = msgspec.json.Decoder(Exceptions)


class Verdict(NamedTuple):
    """The fields of a record that the columns stand for."""

    price: str
    currency: str
    failed_node: FailedNode | None
    exceptions: Exceptions | None


def verdict(record: RunRecord) -> tuple[str | None, str | None, str | None]:
    """The columns ``price, failed_node, exceptions``. Most runs have nothing to tell there."""
    failed, exceptions = record.failed_node, record.exceptions
    return (
        f"{record.price} {record.currency}" if record.price else None,
        None if failed is None else encode_json(failed).decode(),
        None if exceptions is None else encode_json(exceptions).decode(),
    )


def verdict_of(price: str | None, failed_node: str | None, exceptions: str | None) -> Verdict:
    """What these columns stand for."""
    amount, _, currency = (price or "").partition(" ")
    return Verdict(
        amount,
        currency,
        None if failed_node is None else _FAILED_NODE.decode(failed_node),
        None if exceptions is None else _EXCEPTIONS.decode(exceptions),
    )
