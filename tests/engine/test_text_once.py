"""Text streamed once though its node runs repeatedly; and replaced text."""

import asyncio
from typing import Any

import pytest

from jikko.dsl.document import NodeEntry
from jikko.events import TextChunk, TextReplaced, Turn
from jikko.graph.compiled import CompiledGraph
from tests.engine.graphs import Log, edges, graph, node, resume, run

pytestmark = pytest.mark.anyio

TURN = Turn("conversation", "message")
SAYS = ["東", "", "京 🗼", "\ue000", "x" * 1000, "!"]
WHOLE = "始: " + "".join(SAYS) + " と 後."


def talks(says: list[str], value: str | None = None, **data: Any) -> NodeEntry:
    return node("talks", says=says, value="".join(says) if value is None else value, **data)


def answering(middle: NodeEntry) -> CompiledGraph:
    """Nodes of which one says something between texts of an answer, and one behind it gives a value."""
    answer = node("answer", "answer", answer="始: {{#talks.value#}} と {{#after.value#}}")
    return graph(
        [middle, node("after", value="後."), answer], edges("start --> talks", "talks --> after", "after --> answer")
    )


def replaced(log: Log) -> list[str]:
    return [event.text for event in log.events if isinstance(event, TextReplaced)]


async def test_wherever_a_crash_comes_an_answer_that_is_said_again_is_shown_once() -> None:
    compiled = answering(talks(SAYS))
    whole = await run(compiled, turn=TURN)
    assert whole.text == WHOLE

    assert len(whole.borders) > 8
    for border in whole.borders[:-1]:
        log = await resume(compiled, whole.events[:border])
        assert log.text == WHOLE
        assert replaced(log) == []
        assert log.end.outputs == whole.end.outputs


async def test_and_so_it_is_after_two_crashes() -> None:
    compiled = answering(talks(SAYS))
    whole = await run(compiled, turn=TURN)

    for border in whole.borders[:-1]:
        first = await resume(compiled, whole.events[:border])
        for later in first.borders[:-1]:
            log = await resume(compiled, first.events[:later])
            assert log.text == WHOLE
            assert replaced(log) == []


@pytest.mark.parametrize(
    "again",
    [["東", "西"], ["北京"], ["東京 🗼\ue000"], ["東"], [""], ["東", "京 🗼", "タワーは高い"]],
    ids=["differs later", "differs at once", "in one piece", "shorter", "empty", "longer"],
)
async def test_what_an_interrupted_node_says_otherwise_takes_the_place_of_what_it_said(again: list[str]) -> None:
    compiled = answering(talks(SAYS))
    whole = await run(compiled, turn=TURN)

    other = answering(talks(again))
    for border in whole.borders[:-1]:
        prefix = whole.events[:border]
        finished = any(getattr(event, "node_id", "") == "talks" and hasattr(event, "elapsed") for event in prefix)
        log = await resume(other, prefix)
        assert log.text == (WHOLE if finished else f"始: {''.join(again)} と 後.")


async def test_so_does_what_a_node_says_at_another_attempt_in_a_turn() -> None:
    retry = {"retry_enabled": True, "max_retries": 2}
    compiled = answering(talks(SAYS, fails=2, retry_config=retry))

    log = await run(compiled, turn=TURN)

    assert log.end.status == "partial-succeeded"
    assert log.text == WHOLE
    assert replaced(log) == []


async def test_the_answers_of_a_turn_are_its_outputs_one_behind_the_other() -> None:
    nodes = [node("one", "answer", answer="一 "), node("two", "answer", answer="二")]
    log = await run(graph(nodes, edges("start --> one", "one --> two")), turn=TURN)

    assert log.end.outputs == {"answer": "一 二", "files": []}


class Guard:
    """Looks at text, and replaces what holds a word."""

    def __init__(self, word: str, every: int = 4, fails: bool = False) -> None:
        self.word = word
        self.every = every
        self.fails = fails
        self.seen: list[str] = []

    async def look(self, text: str, *, final: bool) -> str | None:
        self.seen.append(text)
        await asyncio.sleep(0)
        if self.fails:
            raise ValueError("the guard broke")
        return "禁止 🚫" if self.word in text else None


async def test_text_may_be_replaced_and_nothing_is_shown_behind_that() -> None:
    slow = node("slow", pauses=20, value="more")
    first = node("first", "answer", answer="a bad word")
    last = node("last", "answer", answer=" and {{#slow.value#}}")
    compiled = graph([first, slow, last], edges("start --> first", "first --> slow", "slow --> last"))

    log = await run(compiled, turn=TURN, guard=Guard("bad"))

    assert log.text == "禁止 🚫"
    place = next(at for at, event in enumerate(log.events) if isinstance(event, TextReplaced))
    assert not any(isinstance(event, TextChunk) for event in log.events[place:])
    assert log.end.status == "succeeded"


async def test_the_end_waits_until_all_the_text_was_looked_at() -> None:
    guard = Guard("!", every=1_000_000)
    log = await run(answering(talks(SAYS)), turn=TURN, guard=guard)

    assert guard.seen == [WHOLE]
    assert replaced(log) == ["禁止 🚫"]
    assert log.text == "禁止 🚫"


async def test_text_that_may_stay_is_looked_at_and_stays() -> None:
    guard = Guard("never")
    log = await run(answering(talks(SAYS)), turn=TURN, guard=guard)

    assert guard.seen[-1] == WHOLE
    assert (log.text, replaced(log)) == (WHOLE, [])


async def test_a_guard_that_breaks_replaces_nothing(caplog: pytest.LogCaptureFixture) -> None:
    log = await run(answering(talks(SAYS)), turn=TURN, guard=Guard("", fails=True))

    assert (log.text, log.end.status) == (WHOLE, "succeeded")
    assert "could not be looked at" in caplog.text


async def test_what_was_replaced_stays_so_after_a_crash() -> None:
    slow = node("slow", pauses=20, value="more")
    first = node("first", "answer", answer="a bad word")
    last = node("last", "answer", answer=" and {{#slow.value#}}")
    compiled = graph([first, slow, last], edges("start --> first", "first --> slow", "slow --> last"))
    whole = await run(compiled, turn=TURN, guard=Guard("bad"))

    for border in whole.borders[:-1]:
        if any(isinstance(event, TextReplaced) for event in whole.events[:border]):
            assert (await resume(compiled, whole.events[:border])).text == "禁止 🚫"
