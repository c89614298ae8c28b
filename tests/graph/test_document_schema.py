"""JSON Schema of DSL files: accepts what `jikko check` accepts, and refuses what it refuses for its shape."""

import json
import random
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from jikko.dsl.load import decoded, load
from jikko.dsl.text.yaml_text import LoadLimits, parse
from jikko.graph.compile import compile_graph
from jikko.graph.document_schema import document_schema, node_schema
from jikko.nodes.registry import BY_TYPE
from tests.acceptance.workflows import ECHO, app, end, start

ROOT = Path(__file__).parents[2]
RUNNABLE = frozenset(BY_TYPE)
OF_SHAPE = {f"document.not_{kind}" for kind in ("boolean", "integer", "list", "mapping", "selector")}
OF_SHAPE |= {"document.case_id", "document.missing", "document.too_small"}
WRONG: tuple[Any, ...] = (None, 7, 2.5, True, [], [1], ["a"], [{}], {}, {"a": 1}, -1, "none")
OTHERWISE_READ = re.compile(
    # Apps without a workflow, of which a graph is made first; parameters of tools, whose kinds depend on each other.
    r"model_config\.|.*\.(tool_parameters|tool_configurations)\b"
)


@cache
def validator() -> Draft202012Validator:
    schema = document_schema(BY_TYPE)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@cache
def golden() -> list[tuple[str, str]]:
    """All files of workflows beside the tests, and the examples, each once: its name, and it as JSON."""
    found: dict[str, str] = {}
    for folder in ("tests", "examples"):
        for file in sorted((ROOT / folder).rglob("*.yml")):
            root = parse(decoded(file.read_bytes()), LoadLimits(), [])
            if isinstance(root, dict) and "app" in root:
                found.setdefault(json.dumps(root), str(file.relative_to(ROOT)))
    return [(name, text) for text, name in found.items()]


def refused(text: str) -> set[tuple[str, str]]:
    """What `jikko check` refuses a file for: place and code."""
    loaded = load(text, source="file", runnable=RUNNABLE)
    if loaded.document is not None:
        compile_graph(loaded.document, BY_TYPE, loaded.problems)
    return {(problem.where, problem.code) for problem in loaded.problems if not problem.ok}


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inside:
        yield (*path, key)
        yield from places(item, (*path, key))


@pytest.mark.slow
def test_every_golden_workflow_validates() -> None:
    assert len(golden()) > 150
    for name, text in golden():
        assert refused(text) == set(), name
        error = next(validator().iter_errors(json.loads(text)), None)
        assert error is None, f"{name}: {error}"


@pytest.mark.slow
def test_what_check_refuses_for_its_shape_the_schema_refuses() -> None:
    tried, missed = 0, []
    for name, text in golden():
        chance = random.Random(name)
        for path in chance.sample([*places(json.loads(text))], 6):
            changed = json.loads(text)
            at = changed
            for key in path[:-1]:
                at = at[key]
            if chance.random() < 0.2:
                del at[path[-1]]
            else:
                at[path[-1]] = chance.choice(WRONG)
            place = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)[1:]
            codes = {code for where, code in refused(json.dumps(changed)) if where == place} & OF_SHAPE
            if codes and not OTHERWISE_READ.match(place):
                tried += 1
                missed += [(name, place, codes)] if validator().is_valid(changed) else []
    assert tried > 150
    # What is read only beside one text that no hint names, as of a form that is sent as a page.
    assert len(missed) <= tried / 50, missed


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("app", []),
        ("app.mode", "robot"),
        ("app.mode", None),
        ("kind", "rag_pipeline"),
        ("version", 7),
        ("workflow", None),
        ("workflow.features", []),
        ("workflow.graph", []),
        ("workflow.graph", None),
        ("workflow.graph.nodes", []),
        ("workflow.graph.nodes", {}),
        ("workflow.graph.nodes", [1]),
        ("workflow.graph.nodes", [{"id": "日本"}]),
        ("workflow.graph.nodes", [{"data": {"type": "start"}}]),
        ("workflow.graph.nodes", [{"id": "a", "data": []}]),
        ("workflow.graph.nodes", [{"id": "a", "data": {"type": "robot"}}]),
        ("workflow.graph.edges", None),
        ("workflow.graph.edges", {}),
        ("workflow.graph.edges", [1]),
    ],
)
def test_a_file_of_another_shape_is_refused(path: str, value: Any) -> None:
    file = json.loads(app("A", [start("q"), end(out="start.q")], "start>end"))
    assert validator().is_valid(file)
    *above, last = path.split(".")
    at = file
    for name in above:
        at = at[name]
    at.pop(last, None)
    if value is not None:
        at[last] = value
    assert not validator().is_valid(file)


@pytest.mark.parametrize(
    ("kind", "data", "place"),
    [
        ("llm", {"model": "gpt"}, "model"),
        ("llm", {"prompt_template": [{"role": "robot", "text": "日本"}]}, "prompt_template"),
        ("code", {"outputs": {"a": {"type": "text"}}}, "outputs"),
        ("if-else", {"cases": [{"case_id": "a", "conditions": [{"comparison_operator": "like"}]}]}, "cases"),
        ("start", {"variables": [{"variable": "q", "type": "words"}]}, "variables"),
        ("http-request", {"retry_config": {"max_retries": "many"}}, "retry_config"),
        ("end", {"error_strategy": "hope"}, "error_strategy"),
        ("loop", {"break_conditions": {}}, "break_conditions"),
    ],
)
def test_the_schema_of_a_node_says_where_its_data_are_wrong(kind: str, data: dict[str, Any], place: str) -> None:
    errors = [*Draft202012Validator(node_schema(kind, BY_TYPE)).iter_errors({"type": kind, **data})]
    assert place in {error.absolute_path[0] for error in errors if error.absolute_path}


@pytest.mark.parametrize(
    "change",
    [
        {"app": None},
        {"app": {"mode": "workflows"}},
        {"app": {"mode": "chat"}},
        {"workflow": {}},
        {"workflow": {"graph": {"nodes": [], "edges": []}}},
        {"workflow": {"graph": {"nodes": [{"id": "a", "data": {"type": "llms"}}], "edges": []}}},
        {"workflow": {"graph": {"nodes": [{"data": {"type": "start"}}], "edges": []}}},
        {"version": 0.6},
        {"kind": "rag_pipeline"},
    ],
    ids=str,
)
def test_what_is_no_file_of_an_app_is_refused_by_both(change: dict[str, Any]) -> None:
    changed = json.loads(ECHO) | change
    loaded = load(json.dumps(changed), source="file", runnable=RUNNABLE)
    assert not loaded.ok
    assert not validator().is_valid(changed)


def test_unknown_keys_are_taken_as_check_takes_them() -> None:
    changed = json.loads(ECHO)
    changed["x"] = changed["workflow"]["y"] = changed["workflow"]["graph"]["nodes"][0]["data"]["z"] = "🗝 \ue000"
    assert refused(json.dumps(changed)) == set()
    assert validator().is_valid(changed)
