"""Tools file: its content, and all of its problems at once, each with its line."""

from pathlib import Path

import pytest

from jikko.errors import InvalidFile, InvalidSettings
from jikko.ports.tools import ToolName
from jikko.tools.tools_file import (
    ApiProvider,
    McpProvider,
    WorkflowProvider,
    line_to_add,
    parse_tools_file,
    read_tools_file,
)

WHOLE = """
tools:
  a11c0000-0000-4000-8000-000000000001:
    type: api
    name: weather
    icon: {content: "☀️", background: "#FFF"}
    auth: {type: api_key_header, header: X-Key, value: "${KEY}", prefix: bearer}
    schema: |
      openapi: 3.0.3
      servers: [{url: "https://weather.test"}]
      paths: {/now: {get: {operationId: now}}}
  shout:
    type: workflow
    name: shout
    label: Shout
    description: says it loudly
    app: 大声
    parameters: [{name: s, form: llm, description: what}, {name: mode, form: form}]
  helper:
    type: mcp
    url: https://helper.test/mcp
    headers: {X-Token: "${TOKEN}"}
    timeout: 5
    known_tools: [{name: say, inputSchema: {properties: {n: {type: [integer, "null"]}}, required: [n]}}]
  local:
    type: mcp
    command: helper
    args: [--fast, 1]
    env: {A: b}
mcp_servers:
  wfServerCode0001: {app: Greeter, description: greets, parameters: {s: whom}, status: inactive}
"""


def test_it_describes_apis_apps_and_servers() -> None:
    file = parse_tools_file(WHOLE, {"KEY": "k", "TOKEN": "t"})
    weather, shout, helper, local = file.providers.values()

    assert isinstance(weather, ApiProvider)
    assert list(weather.operations) == ["now"]
    assert weather.auth is not None
    assert weather.auth.headers() == (("X-Key", "Bearer k"),)
    assert isinstance(shout, WorkflowProvider)
    assert (shout.app, [(one.name, one.form) for one in shout.parameters]) == ("大声", [("s", "llm"), ("mode", "form")])
    assert isinstance(helper, McpProvider)
    assert helper.name == "helper"
    assert helper.known_tools is not None
    assert [(one.name, one.type, one.required) for one in helper.known_tools["say"].parameters] == [
        ("n", "number", True)
    ]
    assert isinstance(local, McpProvider)
    assert local.command == ("helper", "--fast", "1")
    [served] = file.servers.values()
    assert (served.code, served.app, served.active) == ("wfServerCode0001", "Greeter", False)


def test_a_variable_that_is_not_set_is_no_error_of_the_file() -> None:
    file = parse_tools_file(WHOLE, {"KEY": ""})

    assert file.providers["helper"].unset == ("TOKEN",)
    assert file.providers["a11c0000-0000-4000-8000-000000000001"].unset == ("KEY",)
    assert file.providers["shout"].unset == ()


BROKEN = """\
tools:
  one:
    type: api
    shema: x
    schema: "openapi: 3"
  two: {type: htttp}
  three: {type: mcp, url: "nowhere", timeout: soon}
  four: {type: mcp}
  five: {type: workflow, parameters: [{form: both}]}
  six:
    type: api
    auth: {type: api_key_header, header: X, valeu: y}
    schema: 5
  seven: {}
mcp_servers:
  code: {status: off}
tolls: {}
"""


def test_all_problems_are_told_at_once_with_their_lines() -> None:
    with pytest.raises(InvalidSettings) as error:
        parse_tools_file(BROKEN, {}, source="tools.yml")

    problems = str(error.value).splitlines()
    assert problems[0].startswith("The tools file tools.yml has ")
    for line, message in {
        17: "tolls: is not known (did you mean 'tools'?)",
        4: "tools.one.shema: is not known (did you mean 'schema'?)",
        5: "tools.one.schema: is not an OpenAPI document",
        6: "tools.two.type: is 'htttp'",
        7: "tools.three.timeout: is 'soon' (expected seconds)",
        8: "tools.four: has neither url nor command",
        9: "tools.five.app: is missing",
        12: "tools.six.auth.value: is missing",
        14: "tools.seven.type: is missing (expected api, workflow, mcp)",
        16: "mcp_servers.code: is not a valid code: an address must be hard to guess (expected 16 to 128 letters",
    }.items():
        assert any(f"line {line}: {message}" in each for each in problems), (line, problems)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tools: [1", "line 2: is not YAML"),
        ("- a", "is not a mapping"),
        (b"\xff", "is not UTF-8"),
        ("tools: 5", "tools: is 5, not a mapping"),
        ("tools: {a: 5}", "tools.a: is 5, not a mapping"),
        ("tools: {a: {type: mcp, url: 'http://a b', headers: {X: \"a\\nb\"}}}", "no header can have"),
        ("a: &a [*a]", "tools file"),
    ],
)
def test_a_file_of_another_shape_is_refused(text: str | bytes, message: str) -> None:
    with pytest.raises(InvalidSettings, match=message):
        parse_tools_file(text, {})


def test_no_message_quotes_a_secret() -> None:
    text = "tools: {a: {type: api, auth: {type: api_key_header, value: \"${KEY}\"}, schema: '${KEY}'}}"
    with pytest.raises(InvalidSettings) as error:
        parse_tools_file(text, {"KEY": "sk-🗝️ of mine: {"})

    assert "of mine" not in str(error.value)


def test_an_empty_file_and_none_have_no_tools(tmp_path: Path) -> None:
    empty = tmp_path / "tools.yml"
    empty.write_text("")

    assert read_tools_file(None, {}).providers == {}
    assert read_tools_file(empty, {}).providers == {}


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match=r"nothing\.yml cannot be read: No such file"):
        read_tools_file(tmp_path / "nothing.yml", {})


@pytest.mark.parametrize("kind", ["api", "workflow", "mcp"])
def test_the_line_to_add_is_one_that_can_be_read(kind: str) -> None:
    name = ToolName(provider_type=kind, provider="some-id", tool="do", provider_name="thing")
    line = (
        line_to_add(name)
        .replace("…", "x")
        .replace("openapi: 3.0.3 x", "{paths: {/: {get: {}}}, servers: [{url: 'http://a'}]}")
    )

    assert "some-id" in parse_tools_file(f"tools:\n{line.replace('{name: x}', '{name: a}')}\n", {}).providers


def test_problems_are_told_in_the_language_of_the_reader() -> None:
    with pytest.raises(InvalidFile) as error:
        parse_tools_file("tools:\n  天気 \ue000:\n    type: mcp\n    timeout: soon\n", {}, source="tools.yml")
    first, second, third = error.value.what.text("ja").splitlines()
    assert first == "ツールのファイル tools.yml に問題が 2 件あります:"
    assert second == "  2 行目: tools.天気 \ue000: url も command もありません（どちらか一つにしてください）"
    assert third == "  4 行目: tools.天気 \ue000.timeout: 'soon' は使えません（秒数を指定してください）"
    assert str(error.value).startswith(
        "The tools file tools.yml has 2 problems:\n  line 2: tools.天気 \ue000: has neither"
    )
