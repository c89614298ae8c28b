"""Events with long texts: what others do between the pieces in which they are encoded."""

from collections.abc import Sequence
from typing import Final

from jikko.events import (
    AgentLogged,
    ContainerStarted,
    Event,
    NodeAttempted,
    NodeFinished,
    NodeText,
    RoundFinished,
    RoundStarted,
    RunFinished,
    RunStarted,
    StepRecorded,
    TextChunk,
    TextReplaced,
)
from jikko.long_texts import LongTexts, has_long_text
from jikko.values import Json

_RARE: Final[dict[type[Event], tuple[str, ...]]] = {
    AgentLogged: ("data",),
    ContainerStarted: ("inputs", "variables"),
    NodeAttempted: ("inputs", "outputs"),
    StepRecorded: ("answer",),
}


def first_long(events: Sequence[Event]) -> tuple[int, LongTexts] | None:
    """The first event that takes long to encode, by its position, and its texts."""
    # One call for all of them, and none for most: this is done for each node of all runs.
    told: list[Json] = []
    for event in events:
        kind = type(event)
        if kind is TextChunk or kind is TextReplaced or kind is NodeText:
            told += [event.text]  # type: ignore[union-attr]
        elif kind is NodeFinished:
            told += [event.outputs, event.inputs, event.process_data]  # type: ignore[union-attr]
        elif kind is RoundFinished or kind is RunFinished:
            told += [event.outputs]  # type: ignore[union-attr]
        elif kind is RoundStarted:
            told += [event.variables]  # type: ignore[union-attr]
        elif kind is RunStarted:
            told += [event.inputs]  # type: ignore[union-attr]
        elif kind in _RARE:
            told += [getattr(event, name) for name in _RARE[kind]]
    if told and has_long_text(told):
        for position, event in enumerate(events):
            texts = LongTexts(event)
            if texts.are_many:
                return position, texts
    return None
