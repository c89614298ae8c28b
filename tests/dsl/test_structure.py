"""Which nodes and edges make a graph."""

from typing import Any

import pytest

from jikko.diagnostics.diagnostic import Diagnostic
from tests.effort import growth

from .files import edges, file, node, problems, read

S, A, B, E = node("s", "start"), node("a", "code"), node("b", "code"), node("e", "end")
NODES = "workflow.graph.nodes"
EDGES = "workflow.graph.edges"


@pytest.mark.parametrize(
    ("nodes", "arrows", "found"),
    [
        pytest.param([S, E], edges("s --> e"), [], id="a sound graph"),
        pytest.param([], [], [f"{NODES}: is empty (a workflow needs at least a start node)"], id="no nodes"),
        pytest.param(None, None, [f"{NODES}: is missing (expected a list)", f"{EDGES}: is missing (expected a list)"]),
        pytest.param(
            {}, {}, [f"{NODES}: is a mapping, not a list", f"{EDGES}: is a mapping, not a list"], id="mappings"
        ),
        pytest.param(
            [S, 5], [7], [f"{NODES}[1]: is 5, not a mapping", f"{EDGES}[0]: is 7, not a mapping"], id="numbers"
        ),
        pytest.param(
            [{"data": {"type": "code"}}, S],
            [],
            [f"{NODES}[0].id: is missing (expected a text)"],
            id="a node without id",
        ),
        pytest.param([{"id": "", "data": {"type": "code"}}, S], [], [f"{NODES}[0].id: is empty"], id="an empty id"),
        pytest.param(
            [{"id": "x"}, S],
            [],
            [f"{NODES}[0].data: is missing (expected the configuration of the node)"],
            id="no data",
        ),
        pytest.param(
            [S, {"id": "x"}, A],
            edges("s --> x", "x --> a", "s --> a", "s --> b"),
            [
                f"{NODES}[1].data: is missing (expected the configuration of the node)",
                f"{EDGES}[3].target: is 'b', which is not a node",
            ],
            id="edges of a node without data",
        ),
        pytest.param([], edges("s --> a"), [f"{NODES}: is empty"], id="edges without nodes"),
        pytest.param([{"id": "n", "type": "custom-note"}], [], [f"{NODES}: is empty"], id="nothing but a note"),
        pytest.param(
            [{"id": "x", "data": "y"}, S], [], [f"{NODES}[0].data: is 'y', not a mapping"], id="data is a text"
        ),
        pytest.param(
            [{"id": "x", "data": {}}, S], [], [f"{NODES}[0].data.type: is missing (expected the type of the node)"]
        ),
        pytest.param([S, {"id": 5, "data": {"type": "end"}}], edges("s --> 5"), [], id="a number as an id is a text"),
        pytest.param([S, S], [], [f"{NODES}[1].id: is 's', the same as that of {NODES}[0]"], id="an id twice"),
        pytest.param(
            [S, node("a", "templet-transform")],
            edges("s --> a"),
            [
                f"{NODES}[1].data.type: is 'templet-transform', which is not a node type "
                "(did you mean 'template-transform'?)"
            ],
            id="an unknown type",
        ),
        pytest.param(
            [S, node("a", "llm")],
            edges("s --> a"),
            [f"warning: {NODES}[1].data.type: is 'llm', which Jikko cannot run: the node will fail"],
            id="a type that is not there yet",
        ),
        pytest.param(
            [E],
            [],
            [f"{NODES}: has no start node (a workflow begins at a node of the type 'start')"],
            id="no start node",
        ),
        pytest.param(
            [S, S | {"id": "s2"}],
            [],
            [f"warning: {NODES}[1].data: is a second start node: runs begin at 's' (delete it)"],
            id="two start nodes",
        ),
        pytest.param(
            [S, A, B],
            edges("s --> a"),
            [f"warning: {NODES}[2].data: node 'b' is never reached (connect or delete it)"],
            id="a node on its own",
        ),
        pytest.param(
            [S, A, B, E],
            edges("s --> a", "b --> a", "a --> e"),
            [
                f"warning: {NODES}[1].data: node 'a' never runs, nor does what follows it: it waits for 'b', which is "
                "never reached (connect or delete it)",
                f"warning: {NODES}[2].data: node 'b' is never reached (connect or delete it)",
            ],
            id="a node behind one on its own",
        ),
        pytest.param(
            [S, A],
            edges("s --> a", "s --> aa"),
            [f"{EDGES}[1].target: is 'aa', which is not a node (did you mean 'a'?)"],
            id="an edge to nowhere",
        ),
        pytest.param(
            [S, A],
            edges("s --> a", "x --> y"),
            [
                f"{EDGES}[1].source: is 'x', which is not a node",
                f"{EDGES}[1].target: is 'y', which",
            ],
            id="an edge from nowhere to nowhere",
        ),
        pytest.param(
            [S],
            [{"source": "s"}],
            [f"warning: {EDGES}[0].target: is not a node id: the edge is ignored (put numbers in quotes)"],
            id="an edge without an end",
        ),
        pytest.param(
            [S],
            [{"source": 5, "target": "s"}],
            [f"warning: {EDGES}[0].source: is not a node id: the edge is ignored (put numbers in quotes)"],
            id="an edge from a number",
        ),
        pytest.param(
            [S, A],
            [*edges("s --> a"), {"source": "s", "target": "a", "sourceHandle": True}],
            [f"warning: {EDGES}[1].sourceHandle: is not a text: the edge is ignored (put it in quotes)"],
            id="a handle that is no text",
        ),
        pytest.param([S, A], [{"source": "s", "target": "a", "sourceHandle": None}], [], id="no handle is source"),
        pytest.param(
            [S, A, B],
            edges("s --> a", "a --> b", "b --> a"),
            [f"{EDGES}: form a cycle: a -> b -> a (repeat nodes with a loop node instead)"],
            id="a cycle",
        ),
        pytest.param(
            [S, A],
            edges("s --> a", "a --> a"),
            [f"{EDGES}: form a cycle: a -> a (repeat nodes with a loop node instead)"],
            id="a node that follows itself",
        ),
        pytest.param(
            [S, {"id": "n", "type": "custom-note", "data": {"type": ""}}], [], [], id="notes are not looked at"
        ),
    ],
)
def test_a_graph_is_sound_or_what_is_wrong_is_said(nodes: Any, arrows: Any, found: list[str]) -> None:
    actual = problems(file(nodes, arrows))

    assert len(actual) == len(found), actual
    assert all(one.startswith(expected) for one, expected in zip(actual, found, strict=True)), actual


def test_a_trigger_is_an_entry_too_but_not_besides_a_start_node() -> None:
    trigger = node("t", "trigger-plugin")
    starts_nothing = (
        f"warning: {NODES}[0].data.type: is 'trigger-plugin', which starts no run here: start runs over "
        "the API; the outputs of the node are then null"
    )

    assert problems(file([trigger, A], edges("t --> a"))) == [starts_nothing]
    assert problems(file([trigger, S, A], edges("t --> a", "s --> a"))) == [
        starts_nothing,
        f"{NODES}: has both a start node and a trigger: 's' and 't' (a workflow has one or the other)",
    ]


def test_edges_that_cannot_be_followed_are_not_in_the_document() -> None:
    document = read(file([S, A], edges("s --> a", "s --> x"))).document

    assert document is not None
    assert [(edge.source, edge.target) for edge in document.edges] == [("s", "a")]


IF = node("if", "if-else", cases=[{"case_id": "true", "conditions": []}, {"case_id": "c2", "conditions": []}])
OLD_IF = node("if", "if-else", logical_operator="and", conditions=[])
FAILS = node("if", "code", error_strategy="fail-branch")
CLASSES = node("if", "question-classifier", classes=[{"id": "1", "name": "x"}, {"id": 2, "name": "y"}])
FORM = node("if", "human-input", user_actions=[{"id": "yes"}])


@pytest.mark.parametrize(
    ("branch", "handle", "has"),
    [
        pytest.param(IF, "true", None, id="a case"),
        pytest.param(IF, "c2", None, id="another case"),
        pytest.param(IF, "false", None, id="else"),
        pytest.param(IF, "maybe", "'true' and 'c2' and 'false'", id="no case"),
        pytest.param(IF, "source", "'true' and 'c2' and 'false'", id="a branch has no plain way on"),
        pytest.param(OLD_IF, "true", None, id="the old form has true"),
        pytest.param(OLD_IF, "c2", "'true' and 'false'", id="and nothing else"),
        pytest.param(FAILS, "fail-branch", None, id="a node that may fail"),
        pytest.param(FAILS, "success-branch", "'source' and 'fail-branch'", id="never taken, whatever the name says"),
        pytest.param(A | {"id": "if"}, "fail-branch", None, id="a left-over edge of a plain node is taken"),
        pytest.param(CLASSES, "1", None, id="a class"),
        pytest.param(CLASSES, "2", None, id="a class by number"),
        pytest.param(CLASSES, "3", "'1' and '2'", id="no class"),
        pytest.param(FORM, "__timeout", None, id="time runs out"),
        pytest.param(FORM, "no", "'yes' and '__timeout'", id="no action"),
    ],
)
def test_an_edge_leaves_by_a_handle_that_the_node_has(branch: dict[str, Any], handle: str, has: str | None) -> None:
    found = problems(file([S, branch, E], edges("s --> if", f"if --{handle}--> e")))

    expected = f"warning: {EDGES}[1]: leaves node 'if' by handle '{handle}', which it does not have (it has {has})"
    assert [one for one in found if "cannot run" not in one] == ([expected] if has else [])


def test_a_branch_cannot_go_on_with_default_values() -> None:
    branch = {**IF, "data": {**IF["data"], "error_strategy": "default-value"}}

    assert problems(file([S, branch], edges("s --> if"))) == [
        f"{NODES}[1].data.error_strategy: is 'default-value', which leaves node 'if' no branch to take "
        "(use 'fail-branch')"
    ]


@pytest.mark.slow
def test_nodes_in_a_row_are_read_in_time_that_is_in_proportion_to_their_number() -> None:
    # Whatever is wrong with them.
    def find(count: int) -> list[Diagnostic]:
        nodes = [
            S,
            *(node(f"n{number}", "variable-aggregator", variables=[[f"m{number}", "x"]]) for number in range(count)),
        ]
        row = (f"n{number} --> n{number + 1}" for number in range(count))
        return read(file(nodes, edges("s --> n0", *row, f"n{count - 1} --> n0"))).problems

    found = find(10_000)
    assert [problem.text() for problem in found if not problem.ok] == [
        "is 'n10000', which is not a node",
        "form a cycle: " + " -> ".join(f"n{number}" for number in range(12)) + " -> ...",
    ]
    # Warnings end there.
    assert len(found) == 10_000
    assert growth(find, 200) < 50


@pytest.mark.slow
def test_so_is_a_file_of_nothing_but_mistakes() -> None:
    def find(count: int) -> list[str]:
        nodes = [{"id": f"n{number}", "data": {"type": f"cod{number}"}} for number in range(count)]
        arrows = [{"source": f"m{number}", "target": f"o{number}"} for number in range(count)]
        return problems(file(nodes, arrows))

    assert len(find(5_000)) == 15_001
    assert growth(find, 200) < 50
