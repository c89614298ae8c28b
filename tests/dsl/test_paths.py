"""Cycles and reachability."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jikko.dsl.structure import cycles, reached
from tests.effort import growth

EDGES = st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("abcdef")), max_size=14)


@given(EDGES)
def test_every_cycle_found_is_one_and_every_knot_has_one(edges: list[tuple[str, str]]) -> None:
    found = cycles("abcdef", edges)

    for cycle in found:
        assert len(set(cycle)) == len(cycle)
        assert all(pair in edges for pair in zip(cycle, [*cycle[1:], cycle[0]], strict=True))
    follow = {start: reached([end for begin, end in edges if begin == start], edges, {}) for start in "abcdef"}
    on_cycle = {node for node in "abcdef" if node in follow[node]}
    knots = {frozenset(other for other in follow[node] if node in follow[other]) for node in on_cycle}
    assert len(found) == len(knots)
    assert all(any(set(cycle) <= knot for knot in knots) for cycle in found)


def test_a_body_is_reached_with_its_container() -> None:
    assert reached(["a"], [("a", "loop"), ("in", "inner")], {"loop": "in"}) == {"a", "loop", "in", "inner"}


@pytest.mark.slow
def test_long_chains_and_rings_take_time_in_proportion() -> None:
    def find(count: int) -> None:
        nodes = [str(number) for number in range(count)]
        chain = list(itertools.pairwise(nodes))
        assert cycles(nodes, chain) == []
        assert len(cycles(nodes, [*chain, (nodes[-1], nodes[0])])[0]) == count
        assert len(cycles(nodes, [(node, node) for node in nodes])) == count
        assert len(reached(["0"], chain, {})) == count

    assert growth(find, 3_000) < 50
