"""Which nodes a retry runs again."""

from itertools import pairwise

from jikko.engine.retry_log import nodes_to_rerun
from tests.engine.graphs import edges, graph, node


def test_what_is_behind_a_node_is_found_in_steps_of_its_nodes_and_not_of_its_paths() -> None:
    joints = ["start", *(f"joint{stage}" for stage in range(60))]
    sides = [(before, f"{after}-{side}", after) for before, after in pairwise(joints) for side in "ab"]
    nodes = [node(name) for name in (*joints[1:], *(side for _, side, _ in sides))]
    diamonds = graph(nodes, edges(*(f"{a} --> {b}" for each in sides for a, b in pairwise(each))))

    found = nodes_to_rerun(diamonds, ["joint1-a"])

    assert len(found) == 1 + 1 + 58 * 3
    assert found.isdisjoint(("start", "joint0", "joint0-a", "joint1-b"))
