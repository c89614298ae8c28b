"""The engine against a slow and obvious model, over random graphs: straight through, and cut off anywhere."""

import asyncio
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from jikko.events import Event, NodeFinished, NodeStarted, RoundStarted
from jikko.graph.compiled import CompiledGraph
from tests.engine.graphs import Log, edges, graph, node, resume, run
from tests.engine.model import Kind, Step, document, expected

ITEMS = 2
"""Elements of the array that every iteration goes over."""


@st.composite
def steps(draw: st.DrawFn, prefix: str = "n", depth: int = 2, may_fail: bool = True) -> list[Step]:
    """Steps with forward edges only. Every step but the first can be reached from an earlier one."""
    count = draw(st.integers(1, 5))
    found: list[Step] = []
    for place in range(count):
        kinds: list[Kind] = ["work", "quick", "choice"]
        if depth:
            kinds += ["iteration", "loop"]
        kind = draw(st.sampled_from(kinds))
        step = Step(f"{prefix}{place}", kind, pauses=draw(st.integers(0, 3)))
        if kind in ("work", "quick", "choice") and may_fail:
            step.fails = draw(st.booleans()) and draw(st.booleans())
            step.strategy = draw(st.sampled_from([None, "fail-branch", "default-value"]))
        if kind == "choice":
            step.handle = draw(st.sampled_from(["left", "right"]))
        if kind in ("iteration", "loop"):
            step.rounds = ITEMS if kind == "iteration" else draw(st.integers(0, 2))
            step.parallel = kind == "iteration" and draw(st.booleans())
            step.body = draw(steps(f"{step.id}x", depth - 1, may_fail))
        found.append(step)
    for place in range(1, count):
        sources = draw(st.lists(st.integers(0, place - 1), min_size=1, max_size=3, unique=True))
        for source in sources:
            step = found[source]
            handles = ["left", "right"] if step.kind == "choice" else ["source"]
            if step.strategy == "fail-branch":
                handles = [*handles, "fail-branch"]
            step.out.append((draw(st.sampled_from(handles)), place))
    return found


def compiled(found: list[Step]) -> CompiledGraph:
    nodes, connections = document(found)
    variables = [{"variable": "items", "label": "items", "type": "paragraph"}]
    return graph(
        [node("start", "start", variables=variables), *nodes], [*edges(f"start --> {found[0].id}"), *connections]
    )


async def execute(found: list[Step]) -> tuple[CompiledGraph, Log]:
    made = compiled(found)
    return made, await run(made, {"items": list(range(ITEMS))})


def ended(events: list[Event]) -> Counter[str]:
    return Counter(e.node_id for e in events if isinstance(e, NodeFinished) and e.node_id != "start")


def check_order(events: list[Event], found: list[Step]) -> None:
    """No node starts before every step that leads to it, and that runs at all, has ended."""
    done: set[str] = set()
    leads = {
        step.id: {other.id for other in found for _, target in other.out if found[target] is step} for step in found
    }
    ran = {e.node_id for e in events if isinstance(e, NodeStarted) and not e.rounds}
    for event in events:
        if isinstance(event, NodeStarted) and not event.rounds and event.node_id in leads:
            assert leads[event.node_id] & ran <= done
        elif isinstance(event, NodeFinished) and not event.rounds:
            done.add(event.node_id)


@settings(max_examples=200)
@given(steps())
def test_what_runs_and_how_it_ends_is_what_the_model_says(found: list[Step]) -> None:
    _, log = asyncio.run(execute(found))
    model = expected(found)

    assert (log.end.status == "failed") == model.failed
    if not model.failed:
        assert ended(log.events) == Counter(model.ran)
    check_order(log.events, found)


@settings(max_examples=60)
@given(steps(), st.data())
def test_a_run_cut_off_anywhere_ends_as_it_would_have(found: list[Step], data: st.DataObject) -> None:
    made, whole = asyncio.run(execute(found))
    border = data.draw(st.integers(1, len(whole.events) - 1))

    log = asyncio.run(resume(made, whole.events[:border]))

    assert log.end.status == whole.end.status
    if whole.end.status != "failed":
        assert ended(log.events) == ended(whole.events)
        assert log.end.outputs == whole.end.outputs
        assert log.end.total_steps == whole.end.total_steps
    finished = [e.execution_id for e in log.events if isinstance(e, NodeFinished)]
    assert len(finished) == len(set(finished)), "a node that had finished ran again"
    rounds = [(e.execution_id, e.round) for e in log.events if isinstance(e, RoundStarted)]
    assert len(rounds) == len(set(rounds)), "a round began twice"
