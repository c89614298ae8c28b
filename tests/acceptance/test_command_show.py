"""``jikko show``: a file at a glance."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from jikko.cluster.data_folder_lock import sole_owner
from tests.acceptance.processes import Command
from tests.acceptance.workflows import app, end, fetch, form, node, start

INPUTS = [
    {"variable": "q", "label": "Question", "type": "text-input", "required": True, "max_length": 3},
    {"variable": "size", "label": "x", "type": "select", "required": False, "options": ["S", "大"], "default": "S"},
    {
        "variable": "paper",
        "label": "x",
        "type": "file",
        "required": True,
        "max_length": 48,
        "allowed_file_types": ["document"],
        "allowed_file_upload_methods": ["local_file"],
    },
]
MODEL = {"provider": "openai", "name": "gpt-4o", "mode": "chat", "completion_params": {}}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    nodes = [
        node("start", "start", variables=INPUTS),
        node("think", "llm", model=MODEL, prompt_template=[], context={"enabled": False}, vision={"enabled": False}),
        fetch("get", "https://{{#env.HOST#}}/{{#start.q#}}"),
        fetch("other", "https://{{#think.text#}}.example.com/x"),
        form("ask", "?"),
        end(answer="think.text"),
    ]
    content = json.loads(app("Show 見本", nodes, "start>think think>get get>other other>ask ask:yes>end"))
    content["workflow"]["environment_variables"] = [
        {"name": "HOST", "value_type": "string", "value": "api.example.com"},
        {"name": "KEY", "value_type": "secret", "value": "s3cr3t-value"},
        {"name": "EMPTY", "value_type": "secret", "value": ""},
    ]
    path = tmp_path / "show.yml"
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")
    return path


def shown(jikko: Command, file: Path) -> dict[str, Any]:
    [entry] = jikko.json("show", file)
    return entry


def test_it_tells_what_goes_in(jikko: Command, file: Path) -> None:
    inputs = shown(jikko, file)["inputs"]
    assert [(entry["name"], entry["type"], entry["required"]) for entry in inputs] == [
        ("q", "text-input", True),
        ("size", "select", False),
        ("paper", "file", True),
    ]
    assert inputs[0]["max_length"] == 3
    assert inputs[1]["options"] == ["S", "大"]
    assert inputs[2]["allowed_file_types"] == ["document"]


def test_it_tells_what_comes_out_and_of_which_node(jikko: Command, file: Path) -> None:
    assert shown(jikko, file)["outputs"] == [{"name": "answer", "source": "think.text", "node": "end"}]


def test_it_tells_nodes_models_hosts_and_forms(jikko: Command, file: Path) -> None:
    entry = shown(jikko, file)
    assert [each["type"] for each in entry["nodes"]] == [
        "start",
        "llm",
        "http-request",
        "http-request",
        "human-input",
        "end",
    ]
    assert entry["nodes"][0]["line"] > 1
    assert entry["models"] == [{"provider": "langgenius/openai/openai", "model": "gpt-4o", "node": "think"}]
    assert entry["hosts"] == ["api.example.com", "{{#think.text#}}.example.com"]
    assert entry["forms"] == [
        {"node": "ask", "title": "ask", "inputs": ["comment"], "actions": ["yes", "no"], "seconds": 3600.0}
    ]


def test_it_tells_secrets_by_name_only(jikko: Command, file: Path) -> None:
    environment = {entry["name"]: entry for entry in shown(jikko, file)["environment"]}
    assert environment["HOST"]["value"] == "api.example.com"
    assert (environment["KEY"]["value"], environment["KEY"]["is_set"]) == (None, True)
    assert environment["EMPTY"]["is_set"] is False
    assert "s3cr3t" not in jikko("show", file).out + json.dumps(shown(jikko, file))


def test_its_curl_line_has_a_body_with_every_required_input(jikko: Command, file: Path) -> None:
    entry = shown(jikko, file)
    words = shlex.split(entry["example"]["curl"])
    body = json.loads(words[words.index("-d") + 1])
    assert body["inputs"] == entry["example"]["inputs"]
    assert body["inputs"]["q"] == "tex"
    assert body["inputs"]["paper"]["transfer_method"] == "local_file"
    assert set(body) == {"inputs", "user", "response_mode"}


def asked(jikko: Command, file: Path, **settings: str) -> str:
    [entry] = jikko("show", file, "--json", **settings).lines
    return shlex.split(entry["example"]["curl"])[1]


def test_its_curl_line_said_port_8000_whatever_the_port_was(jikko: Command, file: Path) -> None:
    assert asked(jikko, file) == "http://127.0.0.1:8000/v1/workflows/run"
    other = {"JIKKO_PORT": "8123", "JIKKO_HOST": "0.0.0.0"}
    assert asked(jikko, file, **other) == "http://127.0.0.1:8123/v1/workflows/run"

    assert asked(jikko, file, JIKKO_PORT="0") == "http://127.0.0.1:PORT/v1/workflows/run"
    assert asked(jikko, file, JIKKO_HOST="::1") == "http://[::1]:8000/v1/workflows/run"
    # zsh takes brackets for a pattern.
    assert "curl 'http://[::1]:8000/v1/workflows/run' " in jikko("show", file, JIKKO_HOST="::1").out
    assert asked(jikko, file, JIKKO_HOST="::") == "http://[::1]:8000/v1/workflows/run"

    with sole_owner(jikko.home) as hold:
        hold.say(address="http://0.0.0.0:45123")
        assert asked(jikko, file, **other) == "http://127.0.0.1:45123/v1/workflows/run"
        public = "https://flows.example.com/jikko"
        assert asked(jikko, file, **other, JIKKO_PUBLIC_URL=f"{public}/") == f"{public}/v1/workflows/run"


def test_it_shows_the_same_to_people(jikko: Command, file: Path) -> None:
    output = jikko("show", file).out
    for part in (
        f"{file}: Show 見本 (workflow, DSL 0.6.0)",
        "text-input, required, at most 3 characters",
        'select, optional, one of S, 大, default "S"',
        "file, required, files of type document, given as local_file",
        "from think.text",
        "secret, EMPTY",
        "comment; actions yes, no; open for 1 h",
        f"jikko run {file} -i q=tex",
    ):
        assert part in output


def test_a_file_that_cannot_be_imported_leads_to_check(jikko: Command, tmp_path: Path) -> None:
    file = tmp_path / "x.yml"
    file.write_text(app("X", [start(), node("x", "if-elze")], "start>x"))
    outcome = jikko("show", file)
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err == f"{file}: cannot be imported; `jikko check` shows why\n"
    [entry] = jikko("show", file, "--json").lines
    assert entry == {"file": str(file), "error": "cannot be imported; `jikko check` shows why"}
