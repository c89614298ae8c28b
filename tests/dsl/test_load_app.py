"""The frame of a file: version, app and workflow."""

import json
from typing import Any

import pytest

from jikko.dsl.document import DslDocument
from jikko.dsl.load import load
from jikko.errors import InvalidDocument

from .files import RUNNABLE, edges, file, node, problems, read

TRIVIAL = [node("s", "start"), node("e", "end")]
ARROW = edges("s --> e")


def test_a_sound_file_has_no_problems() -> None:
    loaded = read(file(TRIVIAL, ARROW))

    assert loaded.problems == []
    assert loaded.ok
    document = loaded.require()
    assert (document.name, document.mode, document.root) == ("test", "workflow", "s")
    assert [(entry.id, entry.type, entry.where) for entry in document.nodes] == [
        ("s", "start", "workflow.graph.nodes[0].data"),
        ("e", "end", "workflow.graph.nodes[1].data"),
    ]
    assert [(entry.source, entry.target, entry.handle) for entry in document.edges] == [("s", "e", "source")]


@pytest.mark.parametrize(
    ("version", "read_as", "problem"),
    [
        pytest.param("0.6.0", "0.6.0", [], id="the newest"),
        pytest.param("0.1.5", "0.1.5", [], id="an old one"),
        pytest.param("0.6", "0.6", [], id="a short one"),
        pytest.param("", "0.1.0", [], id="none means the oldest"),
        pytest.param(None, "0.1.0", [], id="so does null"),
        pytest.param(
            "0.10.0",
            "0.10.0",
            ["warning: version: is 0.10.0, newer than 0.7.0: unknown keys are reported and have no effect"],
            id="a newer one",
        ),
        pytest.param(0.1, "0.1.0", ["version: is 0.1, not a text (put it in quotes)"], id="a number"),
        pytest.param(
            "six", "six", ["version: is 'six', which is not a version (expected one like '0.6.0')"], id="a word"
        ),
    ],
)
def test_the_version_is_a_text_and_may_be_newer(version: Any, read_as: str, problem: list[str]) -> None:
    loaded = read(file(TRIVIAL, ARROW, version=version))

    assert problems(file(TRIVIAL, ARROW, version=version)) == problem
    assert isinstance(loaded.document, DslDocument)
    assert loaded.document.version == read_as


@pytest.mark.parametrize(
    ("app", "problem"),
    [
        pytest.param(None, "app: is missing (this is not a Dify app)", id="no app"),
        pytest.param({}, "app: is empty (this is not a Dify app)", id="an empty one"),
        pytest.param([], "app: is a list, not a mapping (this is not a Dify app)", id="a list"),
        pytest.param({"name": "x"}, "app.mode: is missing (expected a text)", id="no mode"),
        pytest.param(
            {"mode": "rag-pipeline"}, "app.mode: is 'rag-pipeline': a knowledge pipeline has no", id="a pipeline"
        ),
        pytest.param({"mode": "agent-chat"}, "model_config: is missing (an app of mode 'agent-chat'", id="an agent"),
        pytest.param(
            {"mode": "worklow"}, "app.mode: is 'worklow', which is not a mode (did you mean 'workflow'?)", id="a slip"
        ),
        pytest.param(
            {"mode": "Chatflow"},
            "app.mode: is 'Chatflow', which is not a mode (did you mean 'advanced-chat'?)",
            id="label",
        ),
        pytest.param(
            {"mode": "ボット🤖"}, "app.mode: is 'ボット🤖', which is not a mode (only apps can be run: ", id="no mode"
        ),
        pytest.param({"mode": ["x"]}, "app.mode: is a list, not a text", id="a list as a mode"),
    ],
)
def test_only_apps_can_be_read(app: Any, problem: str) -> None:
    found = problems(file(TRIVIAL, ARROW, app=app))

    assert len(found) == 1
    assert found[0].startswith(problem)


@pytest.mark.parametrize(
    ("workflow", "problem"),
    [
        pytest.param(None, "workflow: is missing (an app of the mode 'workflow' needs one)", id="no workflow"),
        pytest.param({}, "workflow: is empty (an app of the mode 'workflow' needs one)", id="an empty one"),
        pytest.param({"features": {}}, "workflow.graph: is missing (a workflow needs one)", id="no graph"),
        pytest.param(
            {"nodes": []}, "workflow.graph: is missing (nodes and edges belong in it, not beside it)", id="nodes above"
        ),
        pytest.param({"graph": 5}, "workflow.graph: is 5, not a mapping (a workflow needs one)", id="a number"),
    ],
)
def test_a_workflow_needs_a_graph(workflow: Any, problem: str) -> None:
    text = file([]).replace('"workflow": {"graph": {"nodes": [], "edges": []}}', f'"workflow": {json.dumps(workflow)}')

    assert problems(text) == [problem]


def test_problems_of_all_parts_are_reported_at_once() -> None:
    text = file([node("s", "start"), node("s", "nonsense")], edges("s --> x"), version=1)

    assert problems(text) == [
        "version: is 1, not a text (put it in quotes)",
        "workflow.graph.nodes[1].data.type: is 'nonsense', which is not a node type (no version of Dify has it)",
        "workflow.graph.nodes[1].id: is 's', the same as that of workflow.graph.nodes[0]",
        "workflow.graph.edges[0].target: is 'x', which is not a node",
    ]


@pytest.mark.parametrize("app", [None, {"mode": "worklow"}, {"name": "x"}])
def test_a_graph_is_looked_at_even_if_the_app_is_wrong(app: Any) -> None:
    found = problems(file(TRIVIAL, edges("s --> x"), app=app))

    assert [one.split(":")[0] for one in found if "warning" not in one] == [
        "app" if app is None else "app.mode",
        "workflow.graph.edges[0].target",
    ]


def test_a_document_with_fatal_problems_is_not_handed_out() -> None:
    loaded = read(file([node("e", "end")]))

    assert not loaded.ok
    with pytest.raises(InvalidDocument, match=r"^test.yml: 1 problem\n  workflow.graph.nodes: has no start node"):
        loaded.require()


def test_an_app_describes_itself() -> None:
    app = {
        "mode": "advanced-chat",
        "name": 5,
        "description": None,
        "icon_type": "hologram",
        "icon": "🤖",
        "use_icon_as_answer_icon": True,
    }
    document = read(file(TRIVIAL, ARROW, app=app)).require()

    assert (document.mode, document.name, document.description) == ("advanced-chat", "5", "")
    assert (document.icon_type, document.icon, document.icon_background) == ("emoji", "🤖", "#FFFFFF")
    assert document.use_icon_as_answer_icon


def test_nothing_about_dependencies_is_a_problem() -> None:
    loaded = read(file(TRIVIAL, ARROW, dependencies=[{"type": "marketplace"}, {"value": None}, "nonsense"]))

    assert loaded.problems == []


def test_kind_and_unknown_keys_do_not_matter() -> None:
    assert problems(file(TRIVIAL, ARROW, kind="other", model_config=None, novelty=[1])) == []


def test_a_knowledge_pipeline_is_no_app() -> None:
    assert problems(file(TRIVIAL, ARROW, kind="rag_pipeline")) == [
        "kind: is 'rag_pipeline': a knowledge pipeline is not an app (only files of kind 'app' can be run)"
    ]


def test_the_source_is_what_messages_call_the_file() -> None:
    with pytest.raises(InvalidDocument, match=r"^upload: 1 problem\n  the file is empty"):
        load(b"", source="upload", runnable=RUNNABLE).require()
