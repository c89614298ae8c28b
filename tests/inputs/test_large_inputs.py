"""The inputs of a run that are large are made the text of its record piece by piece, and once."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from jikko.concurrency.scheduler import SLICE, Scheduler, TimeSlice
from jikko.events import RunStarted
from jikko.inputs import run_inputs
from jikko.inputs.run_inputs import has_large_inputs, inputs_in_slices
from jikko.record import stored_inputs
from tests.runs.world import World, end_of

pytestmark = pytest.mark.anyio

LARGE = {"x": '界😀\ud800"\\\n' * 100_000, "n": 1.5, "list": ["é", {"k": None}], "": "", "sys.user": "y" * 70_000}
MANY = {
    "numbers": {"x": [-1.5e-7, 2, None, True] * 60_000},
    "names": {"entries": {f"{number}é": {"a": [number]} for number in range(30_000)}, "last": {}},
    "text": [{"in it": ['界"' * 100_000]}],
}


def made(inputs: dict[str, Any]) -> RunStarted:
    return RunStarted(at=1.0, inputs=inputs, system={"user": "u", "files": []})


class Written:
    """What is made of texts between two turns of the event loop, in characters."""

    def __init__(self, dumps: Callable[..., str]) -> None:
        self.most = self.all = self._in_turn = 0
        self._dumps = dumps

    def __call__(self, value: Any, **how: Any) -> str:
        text = self._dumps(value, **how)
        self.all += len(text)
        self._in_turn += len(text)
        self.most = max(self.most, self._in_turn)
        asyncio.get_running_loop().call_soon(self._next_turn)
        return text

    def _next_turn(self) -> None:
        self._in_turn = 0


@pytest.mark.parametrize("inputs", [LARGE, MANY], ids=["a text", "elements"])
async def test_they_are_the_same_text(monkeypatch: pytest.MonkeyPatch, inputs: dict[str, Any]) -> None:
    readings = iter(range(1_000_000))
    share = Scheduler(lambda: next(readings) * SLICE / 2)
    written = Written(json.dumps)
    expected = stored_inputs(made(inputs))
    monkeypatch.setattr(json, "dumps", written)

    found = await inputs_in_slices(made(inputs), TimeSlice(share, "app"))

    assert found == expected
    # Two looks fit into a slice; a character makes six at most, but for those of which few are in there.
    assert 0 < written.most <= 4 * 6 * run_inputs.CHUNK_CHARACTERS < len(expected)


async def test_a_run_with_large_inputs_makes_their_text_once(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    app = await world.chain()
    written = Written(json.dumps)
    monkeypatch.setattr(json, "dumps", written)

    run = await world.process().start(app, q="界" * 1_000_000)
    await end_of(run)

    stored = await world.store.record(run.record.identity.run_id)
    assert stored is not None
    assert json.loads(stored.inputs)["q"] == "界" * 1_000_000
    assert 6_000_000 <= written.all < 7_000_000
    await world.close()


@pytest.mark.parametrize(
    ("inputs", "is_large"),
    [
        ({}, False),
        ({"x": "a" * 1000, "l": [[1] * 99] * 9}, False),
        (LARGE, True),
        *(({name: value}, True) for name, value in MANY.items()),
    ],
)
def test_small_ones_are_made_with_the_first_event(inputs: dict[str, Any], is_large: bool) -> None:
    assert has_large_inputs(made(inputs)) is is_large


def test_a_question_is_large_as_an_input_is() -> None:
    assert has_large_inputs(RunStarted(at=1.0, inputs={}, system={"query": "x" * 200_000, "files": []}))
    assert not has_large_inputs(RunStarted(at=1.0, inputs={}, system={"query": "x" * 1000, "files": []}))
