"""``jikko replay``: recorded runs on a changed workflow."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.echo import EchoServer
from tests.acceptance.processes import Command
from tests.acceptance.workflows import (
    app,
    end,
    fetch,
    first_of,
    form,
    if_contains,
    iteration,
    node,
    python,
    start,
    template,
    with_environment,
)

GREETING = app(
    "Greets",
    [
        start("q"),
        if_contains("route", "start.q", "!"),
        template("loud", "HELLO {{ q }} 🚑", q="start.q"),
        template("calm", "hello {{ q }}", q="start.q"),
        first_of("out", "loud.output", "calm.output"),
        end(x="out.output"),
    ],
    "start>route route:true>loud>out route:false>calm>out out>end",
)


def kept(folder: Path, text: str, name: str = "flow.yml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def ran(jikko: Command, flow: Path, *questions: str, **settings: str) -> list[str]:
    """The ids of runs of a flow, one for each question."""
    for question in questions:
        jikko("run", flow, "-i", f"q={question}", "--keep", "--fake-models", **settings)
    listed = jikko("runs", "list", "--json").lines
    return [each["workflow_run_id"] for each in reversed(listed[: len(questions)])]


def replayed(jikko: Command, *options: str | Path, **settings: str) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """What became of each run, by its id; and the summary."""
    lines = jikko("replay", *options, "--json", **settings).lines
    return {each["run"]: each for each in lines[:-1]}, lines[-1]["summary"]


def model(node_id: str, text: str, **parameters: Any) -> dict[str, Any]:
    return node(
        node_id,
        "llm",
        model={"provider": "openai", "name": "gpt", "mode": "chat", "completion_params": parameters},
        prompt_template=[{"role": "user", "text": text}],
        context={"enabled": False, "variable_selector": []},
        vision={"enabled": False},
    )


def test_runs_on_the_version_that_they_were_of_are_the_same_and_nothing_is_recorded(
    jikko: Command, tmp_path: Path
) -> None:
    ran(jikko, kept(tmp_path, GREETING), "円", "円!")

    outcome = jikko("replay", "--app", "Greets")

    assert outcome.code == 0, outcome.err
    assert outcome.out.splitlines()[0].split() == ["2", "same"]
    assert len(jikko("runs", "list", "--json").lines) == 2


def test_another_result_is_told_with_the_run_that_differs_least_and_where(jikko: Command, tmp_path: Path) -> None:
    calm, loud = ran(jikko, kept(tmp_path, GREETING), "円", "円!")
    changed = kept(tmp_path, GREETING.replace("HELLO", "HALLO"), "changed.yml")

    outcome = jikko("replay", "--app", "Greets", "--against", changed)
    results, summary = replayed(jikko, "--app", "Greets", "--against", changed)

    assert outcome.code == 1
    assert f"{loud}  loud, out, end" in outcome.out
    assert 'outputs/x: "HELLO 円! 🚑" → "HALLO 円! 🚑"' in outcome.out
    assert results[calm]["outcome"] == "same"
    assert results[loud]["outcome"] == "other_result"
    assert results[loud]["where"] == ["loud", "out", "end"]
    assert results[loud]["difference"]["path"] == "/outputs/x"
    assert (summary["runs"], summary["same"], summary["other_result"]) == (2, 1, 1)


def test_a_request_that_is_another_one_now_is_assumed_or_fails_or_is_made(
    jikko: Command, tmp_path: Path, echo: EchoServer
) -> None:
    flow = app(
        "Fetches",
        [start("q"), fetch("get", f"{echo.url}/{{{{#start.q#}}}}"), end(x="get.status_code")],
        "start>get>end",
    )
    [run] = ran(jikko, kept(tmp_path, flow), "a")
    changed = kept(tmp_path, flow.replace(f"{echo.url}/", f"{echo.url}/v2/"), "changed.yml")

    nearest, _ = replayed(jikko, run, "--against", changed)
    strict, _ = replayed(jikko, run, "--against", changed, "--mode", "strict")

    assert (nearest[run]["outcome"], nearest[run]["assumed"]) == ("same_result", 1)
    assert nearest[run]["difference"]["path"] == "/request"
    assert "/v2/a" in nearest[run]["difference"]["after"]
    assert (strict[run]["outcome"], strict[run]["where"]) == ("fails_now", ["get"])
    assert echo.calls("/v2/a") == []
    live, summary = replayed(jikko, run, "--against", changed, "--mode", "live")
    assert (live[run]["outcome"], live[run]["asked"], summary["asked"]) == ("same_result", 1, 1)
    assert len(echo.calls("/v2/a")) == 1
    limited, _ = replayed(jikko, run, "--against", changed, "--mode", "live", "--price", "0")
    assert (limited[run]["outcome"], limited[run]["reason"]) == ("unknown", "the limit of 0.0 for models is reached")


def test_what_was_never_asked_is_unknown_from_there(jikko: Command, tmp_path: Path, echo: EchoServer) -> None:
    [run] = ran(jikko, kept(tmp_path, GREETING), "円")
    nodes = [start("q"), template("calm", "hello {{ q }}", q="start.q"), fetch("ask", echo.url), end(x="ask.body")]
    changed = kept(tmp_path, app("Greets", nodes, "start>calm>ask>end"), "changed.yml")

    outcome = jikko("replay", run, "--against", changed)
    results, _ = replayed(jikko, run, "--against", changed)

    assert outcome.code == 1
    assert "ask: nothing like it was asked" in outcome.out
    assert (results[run]["outcome"], results[run]["where"][-1]) == ("unknown", "ask")
    strict, _ = replayed(jikko, run, "--against", changed, "--mode", "strict")
    assert (strict[run]["outcome"], strict[run]["difference"]["path"]) == ("fails_now", "/request")


def test_forms_retries_and_rounds_side_by_side_are_as_they_were_with_all_the_outside_gone(
    jikko: Command, tmp_path: Path
) -> None:
    echo = EchoServer()
    retried = {"retry_config": {"retry_enabled": True, "max_retries": 1, "retry_interval": 0}}
    nodes = [
        start("q"),
        python("split", "def main(q):\n    return {'out': q.split()}\n", {"out": "array[string]"}, q="start.q"),
        *iteration("each", "split.out", "get.body", fetch("get", f"{echo.url}/{{{{#each.item#}}}}"), parallel=3),
        fetch("gone", "http://127.0.0.1:1/", error_strategy="fail-branch", **retried),
        form("Ask", "{{#each.output#}} fine?"),
        end("end", x="each.output", c="Ask.comment", e="gone.error_message"),
    ]
    edges = "start>split>each>gone gone:fail-branch>Ask Ask:yes>end each-start>get"
    flow = kept(tmp_path, app("All", nodes, edges))
    [run] = ran(jikko, flow, "a 円 🚑")
    submitted = jikko("runs", "submit", run, "-i", "comment=良い", "--action", "yes")
    echo.close()

    results, _ = replayed(jikko, run)

    assert submitted.code == 0, submitted.err
    assert results[run]["outcome"] == "same", results
    changed = kept(tmp_path, app("All", nodes, edges).replace('"id": "yes"', '"id": "ja"').replace("Ask:yes", "Ask:ja"))
    results, _ = replayed(jikko, run, "--against", changed)
    assert (results[run]["outcome"], results[run]["reason"]) == ("unknown", "its form no longer has the button yes")


def test_a_form_that_a_repeated_run_took_over_is_as_it_was_submitted(jikko: Command, tmp_path: Path) -> None:
    def text(asks: str, title: str) -> str:
        asked = form("Ask", f"{{{{#start.q#}}}} {asks} {{{{#$output.comment#}}}}")
        asked["data"]["user_actions"][0]["title"] = title
        fails = python("fail", "def main(c):\n    return 1 / 0\n", {"x": "number"}, c="Ask.comment")
        return app("Asks", [start("q"), asked, fails, end(x="fail.x")], "start>Ask Ask:yes>fail>end")

    [first] = ran(jikko, kept(tmp_path, text("良い?", "はい")), "🚑")
    jikko("runs", "submit", first, "-i", "comment=良い", "--action", "yes")
    jikko("runs", "retry", first, "--from", "fail", "--wait")
    run = jikko("runs", "list", "--json").lines[0]["workflow_run_id"]
    assert run != first

    same, _ = replayed(jikko, run)
    asks, _ = replayed(jikko, run, "--against", kept(tmp_path, text("悪い?", "はい"), "asks.yml"))
    titled, _ = replayed(jikko, run, "--against", kept(tmp_path, text("良い?", "うん"), "titled.yml"))

    assert (same[run]["outcome"], same[run]["assumed"]) == ("same", 0), same
    assert (asks[run]["outcome"], asks[run]["assumed"]) == ("same_result", 1)
    assert asks[run]["difference"]["path"] == "/form/form_content"
    assert titled[run]["difference"]["path"] == "/settings/user_actions/0/title"


def test_a_setting_that_no_log_tells_is_compared_with_the_version_of_the_run(jikko: Command, tmp_path: Path) -> None:
    def text(**parameters: Any) -> str:
        nodes = [start("q"), model("Draft", "Say {{#start.q#}} 円", **parameters), end(x="Draft.text")]
        return app("Drafts", nodes, "start>Draft>end")

    flow, changed = kept(tmp_path, text(temperature=0.1)), kept(tmp_path, text(temperature=0.9), "changed.yml")
    [run] = ran(jikko, flow, "🚑")
    assert jikko("runs", "export", tmp_path / "runs.jsonl").code == 0

    results, _ = replayed(jikko, run, "--against", changed)
    export = "--from", tmp_path / "runs.jsonl", "--against", changed
    without, summary = replayed(jikko, *export)
    compared, _ = replayed(jikko, *export, "--before", flow)

    assert results[run]["difference"] == {
        "path": "/settings/model/completion_params/temperature",
        "before": 0.1,
        "after": 0.9,
    }
    assert (without[run]["outcome"], summary["unknown_versions"]) == ("same", 1)
    assert compared[run]["difference"] == results[run]["difference"]
    assert compared[run]["assumed"] == 1


def test_a_prompt_that_is_the_same_though_its_template_is_not_gets_its_answer(jikko: Command, tmp_path: Path) -> None:
    def text(prompt: str) -> str:
        return app("Drafts", [start("q"), model("Draft", prompt), end(x="Draft.text")], "start>Draft>end")

    [run] = ran(jikko, kept(tmp_path, text("Say {{#start.q#}}")), "🚑")

    same, _ = replayed(jikko, run, "--against", kept(tmp_path, text("Say 🚑")))
    other, _ = replayed(jikko, run, "--against", kept(tmp_path, text("Tell {{#start.q#}}")))

    assert (same[run]["outcome"], same[run]["assumed"]) == ("same", 0)
    assert (other[run]["outcome"], other[run]["assumed"]) == ("same_result", 1)
    assert other[run]["difference"]["path"] == "/prompts/0/text"


def test_a_run_that_failed_works_now_and_one_that_worked_fails(jikko: Command, tmp_path: Path) -> None:
    def text(code: str) -> str:
        source = f"def main(q):\n    return {{'x': {code}}}\n"
        nodes = [start("q"), python("divide", source, {"x": "number"}, q="start.q"), end(x="divide.x")]
        return app("Divides", nodes, "start>divide>end")

    zero, one = ran(jikko, kept(tmp_path, text("1 / int(q)")), "0", "1")

    results, _ = replayed(jikko, "--app", "Divides", "--against", kept(tmp_path, text("1 / (1 - int(q))")))

    assert (results[zero]["outcome"], results[one]["outcome"]) == ("works_now", "fails_now")


def test_what_a_program_drew_by_chance_or_read_from_the_clock_is_taken_from_the_log(
    jikko: Command, tmp_path: Path
) -> None:
    source = "import random\nimport time\ndef main(q):\n    return {'x': f'{q} {random.random()} {time.time()}'}\n"
    nodes = [start("q"), python("draw", source, {"x": "string"}, q="start.q"), end(x="draw.x")]
    [run] = ran(jikko, kept(tmp_path, app("Draws", nodes, "start>draw>end")), "円")

    results, _ = replayed(jikko, run)

    assert results[run]["outcome"] == "same"


def test_secrets_are_neither_told_nor_a_difference(jikko: Command, tmp_path: Path, echo: EchoServer) -> None:
    nodes = [start("q"), fetch("get", f"{echo.url}/{{{{#env.key#}}}}"), end(x="get.status_code")]
    flow = with_environment(app("Secret", nodes, "start>get>end"), key=("secret", "sésame-1"))
    [run] = ran(jikko, kept(tmp_path, flow), "a")

    results, _ = replayed(jikko, run)
    changed = kept(tmp_path, flow.replace(f"{echo.url}/", f"{echo.url}/x/"))
    other = jikko("replay", run, "--against", changed)

    assert results[run]["outcome"] == "same", results
    assert "request" in other.out
    assert "sésame-1" not in other.out


def test_an_input_that_is_required_now_is_a_failure(jikko: Command, tmp_path: Path) -> None:
    [run] = ran(jikko, kept(tmp_path, GREETING), "円")
    content = json.loads(GREETING)
    content["workflow"]["graph"]["nodes"][0] = start("q", "name", required=True)

    results, _ = replayed(jikko, run, "--against", kept(tmp_path, json.dumps(content)))

    assert (results[run]["outcome"], results[run]["difference"]["path"]) == ("fails_now", "/inputs")
    assert "name is required" in results[run]["difference"]["after"]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda line: line[: len(line) // 2], "line 1 is not a run"),
        (lambda line: line.replace('"format":2', '"format":99'), "format 99"),
        (lambda line: line.replace('"event":"node_finished"', '"event":"node_dreamt"', 1), "a newer version of Jikko"),
        (lambda line: line.replace('"node_id":"', '"node_id":"other-'), "it is a run of another workflow"),
        (lambda line: line.replace('"outputs":{', '"outputs":7,"x":{', 1), "line 1 is not a run"),
    ],
    ids=["cut", "newer format", "newer event", "another workflow", "wrong type"],
)
def test_a_recording_that_cannot_be_replayed_is_unknown_with_its_reason(
    jikko: Command, tmp_path: Path, spoil: Any, reason: str
) -> None:
    flow = kept(tmp_path, GREETING)
    ran(jikko, flow, "円")
    lines = tmp_path / "runs.jsonl"
    assert jikko("runs", "export", lines).code == 0
    lines.write_text(spoil(lines.read_text("utf-8").strip()) + "\n", encoding="utf-8")

    outcome = jikko("replay", "--from", lines, "--against", flow)

    assert outcome.code == 1
    assert outcome.out.split()[:2] == ["1", "unknown"], outcome.err
    assert reason in outcome.out


def test_of_many_lines_that_are_no_runs_some_are_told(jikko: Command, tmp_path: Path) -> None:
    lines = tmp_path / "runs.jsonl"
    lines.write_text("nonsense\n" * 50, encoding="utf-8")

    outcome = jikko("replay", "--from", lines, "--against", kept(tmp_path, GREETING))

    assert outcome.out.count("is not a run") == 20
    assert "and 30 more reasons" in outcome.out


def test_wrong_use_is_told_with_what_is_right(jikko: Command, tmp_path: Path) -> None:
    flow = kept(tmp_path, GREETING)
    [run] = ran(jikko, flow, "円")
    wrong = kept(tmp_path, GREETING.replace('"if-else"', '"if-other"'), "wrong.yml")

    assert "choose runs" in jikko("replay").err
    assert (nothing := jikko("replay", run, "--app", "Greets")).code == 2, nothing.err
    assert jikko("replay", "--from", flow).code == 2
    assert jikko("replay", "--app", "Nobody").code == 7
    lines = tmp_path / "runs.jsonl"
    assert jikko("runs", "export", lines).code == 0
    named = jikko("replay", "--from", lines, "--against", flow, "--app", "Greets")
    assert (named.code, "an export has no app names" in named.err) == (2, True)
    assert jikko("replay", run, "--against", wrong).code == 8


def test_a_workflow_that_does_not_end_is_unknown(jikko: Command, tmp_path: Path) -> None:
    source = "def main(q):\n    return {'x': q}\n"
    nodes = [start("q"), python("wait", source, {"x": "string"}, q="start.q"), end(x="wait.x")]
    flow = app("Waits", nodes, "start>wait>end")
    [run] = ran(jikko, kept(tmp_path, flow), "円")
    changed = kept(tmp_path, flow.replace("return {'x': q}", "import time; time.sleep(600)"))

    results, _ = replayed(jikko, run, "--against", changed, "--timeout", "0.5")

    assert (results[run]["outcome"], results[run]["reason"]) == ("unknown", "it takes longer than 0.5 s")


def test_coverage_tells_what_no_run_came_to(jikko: Command, tmp_path: Path) -> None:
    flow = kept(tmp_path, GREETING)
    ran(jikko, flow, "円")

    report = tmp_path / "lcov.info"
    text = jikko("replay", "--app", "Greets", "--against", flow, "--coverage", "--lcov", report).out
    current = jikko("replay", "--app", "Greets", "--coverage", "--json").lines

    place = re.search(r"flow\.yml:(\d+): loud: never ran", text)
    assert place is not None, text
    assert '"loud"' in "".join(GREETING.splitlines()[int(place[1]) - 2 : int(place[1]) + 2])
    lines = report.read_text().splitlines()
    assert (lines[0], f"DA:{place[1]},0" in lines, lines[-1]) == (f"SF:{flow}", True, "end_of_record")
    assert "route → true: never taken" in text
    assert "calm" not in text
    branches = {each["handle"]: each["times"] for each in current[1]["coverage"]["branches"]}
    assert (branches, list(current[2])) == ({"true": 0, "false": 1}, ["summary"])


def test_coverage_of_recorded_runs_needs_no_replay(jikko: Command, tmp_path: Path) -> None:
    flow = kept(tmp_path, GREETING)
    ran(jikko, flow, "円")
    report = tmp_path / "lcov.info"

    text = jikko("coverage", "--app", "Greets", "--since", "90d", "--lcov", report)
    as_json = jikko("coverage", "--app", "Greets", "--last", "1", "--json").lines

    assert (text.code, text.err) == (0, "1 run read\n")
    assert "loud: never ran" in text.out
    assert "route → true: never taken" in text.out
    assert report.read_text().startswith("SF:Greets\n")
    assert {each["handle"]: each["times"] for each in as_json[0]["coverage"]["branches"]} == {"true": 0, "false": 1}
    assert jikko("coverage", "--app", "Nobody").code == 7
    jikko("apps", "import", kept(tmp_path, GREETING.replace("Greets", "New")))
    assert (jikko("coverage", "--app", "New").code, jikko("coverage").code) == (7, 2)
