"""Events with long texts: what others do between the pieces in which they are encoded."""

from collections.abc import Iterable
from typing import Any

from jikko.events import Event, NodeFinished, RunFinished, RunStarted
from jikko.long_texts import IS_LONG, LongTexts


def first_long(events: Iterable[Event]) -> tuple[int, LongTexts] | None:
    """The first event that takes long to encode, by its position, and its texts. One is looked into if an input or an
    output of it is a long text."""
    for position, event in enumerate(events):
        kind = type(event)
        values: Any
        # No calls: this is done for each node of all runs.
        if kind is NodeFinished:
            values = event.outputs, event.inputs  # type: ignore[union-attr]
        elif kind is RunStarted:
            values = (event.inputs,)  # type: ignore[union-attr]
        elif kind is RunFinished:
            values = (event.outputs,)  # type: ignore[union-attr]
        else:
            continue
        for named in values:
            for name in named:
                value = named[name]
                if type(value) is str and value[IS_LONG]:
                    texts = LongTexts(event)
                    if texts.are_many:
                        return position, texts
    return None
