"""Streamed text amid branches, failures and crashes.

See docs/dify-behaviour.md, “Order of streamed text”.
"""

import pytest

from jikko.dsl.document import NodeEntry
from jikko.events import NodeStarted, ReasoningChunk, TextChunk
from tests.engine.graphs import Log, edges, graph, iterating, node, resume, run

pytestmark = pytest.mark.anyio


def end(*sources: str, node_id: str = "end") -> NodeEntry:
    return node(node_id, "end", outputs=[{"variable": name, "value_selector": [name, "value"]} for name in sources])


def before(log: Log, node_id: str) -> str:
    """What had been shown when a node started."""
    place = next(i for i, event in enumerate(log.events) if isinstance(event, NodeStarted) and event.node_id == node_id)
    return "".join(event.text for event in log.events[:place] if isinstance(event, TextChunk))


async def test_a_branch_that_is_not_taken_does_not_hold_up_the_text_behind_it() -> None:
    log = await run(
        graph(
            [
                node("if", "question-classifier", handle="yes"),
                node("taken", value="東京 🗼"),
                node("not", value="never"),
                node("last", pauses=3),
                end("not", "taken"),
            ],
            edges(
                "start --> if", "if --yes--> taken", "if --no--> not", "taken --> last", "not --> last", "last --> end"
            ),
        )
    )

    assert (before(log, "end"), log.text) == ("\n東京 🗼", "\n東京 🗼")


async def test_nodes_behind_one_another_in_such_a_branch_do_not_either() -> None:
    chain = [node(f"n{number}") for number in range(5)]
    log = await run(
        graph(
            [node("if", "question-classifier", handle="yes"), *chain, node("last", value="z"), end("n4", "last")],
            edges(
                "start --> if",
                "if --yes--> last",
                "if --no--> n0",
                *(f"n{number} --> n{number + 1}" for number in range(4)),
                "n4 --> last",
                "last --> end",
            ),
        )
    )

    assert log.end.status == "succeeded"
    assert (before(log, "end"), log.text) == ("\nz", "\nz")


async def test_a_node_that_is_tried_again_shows_its_new_text_from_the_start() -> None:
    retry = {"retry_enabled": True, "max_retries": 2}
    says = ["a", "b\ue000", "🙂"]
    log = await run(
        graph(
            [node("talks", "code", says=says, value="ab\ue000🙂", fails=2, retry_config=retry), end("talks")],
            edges("start --> talks", "talks --> end"),
        )
    )

    assert (log.end.status, log.text) == ("partial-succeeded", "ab\ue000🙂" * 3)


async def test_text_that_is_not_yet_its_turn_is_that_of_the_last_attempt() -> None:
    retry = {"retry_enabled": True, "max_retries": 1}
    log = await run(
        graph(
            [
                node("slow", pauses=20, value="first "),
                node("talks", says=["second"], value="second", fails=1, retry_config=retry),
                end("slow", "talks"),
            ],
            edges("start --> slow", "start --> talks", "slow --> end", "talks --> end"),
        )
    )

    assert log.text == "first \nsecond"


async def test_text_of_a_node_that_failed_for_good_is_followed_by_that_of_others() -> None:
    log = await run(
        graph(
            [
                node("talks", says=["half"], fails=-1, error_strategy="fail-branch"),
                node("other", value="whole"),
                end("talks", "other"),
            ],
            edges("start --> talks", "talks --fail-branch--> other", "talks --> end", "other --> end"),
        )
    )

    assert log.end.status == "partial-succeeded"
    assert log.text == "half\nwhole"


async def test_wherever_a_crash_comes_every_result_is_shown_once() -> None:
    compiled = graph(
        [node("a", value="東"), node("b", value="京"), node("c", value="!"), end("a", "b", "c")],
        edges("start --> a", "a --> b", "b --> c", "c --> end"),
    )
    whole = await run(compiled)
    assert whole.text == "東\n京\n!"

    assert len(whole.borders) > 3
    for border in whole.borders[:-1]:  # what is written together is there together
        assert (await resume(compiled, whole.events[:border])).text == whole.text


async def test_a_text_that_waits_for_what_never_comes_does_not_hold_up_the_next_one() -> None:
    first = node(
        "a-end",
        "end",
        outputs=[
            {"variable": "x", "value_selector": ["a", "value"]},
            {"variable": "y", "value_selector": ["a", "never"]},
            {"variable": "z", "value_selector": ["a", "value"]},
        ],
    )
    log = await run(
        graph(
            [node("a", value="一"), node("b", value="二", pauses=20), first, end("b", node_id="b-end")],
            edges("start --> a", "start --> b", "a --> a-end", "b --> b-end"),
        )
    )

    assert (log.end.status, log.text) == ("succeeded", "一\n二")


async def test_text_behind_a_node_of_another_branch_waits_for_it_beyond_the_end_of_its_own_node() -> None:
    """Also where the crash comes before, within or behind it."""
    compiled = graph(
        [
            node("slow", says=["東", "京 🗼"], value="東京 🗼", pauses=20),
            end("slow", "quick", node_id="a-end"),
            node("quick", value="z"),
            end("quick", node_id="b-end"),
        ],
        edges("start --> slow", "start --> a-end", "start --> quick", "quick --> b-end"),
    )
    log = await run(compiled)

    assert (log.end.outputs["slow"], log.text) == (None, "東京 🗼\nzz")
    for border in log.borders[:-1]:
        assert (await resume(compiled, log.events[:border])).text == log.text


async def test_text_does_not_wait_for_a_node_that_no_path_leads_to() -> None:
    """Neither where a node with a path is behind it."""
    log = await run(
        graph(
            [
                node("a", value="一"),
                node("lone", value="x"),
                node("join", value="x"),
                end("join", node_id="a-end"),
                end("a"),
            ],
            edges("start --> a", "lone --> join", "a --> join", "start --> a-end", "a --> end"),
        )
    )

    assert log.text == "一"


async def test_texts_that_begin_together_are_shown_in_the_order_of_the_ids_of_their_nodes() -> None:
    names = ["e", "b", "d", "a", "c"]
    ends = [end(name, node_id=f"{name}-end") for name in names]
    log = await run(
        graph(
            [*(node(name, value=name.upper(), pauses=place) for place, name in enumerate(names)), *ends],
            edges(*(f"start --> {name}" for name in names), *(f"{name} --> {name}-end" for name in names)),
        )
    )

    assert log.text == "ABCDE"


async def test_text_of_a_node_in_a_container_is_not_shown_as_it_comes() -> None:
    inside = [
        node("items", value=["x", "y"]),
        *iterating("each", ["inner", "value"]),
        node("inner", container="each", says=["東", "京"], value="東京"),
    ]
    outputs = [
        {"variable": "x", "value_selector": ["inner", "value"]},
        {"variable": "y", "value_selector": ["each", "output"]},
    ]
    log = await run(
        graph(
            [*inside, node("end", "end", outputs=outputs)],
            edges("start --> items", "items --> each", "each-start --> inner", "each --> end"),
        )
    )

    assert log.end.outputs == {"x": None, "y": ["東京", "東京"]}
    assert [event.selector for event in log.events if isinstance(event, TextChunk) and event.text in "東京"] == []


@pytest.mark.parametrize("order", [("one", "two"), ("two", "one"), ("one", "two", "one")])
async def test_texts_that_are_streamed_at_the_same_time_are_shown_whole_one_behind_the_other(
    order: tuple[str, ...],
) -> None:
    says = {"one": ["東", "京", " 🗼", "!"], "two": ["x", "y", "z"]}
    outputs = [{"variable": f"o{at}", "value_selector": [name, "value"]} for at, name in enumerate(order)]
    log = await run(
        graph(
            [
                *(node(name, says=says[name], value="".join(says[name])) for name in says),
                node("end", "end", outputs=outputs),
            ],
            edges("start --> one", "start --> two", "one --> end", "two --> end"),
        )
    )

    assert log.text == "\n".join("".join(says[name]) for name in order)


async def test_what_a_model_says_and_the_run_does_not_show_is_told_beside_it_in_few_events() -> None:
    says = ["東", "京", "🗼"] * 50
    talks = node("talks", is_model=True, says=says, value="東京")
    inner = node("inner", container="each", is_model=True, says=says, value="東京")
    box = [node("items", value=["x", "y"]), *iterating("each", ["inner", "value"]), inner]
    ways = "start --> talks", "talks --> items", "items --> each", "each-start --> inner", "each --> last"
    log = await run(graph([talks, *box, node("last", value="z"), end("last")], edges(*ways, "last --> end")))

    said = said_in(log)
    names = {event.execution_id: event.node_id for event in log.events if isinstance(event, NodeStarted)}
    assert {names[event.execution_id] for event in said} == {"talks", "inner"}
    assert "".join(says).startswith("".join(event.said for event in said if names[event.execution_id] == "talks"))
    assert len(said) < len(says)
    assert log.text == "z"


async def test_what_the_run_shows_is_told_once() -> None:
    talks = node("talks", name="text", is_model=True, says=["東", "京"], value="東京")
    shown = node("end", "end", outputs=[{"variable": "t", "value_selector": ["talks", "text"]}])
    log = await run(graph([talks, shown], edges("start --> talks", "talks --> end")))

    assert log.text == "東京"
    assert not said_in(log)


async def test_what_a_failed_attempt_said_and_was_not_told_yet_is_no_part_of_the_next() -> None:
    retry = {"retry_enabled": True, "max_retries": 1, "retry_interval": 1}
    talks = node("talks", is_model=True, says=["東", "京"], value="東京", fails=1, retry_config=retry)
    ways = edges("start --> talks", "talks --> last", "last --> end")
    log = await run(graph([talks, node("last", value="z"), end("last")], ways))

    assert [event.said for event in said_in(log)] == ["東", "東"]


async def test_a_tool_that_says_what_no_answer_quotes_is_not_told_beside_the_run() -> None:
    talks = node("talks", name="text", says=["東", "京"], value="東京")
    ways = edges("start --> talks", "talks --> last", "last --> end")
    log = await run(graph([talks, node("last", value="z"), end("last")], ways))

    assert not said_in(log)


def said_in(log: Log) -> list[ReasoningChunk]:
    return [event for event in log.events if isinstance(event, ReasoningChunk) and event.said]
