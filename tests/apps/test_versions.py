"""Compiled versions: selection for an app's runs, caching, and messages about invalid files."""

import pytest

from jikko.apps.publishing import AppCatalog
from jikko.apps.versions import Workflows, check
from jikko.errors import InvalidDocument, NotFound
from jikko.nodes.registry import BY_TYPE
from jikko.repositories.app_store import App, WorkflowVersion
from tests.acceptance.workflows import app, end, node, start
from tests.store.in_memory import AppsInMemory

pytestmark = pytest.mark.anyio


class CountingStore(AppsInMemory):
    """Says which versions were read."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[str] = []

    async def version(self, app_id: str, workflow_id: str) -> WorkflowVersion | None:
        self.read.append(workflow_id)
        return await super().version(app_id, workflow_id)


@pytest.fixture
def store() -> CountingStore:
    return CountingStore()


@pytest.fixture
def workflows(store: CountingStore) -> Workflows:
    return Workflows(store, BY_TYPE, keep=2)


async def published(store: AppsInMemory, name: str, output: str = "out") -> App:
    text = app(name, [start("q"), end(**{output: "start.q"})], "start>end")
    return (await AppCatalog(store, BY_TYPE).publish(text.encode(), source=name)).app


async def test_the_current_version_is_compiled_once(store: CountingStore, workflows: Workflows) -> None:
    one = await published(store, "One")
    store.read.clear()

    first = await workflows.get(one)

    assert await workflows.get(one) is first
    assert store.read == [one.workflow_id]


async def test_of_versions_that_were_compiled_those_used_last_are_kept(
    store: CountingStore, workflows: Workflows
) -> None:
    one, two, three = [await published(store, name) for name in ("One", "Two", "Three")]
    for each in (one, two, one, three):
        await workflows.get(each)
    store.read.clear()

    for each in (one, three, two):
        await workflows.get(each)

    assert store.read == [two.workflow_id]


async def test_a_version_is_found_by_its_id_in_any_case_and_only_in_its_own_app(
    store: CountingStore, workflows: Workflows
) -> None:
    before = await published(store, "One", "old")
    now, other = await published(store, "One", "new"), await published(store, "Other")
    await workflows.get(other)  # compiled, and still nothing for others

    assert (await workflows.get(now, before.workflow_id.upper())).id == before.workflow_id
    assert (await workflows.get(now)).id == now.workflow_id != before.workflow_id
    with pytest.raises(NotFound, match=f"Workflow not found with id: {other.workflow_id}"):
        await workflows.get(now, other.workflow_id)


@pytest.mark.parametrize("text", [b"\xff\xfe", b"[1, 2", "app: 日本".encode(), b"", b"- a\n- b"])
def test_what_is_no_workflow_file_has_no_graph_and_says_why(text: bytes) -> None:
    checked = check(text, source="flow.yml", node_classes=BY_TYPE)

    assert checked.graph is None
    fatal = tuple(problem for problem in checked.problems if not problem.ok)
    assert fatal
    with pytest.raises(InvalidDocument, match=r"flow\.yml") as caught:
        checked.require()
    assert caught.value.problems == fatal


def test_all_that_is_wrong_with_a_file_is_told_at_once() -> None:
    nodes = [start("q"), node("bad", "code", code=7), node("mad", "if-else", cases="none"), end(out="start.q")]
    text = app("Wrong", nodes, "start>bad bad>mad mad>end").encode()

    checked = check(text, source="flow.yml", node_classes=BY_TYPE)

    fatal_problems = "\n".join(str(problem) for problem in checked.problems if not problem.ok)
    assert "nodes[1].data.outputs: is missing" in fatal_problems
    assert "nodes[2].data.cases: is 'none', not a list" in fatal_problems
    assert checked.graph is None
    assert checked.document is not None


def test_a_file_that_only_has_warnings_can_be_run() -> None:
    text = app("Fine", [start("q"), end(out="start.q")], "start>end").encode()

    document, graph = check(text, source="flow.yml", node_classes=BY_TYPE).require()

    assert document.name == "Fine"
    assert set(graph.nodes) == {"start", "end"}
