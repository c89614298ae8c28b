"""A run's events as the stream of a client."""

import json
from typing import Any

import pytest

from jikko.dify.stream import StreamEncoder
from jikko.errors import StoreUnavailable
from jikko.events import RunStarted, Turn
from jikko.record import RunIdentity, folded

IDENTITY = RunIdentity(run_id="r", task_id="t", app_id="a", workflow_id="w", version="1", end_user_id="u", user="花子")


def broken(turn: Turn | None) -> dict[str, Any]:
    log = [RunStarted(at=10.0, inputs={}, system={}, turn=turn)]
    frame = StreamEncoder(folded(IDENTITY, log), log).broken(StoreUnavailable("The record cannot be read 🗓"))
    told: dict[str, Any] = json.loads(frame.removeprefix(b"data: "))
    return told


@pytest.mark.parametrize("mode", [None, "advanced-chat", "chat", "agent-chat", "completion"])
def test_a_stream_that_breaks_ends_with_an_error_of_each_kind_of_app(mode: str | None) -> None:
    told = broken(None if mode is None else Turn("c", "m", mode=mode))

    assert (told["event"], told["code"], told["status"]) == ("error", "service_unavailable", 503)
    assert told["message"] == "The record cannot be read 🗓"
