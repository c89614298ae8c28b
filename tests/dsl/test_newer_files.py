"""Files of DSL 0.7 and later: known parts are read, others reported and kept."""

import io
import zipfile
from typing import Any

import pytest

from jikko.dsl.load import Loaded, load
from jikko.nodes.registry import BY_TYPE
from tests.dsl.files import edges, file, node, shown
from tests.forecast.running import foretold

ARROWS = edges("s --> m", "m --> e")
SHARED = {"provider": "langgenius/openai/openai", "name": "shared", "mode": "chat"}


def read(text: str) -> Loaded:
    return load(text, source="test.yml", runnable=frozenset(BY_TYPE))


def problems(text: str) -> list[str]:
    return list(map(shown, read(text).problems))


def variable(value: Any = None, kind: str = "llm", name: str = "model") -> dict[str, Any]:
    return {"name": name, "value_type": kind, "value": SHARED if value is None else value}


def newer(*variables: dict[str, Any], version: str = "0.7.0", **data: Any) -> str:
    model = {"provider": "langgenius/openai/openai", "name": "own", "mode": "chat", "completion_params": {"top_p": 1}}
    asking = node("m", "llm", model=model, prompt_template=[{"role": "user", "text": "日本"}], **data)
    nodes = [node("s", "start"), asking, node("e", "end")]
    return file(nodes, ARROWS, version=version, workflow={"environment_variables": list(variables)})


def model_of(text: str) -> Any:
    [asking] = [entry for entry in read(text).require().nodes if entry.id == "m"]
    return asking.data["model"]


def test_a_file_of_0_7_without_anything_new_has_no_problems() -> None:
    assert problems(newer()) == []


def test_an_llm_node_takes_the_model_of_the_environment_variable_that_it_names() -> None:
    text = newer(variable(), model_selector=["env", "model"])

    assert problems(text) == []
    assert model_of(text) == {**SHARED, "completion_params": {"top_p": 1}}


def test_the_parameters_of_the_variable_count_also_if_there_are_none_among_them() -> None:
    text = newer(variable({**SHARED, "completion_params": {}}), model_selector=["env", "model"])

    assert model_of(text)["completion_params"] == {}


@pytest.mark.parametrize(
    "selector", [None, [], ["conversation", "model"], ["env"], ["env", "model", "name"], "env.model"]
)
def test_a_selector_of_anything_else_leaves_the_node_its_own_model(selector: Any) -> None:
    assert model_of(newer(variable(), model_selector=selector))["name"] == "own"


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        pytest.param(variable(name="other"), "refers to env.model, which does not exist", id="missing"),
        pytest.param(variable("gpt", "string"), "refers to env.model, which is of type string", id="another type"),
        pytest.param(
            variable({**SHARED, "mode": "completion"}),
            "refers to env.model, whose model is of mode completion, and this node is of mode chat",
            id="another mode",
        ),
    ],
)
def test_a_variable_that_has_no_model_for_the_node_is_refused_once_with_its_place(
    given: dict[str, Any], problem: str
) -> None:
    [found] = problems(newer(given, model_selector=["env", "model"]))

    assert found.startswith(f"workflow.graph.nodes[1].data.model_selector: {problem}")


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"provider": "p", "name": "n"},
        {**SHARED, "mode": "voice"},
        {**SHARED, "name": ""},
        {**SHARED, "more": 1},
        {**SHARED, "completion_params": []},
        "gpt-4o",
    ],
)
def test_a_value_that_is_no_model_is_refused(value: Any) -> None:
    assert problems(newer(variable(value))) == ["workflow.environment_variables[0].value: does not fit the type 'llm'"]


def test_a_variable_of_an_unknown_type_is_reported_and_kept() -> None:
    text = newer(variable({"数": [1]}, "vault"))

    where = "workflow.environment_variables[0].value_type"
    assert [found.split(" (")[0] for found in problems(text)] == [
        f"warning: {where}: is 'vault', which is not a known type; the value is kept as it is"
    ]
    assert read(text).require().environment[0].value == {"数": [1]}


def test_in_an_older_file_it_is_refused_as_in_dify() -> None:
    [found] = problems(newer(variable({}, "vault"), version="0.6.0"))

    assert found.startswith("workflow.environment_variables[0].value_type: is 'vault', which the variable cannot have")


@pytest.mark.parametrize("version", ["0.7.0", "0.8.1", "0.10", "1.0.0", "v0.7.0-beta"])
def test_unknown_keys_are_named_with_their_place_and_what_they_hold_is_kept(version: str) -> None:
    text = newer(version=version, thinking_budget={"max": 3}, _editor=1)

    found = [each for each in problems(text) if "newer than" not in each]
    said = "'thinking_budget' is not known to Jikko and has no effect here"
    assert found == [f"warning: workflow.graph.nodes[1].data.thinking_budget: {said}"]
    [asking] = [entry for entry in read(text).require().nodes if entry.id == "m"]
    assert asking.data["thinking_budget"] == {"max": 3}


def test_older_files_may_have_what_their_editors_left_in_nodes() -> None:
    assert problems(newer(version="0.6.0", thinking_budget=1)) == []


def test_check_says_that_a_file_with_an_unknown_key_may_fail() -> None:
    text = file([node("s", "start"), node("e", "end", gate=1)], edges("s --> e"), version="0.7.0")

    found = foretold(text)

    assert found.verdict == "may_fail"
    assert [(each.code, each.severity) for each in found.findings] == [("document.unknown_key", "may_fail")]


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        ("rag_pipeline", "kind: is 'rag_pipeline': a knowledge pipeline is not an app"),
        ("snippet", "kind: is 'snippet': a part of workflows, not an app"),
    ],
)
def test_files_of_other_kinds_are_refused_by_name(kind: str, problem: str) -> None:
    [found] = problems(file([node("s", "start")], [], kind=kind))

    assert found.startswith(problem)


def test_an_app_of_the_agent_service_is_refused_by_name() -> None:
    text: dict[str, Any] = {
        "version": "0.7.0",
        "kind": "app",
        "app": {"name": "a", "mode": "agent"},
        "agent": {"package_ref": "agent_1"},
    }

    [found] = [each for each in problems(file([], [], **text)) if each.startswith("app.mode")]
    assert "an agent of Dify's agent service" in found


def test_packages_and_bundles_of_apps_are_recognised_with_what_to_do() -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("manifest.yaml", "format: dify.roster-agent")

    loaded = load(archive.getvalue(), source="a.ifpkg", runnable=frozenset(BY_TYPE))

    assert [str(problem) for problem in loaded.problems] == [
        "file: is a ZIP archive, such as a package (.ifpkg) or a bundle of apps "
        "(unpack it, and use the YAML file of the app inside)"
    ]


def test_container_id_is_the_one_owner_of_a_node() -> None:
    nodes = [
        node("s", "start"),
        node("each", "iteration", start_node_id="first", iterator_selector=["s", "x"], output_selector=["first", "x"]),
        node("first", "iteration-start", container_id="each"),
        node("inner", "template-transform", container_id="each", template="", variables=[]),
        node("outer", "template-transform", container_id="", iteration_id="each", template="", variables=[]),
    ]
    text = file(nodes, edges("s --> each", "first --> inner", "each --> outer"), version="0.7.0")

    owners = {entry.id: entry.container for entry in read(text).require().nodes}
    assert owners == {"s": None, "each": None, "first": "each", "inner": "each", "outer": None}
