"""Events with long texts: what others do between the pieces in which they are encoded."""

from collections.abc import Iterable
from typing import Final

from jikko.events import (
    AgentLogged,
    ContainerStarted,
    Event,
    NodeAttempted,
    NodeFinished,
    RoundFinished,
    RoundStarted,
    RunFinished,
    RunStarted,
    StepRecorded,
    TextChunk,
    TextReplaced,
)
from jikko.long_texts import LongTexts, has_long_text

_TELLS: Final[dict[type[Event], tuple[str, ...]]] = {
    AgentLogged: ("data",),
    ContainerStarted: ("inputs", "variables"),
    NodeAttempted: ("inputs", "outputs"),
    NodeFinished: ("outputs", "inputs", "process_data"),
    RoundFinished: ("outputs",),
    RoundStarted: ("variables",),
    RunFinished: ("outputs",),
    RunStarted: ("inputs",),
    StepRecorded: ("answer",),
    TextChunk: ("text",),
    TextReplaced: ("text",),
}
"""Where values of a run are told. If none of these is long, the others are not."""


def first_long(events: Iterable[Event]) -> tuple[int, LongTexts] | None:
    """The first event that takes long to encode, by its position, and its texts."""
    for position, event in enumerate(events):
        for name in _TELLS.get(type(event), ()):
            value = getattr(event, name)
            if value and has_long_text(value):
                texts = LongTexts(event)
                if texts.are_many:
                    return position, texts
                break
    return None
