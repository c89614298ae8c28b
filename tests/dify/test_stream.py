"""A run's events as the stream of a client."""

import json
from typing import Any

import pytest

from jikko.dify.stream import StreamEncoder
from jikko.errors import StoreUnavailable
from jikko.events import Event, NodeFinished, RunFinished, RunStarted, TextChunk, Turn
from jikko.record import RunIdentity, RunRecord, folded
from tests.effort import longest_turn

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


def run_with(turn: Turn | None, *texts: str) -> tuple[RunRecord, list[Event]]:
    """A run whose last node got texts, and handed them on."""
    values = {f"text {number}": text for number, text in enumerate(texts)}
    node: Any = {
        "execution_id": "x",
        "node_id": "n",
        "node_type": "code",
        "index": 1,
        "started_at": 10.0,
        "elapsed": 1.0,
    }
    log: list[Event] = [
        RunStarted(at=10.0, inputs={}, system={}, turn=turn),
        NodeFinished(at=11.0, status="succeeded", inputs=values, outputs={**values, "more": ["界"]}, **node),
        RunFinished(at=12.0, status="succeeded", outputs={**values, "\ud800": "\u2028"}, elapsed=2.0),
    ]
    return folded(IDENTITY, log), log


async def frames(record: RunRecord, log: list[Event]) -> list[bytes]:
    return [frame async for frame in StreamEncoder(record).long_frames(log)]


@pytest.mark.anyio
@pytest.mark.parametrize("turn", [None, Turn("c", "m")])
async def test_frames_with_long_texts_are_those_that_are_made_at_once(turn: Turn | None) -> None:
    record, log = run_with(turn, 'say "界"\u2028\n' * 200_000, "\x85\ud800" * 500_000)

    assert b"".join(await frames(record, log)) == StreamEncoder(record).frames(log)


@pytest.mark.anyio
@pytest.mark.serial
async def test_others_have_the_event_loop_between_pieces_of_long_texts() -> None:
    record, log = run_with(None, *(f"{number}" + "\n" * 3_000_000 for number in range(3)))

    longest, whole = min([await longest_turn(frames(record, log)) for _ in range(3)])

    assert longest < whole / 3


@pytest.mark.anyio
@pytest.mark.parametrize("mode", [None, "advanced-chat", "chat", "agent-chat", "completion"])
async def test_frames_of_pieces_of_text_are_those_that_are_made_one_by_one(mode: str | None) -> None:
    turn = None if mode is None else Turn("c", "m", mode=mode)
    texts = ["a", "\0", '"界"\u2028\x85', "\ud800", "", "\ue000🍣", "\n", "%b"]
    selectors = [("m", "text"), ("m", "text"), ("n", "\0"), ()]
    log: list[Event] = [RunStarted(at=10.0, inputs={}, system={}, turn=turn)]
    log += [TextChunk(at=11.0, text=text, selector=selector) for selector in selectors for text in texts]
    record = folded(IDENTITY, log)

    assert StreamEncoder(record).frames(log) == b"".join(await frames(record, log))
