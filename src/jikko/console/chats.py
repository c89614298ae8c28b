"""The variables of a conversation, as they were before and after one of its messages."""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from jikko.events import Event, NodeFinished, RunStarted
from jikko.values import Json

_GROUP: Final = "conversation"


class VariableThen(Struct, frozen=True):
    """A variable at one message."""

    name: str
    before: Json
    after: Json
    changed_by: str
    """The title of the node that gave it its value; ``""`` for none."""


def variables_at(log: Iterable[Event]) -> list[VariableThen]:
    """What became of the variables of a conversation in the run that answered a message."""
    before: dict[str, Json] = {}
    after: dict[str, Json] = {}
    by: dict[str, str] = {}
    for event in log:
        if isinstance(event, RunStarted) and event.turn is not None:
            before = dict(event.turn.variables)
            after = dict(before)
        elif isinstance(event, NodeFinished):
            for update in event.updates:
                if len(update.selector) == 2 and update.selector[0] == _GROUP:
                    after[update.selector[1]] = update.value
                    by[update.selector[1]] = event.title or event.node_id
    return [VariableThen(name, before.get(name), value, by.get(name, "")) for name, value in after.items()]
