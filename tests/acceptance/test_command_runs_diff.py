"""``jikko runs diff``: differences between two runs."""

import json
from pathlib import Path
from typing import Any

from tests.acceptance.processes import Command
from tests.acceptance.workflows import app, end, first_of, if_contains, iteration, node, python, start, template

BODY = template("word", "{{ w }}!", w="each.item")
NODES = [
    start("q"),
    python("split", "def main(q):\n    return {'out': q.split()}\n", {"out": "array[string]"}, q="start.q"),
    *iteration("each", "split.out", "word.output", BODY),
    if_contains("route", "start.q", "a"),
    template("yes", "yes", q="start.q"),
    template("no", "no", q="start.q"),
    first_of("out", "yes.output", "no.output"),
    end(x="out.output", y="each.output"),
]
FLOW = app("Words", NODES, "start>split>each>route route:true>yes>out route:false>no>out out>end each-start>word")


def ran(jikko: Command, folder: Path, question: str) -> str:
    flow = folder / "flow.yml"
    flow.write_text(FLOW, encoding="utf-8")
    assert jikko("run", flow, "-i", f"q={question}", "--keep").code == 0
    newest = json.loads(jikko("runs", "list", "--json", "--limit", "1").out)
    run_id: str = newest["workflow_run_id"]
    return run_id


def compared(jikko: Command, *runs: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(jikko("runs", "diff", *runs, "--json").out)
    return found


def test_two_runs_that_did_the_same_have_no_difference(jikko: Command, tmp_path: Path) -> None:
    runs = [ran(jikko, tmp_path, "a 円") for _ in range(2)]

    outcome = jikko("runs", "diff", *runs)

    assert (outcome.code, outcome.out) == (0, "9 node executions are equal\n")


def test_another_way_other_values_and_rounds_are_told_of(jikko: Command, tmp_path: Path) -> None:
    first, second = ran(jikko, tmp_path, "a 円"), ran(jikko, tmp_path, "b 円 🚑")

    found = compared(jikko, first, second)

    assert [change for change in found["fields"] if change["path"] == "/outputs/x"] == [
        {"path": "/outputs/x", "before": "yes", "after": "no"}
    ]
    changes = {(each["title"], tuple(each["rounds"])): each["change"] for each in found["nodes"]}
    assert changes["yes", ()] == "removed"
    assert changes["no", ()] == "added"
    assert changes["word", (0,)] == "changed"
    assert changes["word", (2,)] == "added"
    assert ("word", (1,)) not in changes
    text = jikko("runs", "diff", first[:18], second)
    assert text.code == 1
    assert 'outputs/output: "a!" → "b!"' in text.out


def test_how_long_a_model_took_and_where_a_file_is_stored_make_no_difference(jikko: Command, tmp_path: Path) -> None:
    methods = {"allowed_file_types": ["document"], "allowed_file_upload_methods": ["local_file"]}
    file = {"variable": "f", "label": "f", "type": "file", "required": True, **methods}
    asks = node(
        "Draft",
        "llm",
        model={"provider": "langgenius/openai/openai", "name": "gpt-4o", "mode": "chat", "completion_params": {}},
        prompt_template=[{"role": "user", "text": "円"}],
        context={"enabled": False, "variable_selector": []},
        vision={"enabled": False},
    )
    nodes = [node("start", "start", variables=[file]), asks, end(x="Draft.text", u="Draft.usage", f="start.f")]
    flow, given = tmp_path / "flow.yml", tmp_path / "手紙.txt"
    flow.write_text(app("Drafts", nodes, "start>Draft>end"), encoding="utf-8")
    given.write_text("拝啓", encoding="utf-8")
    for _ in range(2):
        assert jikko("run", flow, "-i", f"f=@{given}", "--keep", "--fake-models").code == 0
    runs = [json.loads(line)["workflow_run_id"] for line in jikko("runs", "list", "--json").out.splitlines()]

    outcome = jikko("runs", "diff", *runs)

    assert (outcome.code, outcome.out) == (0, "3 node executions are equal\n")
