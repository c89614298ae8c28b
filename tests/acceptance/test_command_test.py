"""``jikko test``: cases of a test file against the real engine, with the world outside mocked."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.case_files import BRANCHES, FETCHES, kept, outcomes, told
from tests.acceptance.echo import EchoServer
from tests.acceptance.processes import Command
from tests.acceptance.workflows import (
    app,
    end,
    fetch,
    form,
    iteration,
    node,
    python,
    start,
)

MODEL = {"provider": "langgenius/openai/openai", "name": "gpt-4o", "mode": "chat", "completion_params": {}}
LLM: dict[str, Any] = {
    "model": MODEL,
    "prompt_template": [{"role": "user", "text": "Answer {{#start.q#}}"}],
    "context": {"enabled": False, "variable_selector": []},
    "vision": {"enabled": False},
}


def test_cases_pass_and_fail_by_what_the_workflow_really_does(jikko: Command, tmp_path: Path) -> None:
    path = kept(
        tmp_path,
        BRANCHES,
        {"name": "高い", "inputs": {"q": "high 🚑"}, "expect": {"outputs": {"x": "HIGH high 🚑"}, "path": ["high"]}},
        {"name": "wrong", "inputs": {"q": "x"}, "expect": {"outputs": {"x": "HIGH x"}, "not_run": ["low"]}},
    )

    outcome = jikko("test", path)

    assert outcome.code == 1
    assert "✓ 高い" in outcome.out
    assert 'outputs.x: expected "HIGH x", got "low x"' in outcome.out
    assert "not_run: 'low' ran" in outcome.out
    line = (tmp_path / "flow.yml").read_text().splitlines().index('     "id": "low",') + 1
    assert f"flow.yml:{line + 1}: low" in outcome.out
    assert "path: start → route → low → out → end" in outcome.out
    assert outcome.out.splitlines()[-1].startswith("1 passed, 1 failed in ")


def test_a_workflow_stands_for_the_test_file_beside_it_and_a_folder_for_all_below(
    jikko: Command, tmp_path: Path
) -> None:
    kept(tmp_path, BRANCHES, {"name": "one", "inputs": {"q": "x"}})

    assert [each["case"] for each in told(jikko("test", tmp_path / "flow.yml", "--json"))] == ["one"]
    assert [each["case"] for each in told(jikko("test", tmp_path, "--json"))] == ["one"]
    assert jikko("test", tmp_path, "-k", "two").code == 2


def test_a_call_to_the_outside_without_a_mock_is_an_error_and_reaches_nothing(jikko: Command, tmp_path: Path) -> None:
    path = kept(tmp_path, FETCHES, {"name": "fetched", "inputs": {"q": "a"}, "expect": {"status": "failed"}})

    found = outcomes(jikko, path)["fetched"]

    assert found.startswith("error | 'get' calls GET https://shop.example/a: no rule in `http` answers it")


def test_requests_are_answered_by_the_first_rule_that_fits(jikko: Command, tmp_path: Path) -> None:
    path = kept(
        tmp_path,
        FETCHES,
        {"name": "a", "inputs": {"q": "a"}, "expect": {"outputs": {"body": {"contains": "円"}, "status": 201}}},
        {
            "name": "b",
            "inputs": {"q": "b"},
            "http": [{"url": {"matches": "/b$"}, "error": "timeout"}],
            "expect": {"error": {"contains": "timeout"}},
        },
        http=[{"url": "https://shop.example/a", "status": 201, "json": {"price": "12 円"}}],
    )

    assert outcomes(jikko, path) == {"a": "passed", "b": "passed"}


def test_a_node_is_answered_one_after_the_other_and_is_tried_again_as_the_workflow_says(
    jikko: Command, tmp_path: Path
) -> None:
    retried = {"retry_config": {"retry_enabled": True, "max_retries": 2, "retry_interval": 60_000}}
    workflow = app(
        "Retries", [start("q"), fetch("get", "https://x.example", **retried), end(b="get.body")], "start>get>end"
    )
    case = {"mocks": {"get": [{"error": "down"}, {"outputs": {"body": "up"}}]}}
    path = kept(
        tmp_path,
        workflow,
        {"name": "again", **case, "expect": {"outputs": {"b": "up"}, "nodes": {"get": {"attempts": 2}}}},
        {"name": "too often", "mocks": {"get": [{"error": "down"}, {"error": "down"}]}},
    )

    found = outcomes(jikko, path)

    assert found["again"] == "passed"
    assert found["too often"].startswith("error | the mock of 'get' has 2 answers, and the node runs once more")


def test_rounds_of_an_iteration_take_one_answer_each(jikko: Command, tmp_path: Path) -> None:
    body = fetch("get", "https://x.example/{{#each.item#}}")
    split = python("split", "def main(q):\n    return {'out': q.split()}\n", {"out": "array[string]"}, q="start.q")
    nodes = [start("q"), split, *iteration("each", "split.out", "get.body", body), end(x="each.output")]
    workflow = app("Rounds", nodes, "start>split split>each each>end each-start>get")
    mocks = {"get": [{"outputs": {"body": text}} for text in ("一", "二")]}
    path = kept(
        tmp_path,
        workflow,
        {"name": "rounds", "inputs": {"q": "a b"}, "mocks": mocks, "expect": {"outputs": {"x": ["一", "二"]}}},
        {
            "name": "the whole of it",
            "inputs": {"q": "a b"},
            "mocks": {"each": {"outputs": {"output": ["m"]}}},
            "expect": {"outputs": {"x": ["m"]}, "not_run": ["get"]},
        },
    )

    assert outcomes(jikko, path) == {"rounds": "passed", "the whole of it": "passed"}


def test_a_mock_decides_the_branch(jikko: Command, tmp_path: Path) -> None:
    path = kept(
        tmp_path,
        BRANCHES,
        {
            "name": "by its name",
            "inputs": {"q": "x"},
            "mocks": {"route": {"branch": "true"}},
            "expect": {"outputs": {"x": "HIGH x"}},
        },
        {"name": "for itself", "inputs": {"q": "x"}, "expect": {"outputs": {"x": "low x"}}},
    )

    assert outcomes(jikko, path) == {"by its name": "passed", "for itself": "passed"}


def test_mocks_of_a_case_come_first_however_they_name_the_node(jikko: Command, tmp_path: Path) -> None:
    asks = form("ask", "Fine?") | {"data": form("ask", "Fine?")["data"] | {"title": "Ask a person"}}
    fetches = fetch("get", "https://x.example")
    fetches["data"]["title"] = "Fetch"
    nodes = [start("q"), fetches, asks, end("yes", x="get.body"), end("no")]
    path = kept(
        tmp_path,
        app("Asks", nodes, "start>get>ask ask:yes>yes ask:no>no"),
        {
            "name": "first",
            "mocks": {"Fetch": {"outputs": {"body": "円"}}},
            "forms": {"Ask a person": {"action": "yes", "values": {"comment": ""}}},
            "expect": {"outputs": {"x": "円"}, "path": ["yes"], "error": None},
        },
        mocks={"get": {"outputs": {"body": "file's"}}},
        forms={"ask": {"action": "no"}},
    )

    assert outcomes(jikko, path) == {"first": "passed"}


def test_a_list_without_answers_is_a_problem(jikko: Command, tmp_path: Path) -> None:
    path = kept(tmp_path, BRANCHES, {"name": "a", "mocks": {"low": []}})

    outcome = jikko("test", path)

    assert (outcome.code, "cases[0].mocks.low: is empty" in outcome.err) == (2, True)


def test_models_are_answered_by_their_prompt_and_counted(jikko: Command, tmp_path: Path) -> None:
    workflow = app("Drafts", [start("q"), node("Draft", "llm", **LLM), end(x="Draft.text")], "start>Draft>end")
    path = kept(
        tmp_path,
        workflow,
        {
            "name": "answered",
            "inputs": {"q": "返金"},
            "models": [
                {"node": "Draft", "prompt": {"contains": "返金"}, "answer": "はい", "tokens": 40, "price": 0.01}
            ],
            "expect": {"outputs": {"x": "はい"}, "budget": {"model_calls": 1, "tokens": 40, "price": 0.01}},
        },
        {
            "name": "too dear",
            "inputs": {"q": "x"},
            "models": [{"answer": "yes", "tokens": 41, "price": 0.02}],
            "expect": {"budget": {"tokens": 40, "price": 0.01, "model_calls": 0}},
        },
        {
            "name": "down",
            "inputs": {"q": "x"},
            "models": [{"error": "InvokeRateLimitError"}],
            "expect": {"error": {"contains": "RateLimit"}},
        },
        {"name": "faked", "inputs": {"q": "x"}, "outside": "fake", "expect": {"outputs": {"x": {"contains": "fake"}}}},
        {"name": "refused", "inputs": {"q": "x"}},
    )

    found = outcomes(jikko, path)

    assert [found[name] for name in ("answered", "down", "faked")] == ["passed"] * 3
    assert found["too dear"].split(" | ") == [
        "failed",
        "expected at most 0, got 1",
        "expected at most 40, got 41",
        "expected at most 0.01, got 0.02",
    ]
    assert found["refused"].startswith("error | 'Draft' calls model openai/gpt-4o (prompt: \"Answer x\")")


def test_tools_and_searches_are_answered(jikko: Command, tmp_path: Path) -> None:
    tool = node(
        "Weather",
        "tool",
        provider_type="api",
        provider_id="weather",
        provider_name="weather",
        tool_name="current",
        tool_parameters={"city": {"type": "mixed", "value": "{{#start.q#}}"}},
        tool_configurations={},
    )
    search = node(
        "Find",
        "knowledge-retrieval",
        query_variable_selector=["start", "q"],
        dataset_ids=["11111111-1111-4111-8111-111111111111"],
        retrieval_mode="multiple",
        multiple_retrieval_config={"top_k": 3, "score_threshold": None, "reranking_enable": False},
    )
    workflow = app(
        "Looks", [start("q"), tool, search, end(w="Weather.text", f="Find.result")], "start>Weather>Find>end"
    )
    path = kept(
        tmp_path,
        workflow,
        {
            "name": "found",
            "inputs": {"q": "京都"},
            "tools": [{"tool": "weather/current", "parameters": {"city": "京都"}, "text": "雨"}],
            "knowledge": [{"query": "京都", "passages": [{"content": "寺", "title": "guide.md", "score": 0.9}]}],
            "expect": {"outputs": {"w": "雨", "f": [{"content": "寺"}]}},
        },
    )

    assert outcomes(jikko, path) == {"found": "passed"}


def test_forms_are_filled_in_expire_or_are_left_open(jikko: Command, tmp_path: Path) -> None:
    nodes = [start("q"), form("Ask", "Fine?"), end("yes", c="Ask.comment"), end("no"), end("late", q="start.q")]
    workflow = app("Asks", nodes, "start>Ask Ask:yes>yes Ask:no>no Ask:__timeout>late")
    path = kept(
        tmp_path,
        workflow,
        {
            "name": "filled in",
            "forms": {"Ask": {"action": "Yes", "values": {"comment": "良い"}}},
            "expect": {"outputs": {"c": "良い"}, "path": ["Ask", "yes"]},
        },
        {"name": "expired", "inputs": {"q": "x"}, "forms": {"Ask": "timeout"}, "expect": {"path": ["Ask", "late"]}},
        {"name": "in a list", "inputs": {"q": "x"}, "forms": {"Ask": ["timeout"]}, "expect": {"path": ["late"]}},
        {"name": "waits", "expect": {"waits_for": "Ask"}},
        {"name": "forgotten"},
    )

    found = outcomes(jikko, path)

    assert [found[name] for name in ("filled in", "expired", "in a list", "waits")] == ["passed"] * 4
    assert found["forgotten"].startswith("failed | expected succeeded, got paused: it waits for the form of Ask")


def test_a_default_of_a_form_names_no_file(jikko: Command, tmp_path: Path) -> None:
    asks = form("Ask", "Fine?")
    asks["data"]["inputs"][0]["default"] = {"type": "variable", "selector": ["start", "q"], "value": ""}
    nodes = [start("q"), asks, end("yes", c="Ask.comment"), end("no")]
    case = {"inputs": {"q": "@@flow.yml"}, "forms": {"Ask": {"action": "yes"}}}
    path = kept(
        tmp_path,
        app("Asks", nodes, "start>Ask Ask:yes>yes Ask:no>no"),
        {"name": "as it is", **case, "expect": {"outputs": {"c": "@flow.yml"}}},
    )

    assert outcomes(jikko, path) == {"as it is": "passed"}


def test_a_file_that_is_no_yaml_is_told_of_once_with_its_place(jikko: Command, tmp_path: Path) -> None:
    path = kept(tmp_path, BRANCHES)
    path.write_text("cases: [", encoding="utf-8")

    outcome = jikko("check", path)

    assert outcome.code == 1
    assert "line 1" not in outcome.out
    assert "problems in the test file: 1" in outcome.out


def test_a_conversation_goes_over_several_turns(jikko: Command, tmp_path: Path) -> None:
    path = tmp_path / "list.test.yml"
    list_ = Path(__file__).parents[2] / "examples" / "shopping-list.yml"
    turns = [
        {"say": "milk and bread", "expect": {"answer": {"contains": "On your list: 2"}}},
        {"say": "clear", "expect": {"answer": {"contains": "empty"}, "path": ["Read", "Keep", "Reply"]}},
        {"say": "what?", "expect": {"answer": {"contains": "On your list: 1"}}},
    ]
    path.write_text(json.dumps({"workflow": str(list_), "cases": [{"name": "a talk", "turns": turns}]}))

    [found] = told(jikko("test", path, "--json"))

    assert [(each["where"], each["text"]) for each in found["problems"]] == [
        ("turns[2].answer", 'expected contains "On your list: 1", got "On your list: 0\\n"')
    ]


def test_the_clock_begins_where_the_case_says(jikko: Command, tmp_path: Path) -> None:
    when = node(
        "when",
        "tool",
        provider_type="builtin",
        provider_id="time",
        provider_name="time",
        tool_name="current_time",
        tool_parameters={},
        tool_configurations={"timezone": "UTC", "format": "%Y-%m-%d"},
    )
    workflow = app("Time", [start("q"), when, end(t="when.text")], "start>when>end")
    path = kept(
        tmp_path,
        workflow,
        {
            "name": "then",
            "clock": "2031-02-03T00:00:00+09:00",
            "outside": "live",
            "expect": {"outputs": {"t": "2031-02-02"}},
        },
    )

    assert outcomes(jikko, path) == {"then": "passed"}


def test_a_case_runs_once_for_each_row(jikko: Command, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("q,x\nhigh,HIGH high\nx,low x\n", encoding="utf-8")
    path = kept(
        tmp_path,
        BRANCHES,
        {"name": "row", "rows": "rows.csv", "inputs": {"q": "$row.q"}, "expect": {"outputs": {"x": "$row.x"}}},
        {"name": "of $row.q", "rows": [{"q": "z"}], "inputs": {"q": "$row.q"}},
        {"name": "later", "skip": "not yet"},
    )

    assert outcomes(jikko, path) == {"row [1]": "passed", "row [2]": "passed", "of z": "passed", "later": "skipped"}


def test_all_that_is_wrong_with_a_file_is_told_at_once_with_its_line(jikko: Command, tmp_path: Path) -> None:
    (tmp_path / "flow.yml").write_text(BRANCHES)
    path = tmp_path / "flow.test.yml"
    path.write_text(
        "mocks: {rout: {outputs: {}}, route: {branch: maybe}}\n"
        "cases:\n"
        "- name: a\n"
        "  input: {q: x}\n"
        "  expect: {path: [hihg], outputs: {x: {matches: '('}}, status: suceeded}\n"
        "- name: a\n"
        "  clock: 2026-11-30T09:00\n"
        "  turns: [{say: x}]\n"
        "  rows: missing.csv\n"
    )

    outcome = jikko("test", path)

    assert (outcome.code, outcome.out) == (2, "")
    assert [line.removeprefix(f"{path}:") for line in outcome.err.splitlines() if line.startswith(str(path))] == [
        "1:9: mocks.rout: no node has the id or title 'rout' (did you mean 'route'?)",
        "1:30: mocks.route: 'maybe' is not a branch of the node 'route' (expected one of false, true)",
        "4:3: cases[0].input: is not known (did you mean 'inputs'?)",
        "5:19: cases[0].expect.path[0]: no node has the id or title 'hihg' (did you mean 'high'?)",
        "5:40: cases[0].expect.outputs.x.matches: '(' is not a regular expression: "
        "missing ), unterminated subpattern at position 0",
        "5:56: cases[0].expect.status: is 'suceeded' (did you mean 'succeeded'?)",
        "6:3: cases[1].name: another case is called 'a'",
        "7:3: cases[1].clock: is '2026-11-30T09:00' (expected 2026-11-30T09:00:00+09:00)",
        "8:3: cases[1].turns: the workflow is not a chat and answers no questions",
        "9:3: cases[1].rows: cannot be read: No such file or directory",
    ]


def test_a_wrong_file_is_told_of_in_japanese(jikko: Command, tmp_path: Path) -> None:
    path = kept(tmp_path, BRANCHES, {"name": "a", "mocks": {"なし": {"outputs": {}}}})

    outcome = jikko("test", path, "--lang", "ja")

    assert outcome.code == 2
    assert "ID またはタイトルが 'なし' のノードはありません" in outcome.err


def test_a_workflow_that_cannot_be_imported_ends_with_8(jikko: Command, tmp_path: Path) -> None:
    path = kept(tmp_path, "kind: app\n", {"name": "a"})

    outcome = jikko("test", path)

    assert outcome.code == 8
    assert f"`jikko check {tmp_path / 'flow.yml'}` shows why" in outcome.err


def test_test_files_are_no_workflows(jikko: Command, tmp_path: Path) -> None:
    kept(tmp_path, BRANCHES, {"name": "a", "inputs": {"q": "x"}})

    synced = jikko("apps", "sync", tmp_path, "--json")

    assert [json.loads(line)["outcome"] for line in synced.out.splitlines()] == ["new"]


def test_the_schema_describes_a_file_that_is_right(jikko: Command) -> None:
    import jsonschema
    import yaml

    schema = json.loads(jikko("schema", "test").out)
    example = (Path(__file__).parents[2] / "examples" / "support-triage.test.yml").read_text(encoding="utf-8")

    jsonschema.validate(yaml.safe_load(example), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"cases": [{"name": "a", "input": {}}]}, schema)


def test_the_examples_are_as_their_test_files_say(jikko: Command) -> None:
    outcome = jikko("test", Path(__file__).parents[2] / "examples")

    assert outcome.code == 0, outcome.out


def test_a_file_of_an_input_is_not_fetched_from_elsewhere(jikko: Command, tmp_path: Path, echo: EchoServer) -> None:
    methods = {"allowed_file_types": ["document"], "allowed_file_upload_methods": ["remote_url"]}
    variable = {"variable": "f", "label": "f", "type": "file", "required": True, **methods}
    reads = node("read", "document-extractor", variable_selector=["start", "f"], is_array_file=False)
    nodes = [node("start", "start", variables=[variable]), reads, end(t="read.text")]
    file = {"transfer_method": "remote_url", "type": "document", "url": f"{echo.url}/elsewhere.txt"}
    path = kept(tmp_path, app("Reads", nodes, "start>read>end"), {"name": "far", "inputs": {"f": file}})

    found = told(jikko("test", path, "--json", JIKKO_HTTP_ALLOW="127.0.0.1"))

    assert [each["outcome"] for each in found] == ["error"]
    assert echo.calls("/elsewhere.txt") == []


def test_a_conversation_as_a_whole_has_a_path_and_a_budget(jikko: Command, tmp_path: Path) -> None:
    reply = node("Reply", "answer", answer="{{#Draft.text#}}")
    llm = {**LLM, "prompt_template": [{"role": "user", "text": "{{#sys.query#}}"}]}
    nodes = [start(), node("Draft", "llm", **llm), reply]
    talk = app("Talk", nodes, "start>Draft>Reply", mode="advanced-chat")
    turns: list[dict[str, Any]] = [
        {"say": "はい", "expect": {"answer": "円 🚑"}},
        {"say": "down", "expect": {"status": "failed"}},
    ]
    models = [{"prompt": "down", "error": "no"}, {"answer": "円 🚑", "tokens": 30}]
    whole = {"path": ["Reply", "Draft"], "budget": {"model_calls": 2, "tokens": 30}}
    path = kept(
        tmp_path,
        talk,
        {"name": "within", "turns": turns, "expect": whole},
        {"name": "over", "turns": [turns[0], turns[0]], "expect": {"budget": {"tokens": 59, "model_calls": 1}}},
        models=models,
    )

    found = outcomes(jikko, path)

    assert found["within"] == "passed"
    assert found["over"] == "failed | expected at most 1, got 2 | expected at most 59, got 60"
