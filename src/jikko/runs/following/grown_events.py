"""New events of a run, as its holder tells them to a process that follows it there: they need not be read again."""

from collections.abc import Sequence
from typing import Final

import msgspec

from jikko.events import Event
from jikko.ports.cluster import Answer, Grown

_MAX_BYTES: Final = 256 << 10
"""Of events in an answer. More are read from the store, which does it in parts."""
_MAX_EVENTS: Final = 1000
_ENCODE: Final = msgspec.json.Encoder().encode
_DECODER: Final = msgspec.json.Decoder(list[Event])


def grown(events: Sequence[Event], since: float = 0.0) -> Answer:
    """The answer to ``WaitForEvents``: the events, or ``True`` if they are to be read from the store.

    Args:
        since: When the first of them became durable; 0: not known.
    """
    if not events or len(events) > _MAX_EVENTS:
        return True
    try:
        encoded = _ENCODE(events)
    except UnicodeEncodeError:
        # A lone half of a character, of which the store makes something that can be read.
        return True
    return Grown(msgspec.Raw(encoded), since) if len(encoded) <= _MAX_BYTES else True


def events_of(answer: Answer) -> list[Event]:
    """The events of an answer; none if they are to be read from the store, or its sender is of another version."""
    if not isinstance(answer, Grown):
        return []
    try:
        return _DECODER.decode(answer.events)
    except msgspec.DecodeError:
        return []
