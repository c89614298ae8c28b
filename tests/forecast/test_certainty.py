"""Which nodes every run comes to: compared with every run that a small graph can have."""

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from jikko.forecast.certainty import sure
from jikko.graph.compiled import CompiledNode, Subgraph
from jikko.nodes.flow.trigger import Trigger

Edges = list[list[tuple[str, int]]]


def body_of(edges: Edges, branches: list[bool]) -> Subgraph:
    incoming = [0] * len(edges)
    for out in edges:
        for _, target in out:
            incoming[target] += 1
    nodes = tuple(
        CompiledNode(id=str(number), type="x", title="", node=Trigger(), position=number, branch=branch)
        for number, branch in enumerate(branches)
    )
    return Subgraph(nodes, 0, False, tuple(map(tuple, edges)), tuple(incoming))


@st.composite
def graphs(draw: st.DrawFn) -> tuple[Edges, list[bool]]:
    """Up to seven nodes, with edges that lead to later ones, by the handles ``a`` and ``b`` and one that none has."""
    count = draw(st.integers(2, 7))
    edges: Edges = []
    for number in range(count):
        targets = st.integers(number + 1, count - 1)
        edge = st.tuples(st.sampled_from("abc"), targets)
        edges.append(draw(st.lists(edge, max_size=4)) if number + 1 < count else [])
    return edges, draw(st.lists(st.booleans(), min_size=count, max_size=count))


def reached_in_every_run(edges: Edges, branches: list[bool]) -> set[int]:
    """By trying: each branch takes ``a`` or ``b``. What follows a node that nothing leads to waits for it for ever."""
    waiting = set(range(1, len(edges))) - {target for out in edges for _, target in out}
    for number in range(len(edges)):
        if number in waiting:
            waiting |= {target for _, target in edges[number]}
    common = set(range(len(edges))) - waiting
    for choice in product("ab", repeat=len(edges)):
        reached = {0}
        for number in range(len(edges)):
            if number in reached - waiting:
                reached |= {
                    target for handle, target in edges[number] if not branches[number] or handle == choice[number]
                }
        common &= reached
    return common


@given(graphs())
def test_it_is_what_all_runs_have_in_common(graph: tuple[Edges, list[bool]]) -> None:
    edges, branches = graph
    found = sure(body_of(edges, branches), range(len(edges)), lambda _: ("a", "b"))
    assert found == reached_in_every_run(edges, branches)


def test_a_branch_without_an_edge_is_a_way_out() -> None:
    body = body_of([[("a", 1)], []], [True, False])
    assert sure(body, [0, 1], lambda _: ("a", "b")) == {0}


def test_a_body_without_a_start_is_never_run() -> None:
    assert sure(Subgraph((), None, False, (), ()), [0], lambda _: None) == set()
