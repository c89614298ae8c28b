"""Mocked nodes."""

from jikko.apps.versions import check
from jikko.graph.compiled import CompiledGraph
from jikko.graph.mocks import unknown_mocks, with_mocks
from jikko.nodes.registry import BY_TYPE
from jikko.nodes.substitutes import Mocked, MockedBranch
from tests.acceptance.workflows import app, end, if_contains, iteration, start, template


def graph() -> CompiledGraph:
    text = app(
        "X",
        [
            start("q"),
            if_contains("which", "start.q", "a"),
            *iteration("each", "start.q", "inner.output", template("inner", "{{ i }}", i="each.item")),
            template("twin", "a"),
            end(q="start.q"),
        ],
        "start>which which:true>each which:false>twin each>end",
    )
    return check(text.encode(), source="x", node_classes=BY_TYPE).require()[1]


def test_a_mock_stands_in_the_place_of_a_node_wherever_that_is() -> None:
    plain = graph()

    mocked = with_mocks(plain, {"inner": {"output": "x"}, "which": {"result": True}})

    assert isinstance(mocked.nodes["inner"].node, Mocked)
    body = mocked.body.nodes[mocked.top["each"]].body
    assert body is not None
    assert [node.node for node in body.nodes if node.id == "inner"] == [Mocked({"output": "x"})]
    assert isinstance(mocked.body.nodes[mocked.top["which"]].node, MockedBranch)
    assert plain.nodes["inner"].node != mocked.nodes["inner"].node


def test_what_asks_no_model_or_would_do_more_fails_with_a_fake_one_and_does_not_run() -> None:
    mocked = with_mocks(graph(), {name: {"fake_model": True} for name in ("twin", "which", "each")})
    for name, branching in (("twin", False), ("which", True), ("each", False)):
        stand_in = mocked.nodes[name].node
        assert isinstance(stand_in, Mocked)
        assert "does not run with a fake model" in (stand_in.failure or "")
        assert stand_in.branching is branching
    assert mocked.nodes["each"].body is None


def test_a_mocked_container_has_no_body() -> None:
    assert with_mocks(graph(), {"each": {"output": []}}).nodes["each"].body is None


def test_a_graph_without_such_nodes_stays_as_it_is() -> None:
    plain = graph()

    assert with_mocks(plain, {"nowhere": {}}) is plain


def test_a_name_that_no_node_has_is_told_with_what_was_meant() -> None:
    assert unknown_mocks([graph()], {"twin": {}, "twni": {}}) == [
        "no node has the id or title 'twni' (did you mean 'twin'?)"
    ]
