"""Which node belongs to which container, and where a body begins."""

from typing import Any

import pytest

from .files import edges, file, node, problems, read

S = node("s", "start")
LOOP = node("loop", "loop", start_node_id="ls")
LOOP_START = node("ls", "loop-start", parent="loop")
EACH = node("each", "iteration", start_node_id="es")
EACH_START = node("es", "iteration-start", parent="each")


def containers(nodes: list[dict[str, Any]], *arrows: str) -> dict[str, str | None]:
    document = read(file(nodes, edges("s --> each", *arrows))).require()
    return {entry.id: entry.container for entry in document.nodes}


@pytest.mark.parametrize(
    "inner",
    [
        pytest.param(node("a", "code", iteration_id="each"), id="by iteration_id"),
        pytest.param(node("a", "code", parent="each"), id="by parentId"),
        pytest.param(node("a", "code", parent="other", iteration_id="each", loop_id=""), id="the first, if both"),
        pytest.param(node("a", "code", parent="each", iteration_id="gone"), id="unless it names nothing"),
    ],
)
def test_a_node_names_its_container(inner: dict[str, Any]) -> None:
    assert containers([S, EACH, EACH_START, inner], "es --> a") == {"s": None, "each": None, "es": "each", "a": "each"}


def test_a_node_copied_out_of_a_container_is_outside_though_its_data_still_names_it() -> None:
    copied = [node("値", "code", iteration_id="each"), node("後", "code", iteration_id="each")]
    inner = node("a", "code", iteration_id="each")

    found = containers([S, EACH, EACH_START, *copied, inner], "s --> 値", "値 --> 後", "es --> a")

    assert found == {"s": None, "each": None, "es": "each", "値": None, "後": None, "a": "each"}


def test_a_start_node_that_names_none_is_found_by_its_container() -> None:
    start = node("es", "iteration-start", isInIteration=True)

    assert containers([S, EACH, start])["es"] == "each"


def test_of_two_containers_the_inner_one_counts() -> None:
    inner = node("inner", "loop", start_node_id="is", iteration_id="each")
    nodes = [
        S,
        EACH,
        EACH_START,
        inner,
        node("is", "loop-start", loop_id="inner"),
        node("a", "code", iteration_id="each", loop_id="inner"),
    ]

    found = containers(nodes, "es --> inner", "is --> a")

    assert found == {"s": None, "each": None, "es": "each", "inner": "each", "is": "inner", "a": "inner"}


def test_of_two_containers_the_inner_one_counts_the_other_way_round_too() -> None:
    outer = node("each", "loop", start_node_id="es")
    inner = node("inner", "iteration", start_node_id="is", loop_id="each")
    nodes = [
        S,
        outer,
        node("es", "loop-start", loop_id="each"),
        inner,
        node("is", "iteration-start", iteration_id="inner"),
        node("a", "code", iteration_id="inner", loop_id="each"),
    ]

    assert containers(nodes, "es --> inner", "is --> a")["a"] == "inner"


def test_containers_cannot_be_inside_each_other() -> None:
    one = node("one", "loop", start_node_id="1s", loop_id="two")
    two = node("two", "loop", start_node_id="2s", loop_id="one")

    found = [problem for problem in read(file([S, one, two])).problems if not problem.ok]

    assert [problem.text() for problem in found] == ["node 'two' is inside itself"]


@pytest.mark.parametrize(
    ("arrow", "border"),
    [
        ("s --> a", "from the outside to the inside of 'each'"),
        ("a --> e", "from the inside of 'each' to the outside"),
        ("a --> b", "from the inside of 'each' to the inside of 'loop'"),
        ("each --> es", "from the outside to the inside of 'each'"),
    ],
)
def test_no_edge_crosses_the_border_of_a_container(arrow: str, border: str) -> None:
    nodes = [
        *(S, EACH, EACH_START, LOOP, LOOP_START, node("e", "end")),
        node("a", "code", iteration_id="each"),
        node("b", "code", loop_id="loop"),
    ]
    sound = edges("s --> each", "s --> loop", "s --> e", "es --> a", "ls --> b")
    source, target = arrow.split(" --> ")

    assert problems(file(nodes, [*sound, *edges(arrow)])) == [
        f"workflow.graph.edges[5]: leads {border}: '{source}' -> '{target}' "
        "(only the container itself is connected to the outside)"
    ]


def test_a_cycle_in_a_body_is_found() -> None:
    nodes = [S, EACH, EACH_START, node("a", "code", iteration_id="each")]

    found = problems(file(nodes, edges("s --> each", "es --> a", "a --> a")))

    assert found[0].startswith("workflow.graph.edges: form a cycle: a -> a")


def test_a_node_in_a_body_that_is_not_reached_is_told_and_a_body_that_is_not_only_by_its_container() -> None:
    nodes = [S, EACH, EACH_START, LOOP, LOOP_START, *(node(n, "code", parent=p) for n, p in ("a1", "b2"))]
    nodes[-2:] = [node("a", "code", parent="each"), node("b", "code", parent="loop")]

    assert [one.split(" (")[0] for one in problems(file(nodes, edges("s --> each")))] == [
        "warning: workflow.graph.nodes[3].data: node 'loop' is never reached",
        "warning: workflow.graph.nodes[5].data: node 'a' is never reached",
    ]


@pytest.mark.parametrize(
    ("container", "body", "kind"),
    [
        pytest.param(
            node("c", "iteration", start_node_id="a"),
            [node("b", "code", iteration_id="c"), node("a", "code", iteration_id="c")],
            "iteration-start",
            id="start_node_id names a real node",
        ),
        pytest.param(
            node("c", "iteration", start_node_id=""),
            [node("b", "code", iteration_id="c"), node("a", "code", iteration_id="c", isIterationStart=True)],
            "iteration-start",
            id="a node is flagged",
        ),
        pytest.param(
            node("c", "loop", start_node_id="a"),
            [node("b", "code", loop_id="c"), node("a", "code", loop_id="c")],
            "loop-start",
            id="a loop",
        ),
    ],
)
def test_a_body_without_a_start_node_gets_one(container: dict[str, Any], body: list[dict[str, Any]], kind: str) -> None:
    loaded = read(file([S, container, *body, node("cstart", "code")], edges("s --> c", "a --> b", "s --> cstart")))

    assert loaded.problems == []
    document = loaded.require()
    start = next(entry for entry in document.nodes if entry.type == kind)
    assert (start.id, start.container, start.where) == ("cstart_", "c", "workflow.graph.nodes[1].data")
    assert next(entry for entry in document.nodes if entry.id == "c").data["start_node_id"] == "cstart_"
    assert [(edge.source, edge.target) for edge in document.edges if edge.source == "cstart_"] == [("cstart_", "a")]


def test_a_body_that_nothing_begins_is_told() -> None:
    nodes = [S, node("each", "iteration"), node("a", "code", iteration_id="each")]

    assert problems(file(nodes, edges("s --> each"))) == [
        "warning: workflow.graph.nodes[1].data: iteration 'each' has no node to begin with "
        "(connect its start node, and set start_node_id)",
        "warning: workflow.graph.nodes[2].data: node 'a' is never reached (connect or delete it)",
    ]


def test_a_start_node_under_another_name_is_the_start() -> None:
    nodes = [S, node("each", "iteration", start_node_id="old"), node("es", "iteration-start", iteration_id="each")]

    document = read(file(nodes, edges("s --> each"))).require()

    assert document.nodes[1].data["start_node_id"] == "es"
