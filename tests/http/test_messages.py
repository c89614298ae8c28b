"""Stability of responses, field by field."""

from typing import Any, get_args

import pytest

from jikko.events import Event
from jikko.store.event_codec import decode_events, encode_events
from tests.filled import filled
from tests.http.messages import KEPT, kept


def test_messages_and_bodies_are_those_that_clients_know() -> None:
    known, now = KEPT.read_text("utf-8").splitlines(), kept().splitlines()

    assert now == known, "If clients may see the change: python -m tests.http.messages; and say so in the changelog."


@pytest.mark.parametrize("kind", get_args(Event))
def test_an_event_comes_back_with_all_its_fields(kind: Any) -> None:
    event = filled(kind)

    assert decode_events(encode_events([event, event])) == [event, event]
