"""Names of messages on the wire, which servers of other versions know."""

import msgspec
import pytest

from jikko.ports.cluster import EventsAppended, ReleaseRun


@pytest.mark.parametrize(
    ("message", "name"),
    [(ReleaseRun(run_id="r", epoch=1), "LetGo"), (EventsAppended(msgspec.Raw(b"[]")), "Grown")],
)
def test_a_message_keeps_the_name_that_it_had_before_its_class_was_renamed(message: object, name: str) -> None:
    assert msgspec.json.decode(msgspec.json.encode(message))["type"] == name
