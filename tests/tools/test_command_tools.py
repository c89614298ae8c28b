"""The command ``jikko tools``."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from jikko.cli.main import cli
from tests.acceptance.test_knowledge_import import answering
from tests.acceptance.workflows import app, end, node, start
from tests.tools.scene import api


def called(tmp_path: Path, *arguments: str) -> tuple[int, list[dict[str, Any]], str]:
    result = CliRunner().invoke(cli, ["tools", *arguments, "--home", str(tmp_path)], env={"JIKKO_HTTP_ALLOW": ""})
    lines = [json.loads(line) for line in result.output.splitlines() if line.startswith("{")]
    return result.exit_code, lines, result.output


@pytest.fixture
def file(tmp_path: Path) -> str:
    entries = {
        "weather": api("http://a.test", "now", auth={"type": "api_key_header", "value": "${A_KEY_THAT_IS_NOT_SET}"}),
        "echo": api("http://a.test", "hello"),
        "shout": {"type": "workflow", "name": "shout", "app": "Shout"},
        "helper": {"type": "mcp", "url": "http://127.0.0.1:9/mcp"},
    }
    path = tmp_path / "tools.yml"
    path.write_text(json.dumps({"tools": entries}))
    return str(path)


def workflow(tmp_path: Path, **data: Any) -> str:
    path = tmp_path / "flow.yml"
    tool = node("Ask", "tool", **data)
    path.write_text(app("Flow", [start("q"), tool, end()], "start>Ask Ask>end"), encoding="utf-8")
    return str(path)


def test_it_lists_what_is_set_up_and_what_workflows_need(tmp_path: Path, file: str) -> None:
    source = workflow(tmp_path, provider_type="api", provider_id="b-id", provider_name="stocks", tool_name="price")
    code, lines, _ = called(tmp_path, "list", source, "--tools", file, "--json")

    assert code == 1
    by_tool = {line.get("tool"): line for line in lines if "provider" in line}
    assert by_tool["current_time"]["type"] == "builtin"
    assert by_tool["hello"]["takes"] == [{"name": "q", "type": "string", "required": False}]
    [need] = [line for line in lines if "workflow" in line]
    assert (need["node"], need["tool"], need["ok"]) == ("Ask", "stocks/price", False)
    assert "add under 'tools:' in" in need["hint"]
    assert '"b-id": {type: api, name: stocks' in need["hint"]


def test_a_workflow_whose_tools_are_there_is_a_success(tmp_path: Path, file: str) -> None:
    source = workflow(tmp_path, provider_type="api", provider_id="echo", tool_name="hello")
    code, _, output = called(tmp_path, "list", source, "--tools", file)

    assert (code, "ok       " in output) == (0, True)


def test_a_file_that_cannot_be_imported_is_named_and_is_no_success(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yml"
    broken.write_text("app: {}")
    code, _, output = called(tmp_path, "list", str(broken), str(tmp_path / "none.yml"))

    assert code == 1
    assert "broken.yml: cannot be imported" in output
    assert "none.yml: cannot be read" in output


def test_it_tries_each_provider(tmp_path: Path, file: str) -> None:
    code, lines, _ = called(tmp_path, "test", "--tools", file, "--json")

    assert code == 1
    assert {line["provider"]: line["ok"] for line in lines} == {
        "weather": False,
        "echo": True,
        "shout": False,
        "helper": False,
    }
    errors = {line["provider"]: line["error"] or "" for line in lines}
    assert "A_KEY_THAT_IS_NOT_SET" in errors["weather"]
    assert "may not be reached" in errors["helper"]
    assert called(tmp_path, "test", "echo", "--tools", file)[0] == 0


def test_it_calls_a_tool(tmp_path: Path) -> None:
    assert called(tmp_path, "call", "time/weekday", "year=2024", "month=2", "day=29")[::2] == (
        0,
        "February 29, 2024 is Thursday.\n",
    )
    _, [line], _ = called(tmp_path, "call", "time/weekday", "year=2024", "month=2", "day=29", "--json")
    assert line == {"message": "text", "text": "February 29, 2024 is Thursday."}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("time/weekday", "year=x"), "the parameter year must be a number"),
        (("time/weekday", "yaer=1"), "has no parameter yaer"),
        (("time/weekday", "year=2024"), "Month is required"),
        (("time/wekday",), "time has current_time"),
        (("tmie/weekday",), "did you mean 'time'?"),
        (("time/weekday", "year"), "is not NAME=VALUE"),
        (("time/weekday", "--app", "none"), "none"),
    ],
)
def test_a_call_that_fails_says_why(arguments: tuple[str, ...], message: str, tmp_path: Path) -> None:
    code, _, output = called(tmp_path, "call", *arguments)

    assert code != 0
    assert message in output
    assert "Traceback" not in output


def test_a_provider_is_found_by_its_key_before_one_of_that_name_slashes_and_all(tmp_path: Path) -> None:
    path = tmp_path / "tools.yml"
    entries = {
        "one": api("http://a.test", "x", name="作者/道具"),
        "作者/道具": api("http://127.0.0.1:1", "y", name="z"),
    }
    path.write_text(json.dumps({"tools": entries}))

    for tool, told in (
        ("作者/道具/y", "127.0.0.1 may not be reached"),
        ("z/y", "127.0.0.1 may not be reached"),
        ("作者/道具/x", "tool x not found; z has y"),
        ("作者/y", "no provider '作者'"),
    ):
        code, _, output = called(tmp_path, "call", tool, "--tools", str(path))
        assert code != 0
        assert told in output, output


def test_a_parameter_that_a_tool_has_not_is_an_error_of_who_called(tmp_path: Path) -> None:
    code, [error], _ = called(tmp_path, "call", "time/weekday", "yaer=1", "--json")

    assert (code, error["code"]) == (1, "invalid_param")


def test_of_many_tools_some_are_named_and_the_others_counted(tmp_path: Path) -> None:
    path = tmp_path / "tools.yml"
    path.write_text(json.dumps({"tools": {"many": api("http://a.test", *(f"tool{number}" for number in range(10)))}}))

    code, _, output = called(tmp_path, "test", "--tools", str(path))

    named = ", ".join(f"tool{number}" for number in range(8))
    assert (code, output) == (0, f"ok      api (many): {named}, and 2 more\n")


def test_what_a_tool_says_is_shown_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "tools.yml"
    with answering(200, '{"天気": "晴れ 🙂"}') as url:
        path.write_text(json.dumps({"tools": {"weather": api(url, "now")}}))
        arguments = ["tools", "call", "weather/now", "--tools", str(path), "--home", str(tmp_path)]
        outputs = [
            CliRunner().invoke(cli, [*arguments, *more], env={"JIKKO_HTTP_ALLOW": "127.0.0.1"}).output
            for more in ((), ("--json",))
        ]

    assert ["晴れ 🙂" in output for output in outputs] == [True, True], outputs


def test_a_broken_tools_file_ends_the_command_with_its_problems(tmp_path: Path) -> None:
    broken = tmp_path / "tools.yml"
    broken.write_text("tools: {a: {type: x}}")
    for command in (("list",), ("test",), ("call", "time/current_time")):
        code, _, output = called(tmp_path, *command, "--tools", str(broken))
        assert code != 0
        assert "line 1: tools.a.type: is 'x'" in output


def test_apps_that_are_mcp_servers_are_listed_and_tried(tmp_path: Path) -> None:
    path = tmp_path / "tools.yml"
    path.write_text(json.dumps({"mcp_servers": {"wfServerCode0001": {"app": "Gone", "status": "inactive"}}}))

    code, listed, _ = called(tmp_path, "list", "--tools", str(path), "--json")
    assert code == 0
    assert listed[-1] == {
        "type": "mcp_server",
        "app": "Gone",
        "address": "/mcp/server/wfServerCode0001/mcp",
        "active": False,
    }
    code, [tried], _ = called(tmp_path, "test", "--tools", str(path), "--json")
    assert (code, tried["ok"], "No app 'Gone'" in tried["error"]) == (1, False, True)
