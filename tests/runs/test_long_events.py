"""Incremental encoding of long texts in a run's events."""

from typing import Any

import pytest

from jikko.events import (
    Event,
    NodeFinished,
    ReasoningChunk,
    RoundStarted,
    RunFinished,
    RunStarted,
    StepRecorded,
    TextChunk,
    TextReplaced,
)
from jikko.long_texts import LONG_TEXT, first_long

LONG = "行\n" * 300_000
OF_A_NODE: dict[str, Any] = {"execution_id": "e", "node_id": "n", "node_type": "code", "index": 1}
SHORT = TextChunk(at=1.0, text="あ", selector=("n", "text"))


def finished(**values: Any) -> NodeFinished:
    return NodeFinished(at=2.0, started_at=1.0, elapsed=1.0, status="succeeded", **OF_A_NODE, **values)


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(RunStarted(at=1.0, inputs={"x": [LONG] * 2}, system={}), id="lists of inputs"),
        pytest.param(finished(outputs={"n": 1, "x": LONG, "y": LONG}), id="outputs"),
        pytest.param(finished(inputs={"x": {"a": [1, {"b": LONG}]}, "y": LONG}), id="objects of inputs"),
        pytest.param(finished(process_data={"prompts": [{"text": LONG}, {"text": LONG}]}), id="prompts"),
        pytest.param(RoundStarted(at=1.0, round=1, variables={"item": LONG * 2}, **OF_A_NODE), id="an item of a round"),
        pytest.param(StepRecorded(at=1.0, execution_id="e", kind="tool", request="", answer=[LONG] * 2), id="a tool"),
        pytest.param(TextChunk(at=1.0, text=LONG * 2, selector=("n", "text")), id="a piece of text"),
        pytest.param(ReasoningChunk(at=1.0, node_id="", text="", said=LONG * 2), id="what a model says aside"),
        pytest.param(TextReplaced(at=1.0, text=LONG * 2), id="another text"),
        pytest.param(RunFinished(at=2.0, status="succeeded", outputs={"x": [LONG] * 2}, elapsed=1.0), id="the end"),
    ],
)
def test_an_event_with_long_texts_is_found_wherever_it_tells_them(event: Event) -> None:
    found = first_long([SHORT, event, event])

    assert found is not None
    assert found[0] == 1
    assert found[1].value is event


def test_texts_that_take_no_time_are_not_looked_for() -> None:
    texts = {f"{number}": "x" * LONG_TEXT for number in range(100)}

    assert first_long([SHORT, finished(outputs=texts), finished(outputs={"x": "y" * (LONG_TEXT + 1)})]) is None
