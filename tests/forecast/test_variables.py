"""Variables that no run provides, or of an unsuitable type: predicted before a run, which then fails so."""

from pathlib import Path
from typing import Any

import pytest

from jikko.assemble import assemble
from jikko.conversations.turns import TurnRequest
from jikko.events import RunStarted
from jikko.forecast.known_variables import SYSTEM
from jikko.runs.runs import StartOutcome, StartRequest
from jikko.settings import Settings
from tests.acceptance.workflows import Node, app, end, if_contains, iteration, node, python, start, template
from tests.forecast.cases import llm
from tests.forecast.running import foretold, here, ran

pytestmark = pytest.mark.anyio


def compare(*conditions: tuple[str, str, Any], joined: str = "and") -> Node:
    made = [
        {"variable_selector": at.split("."), "comparison_operator": operator, "value": value, "varType": "string"}
        for at, operator, value in conditions
    ]
    return node("work", "if-else", cases=[{"case_id": "true", "logical_operator": joined, "conditions": made}])


def sorted_list(at: str) -> Node:
    off = {"enabled": False}
    rest = {"filter_by": {**off, "conditions": []}, "order_by": off, "limit": off, "extract_by": off}
    return node("work", "list-operator", variable=at.split("."), **rest)


def compared_with_nothing() -> Node:
    made = compare(("start.q", "is", "x"))
    made["data"]["cases"][0]["conditions"][0]["variable_selector"] = []
    return made


def asked(text: str, **jinja: list[str]) -> Node:
    """A question to a model; of variables of Jinja if there are any."""
    message = {"role": "user", "text": text}
    if jinja:
        message |= {"edition_type": "jinja2", "jinja2_text": "{{ a }}"}
    variables = [{"variable": name, "value_selector": at} for name, at in jinja.items()]
    made = llm("work")
    made["data"] |= {"prompt_template": [message], "prompt_config": {"jinja2_variables": variables}}
    return made


def searched(query: str, files: str = "") -> Node:
    more = {"query_attachment_selector": files.split(".")} if files else {}
    rest = {"dataset_ids": ["x"], "retrieval_mode": "multiple", "multiple_retrieval_config": {"top_k": 2}}
    return node("work", "knowledge-retrieval", query_variable_selector=query.split("."), **rest, **more)


def looped(kind: str, value: Any) -> Node:
    variable = {"label": "v", "var_type": "array[string]", "value_type": kind, "value": value}
    return node("work", "loop", loop_count=1, break_conditions=[], logical_operator="and", loop_variables=[variable])


def assign(*items: tuple[str, str, str, Any]) -> Node:
    names = ("variable_selector", "operation", "input_type", "value")
    made = [dict(zip(names, (target.split("."), *rest), strict=True)) for target, *rest in items]
    return node("work", "assigner", version="2", items=made)


def extract(at: str) -> Node:
    return node("work", "document-extractor", variable_selector=at.split("."), is_array_file=False)


def one(*middle: Node, edges: str = "") -> str:
    begin = start("q")
    begin["data"]["variables"][0]["required"] = True
    kept = {"id": "c1", "name": "kept", "value_type": "string", "value": "x", "selector": ["conversation", "kept"]}
    made = python("made", "def main():\n    return {'n': 1}", {"n": "number"})
    out = "work:true>end work:false>end" if middle[0]["data"]["type"] == "if-else" else "work>end"
    nodes = [begin, made, *middle, end(q="start.q")]
    return app("One", nodes, f"start>made>work {edges or out}", conversation_variables=[kept])


WRONG: dict[str, tuple[str, str]] = {
    "a condition on an input that there is not": (one(compare(("start.城", "is", "x"))), "cases[0].conditions[0]"),
    "a condition on a node that there is not": (one(compare(("nope.x", "empty", ""))), "cases[0].conditions[0]"),
    "a condition on an output that a program does not have": (one(compare(("made.m", "=", "1"))), "conditions[0]"),
    "a text that is compared by size": (one(compare(("start.q", ">", "1"))), "comparison_operator"),
    "an assignment of what there is not": (
        one(assign(("conversation.kept", "over-write", "variable", ["nope", "x"]))),
        "items[0].value",
    ),
    "an assignment to what there is not": (one(assign(("conversation.gone", "clear", "variable", None))), "items[0]"),
    "an operation that a type has not": (one(assign(("conversation.kept", "+=", "constant", 1))), "items[0].operation"),
    "a second assignment": (
        one(assign(("conversation.kept", "set", "constant", "y"), ("conversation.kept", "append", "constant", "🗾"))),
        "items[1].operation",
    ),
    "a text that is sorted": (one(sorted_list("start.q")), "variable"),
    "a list that there is not": (one(sorted_list("start.files")), "variable"),
    "a text that documents are read from": (one(extract("start.q")), "variable_selector"),
    "a document that there is not": (one(extract("start.paper")), "variable_selector"),
    "rounds over a text": (
        one(*iteration("work", "start.q", "t.output", template("t", "x")), edges="work>end work-start>t"),
        "iterator_selector",
    ),
    "a condition on nothing": (one(compared_with_nothing()), "conditions[0].variable_selector"),
    "a condition on what runs do not have": (one(compare(("sys.nothing", "is", "x"))), "conditions[0]"),
    "a condition on the question of a chat": (one(compare(("sys.query", "is", "x"))), "conditions[0]"),
    "a prompt with a variable of no node": (one(asked("{{#start.q#}} {{#nope.x#}}")), "prompt_template[0].text"),
    "a prompt with an input that there is not": (one(asked("日本 {{#start.nothing#}}")), "prompt_template[0].text"),
    "a prompt of Jinja with a variable of no node": (one(asked("", a=["nope", "x"])), "jinja2_variables[0]"),
    "a search for an input that there is not": (one(searched("start.城")), "query_variable_selector"),
    "a search for an output that a program does not have": (one(searched("made.m")), "query_variable_selector"),
    "a search for files that there are not": (one(searched("start.q", "nope.files")), "query_attachment_selector"),
    "a loop that begins with what there is not": (one(looped("variable", ["nope", "x"])), "loop_variables[0].value"),
    "a loop that begins with a list of others": (one(looped("constant", "[1]")), "loop_variables[0].value"),
    "rounds over nothing": (
        one(*iteration("work", "nope.a", "t.output", template("t", "x")), edges="work>end work-start>t"),
        "iterator_selector",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", WRONG)
async def test_a_run_fails_where_and_as_it_was_told(case: str, tmp_path: Path) -> None:
    text, path = WRONG[case]
    found = foretold(text, here(None))
    decisive = found.decisive
    assert (found.verdict, decisive and decisive.cause, decisive and decisive.node) == ("will_fail", "variable", "work")
    assert decisive is not None
    assert path in decisive.where
    run = await ran(text, {"q": "text"}, tmp_path, None)
    assert (run.status, run.failed) == ("failed", ("work",))
    assert decisive.text().rstrip(".") in run.error


@pytest.mark.slow
@pytest.mark.parametrize("at", ["start.gone", "made.m", "sys.query"])
@pytest.mark.parametrize("kind", ["code", "template"])
async def test_a_program_and_a_template_are_told_which_of_their_variables_are_always_null(
    kind: str, at: str, tmp_path: Path
) -> None:
    program = python("work", "def main(a):\n    return {'r': repr(a)}\n", {"r": "string"}, a=at)
    middle = program if kind == "code" else template("work", "{{ a is none }}", a=at)
    text = one(middle)

    found = foretold(text, here(None))

    [finding] = found.findings
    assert (found.verdict, finding.severity, finding.node) == ("runs", "warning", "work")
    assert finding.text() == f"a is always null: no run has the variable {at}"
    assert finding.where.endswith("data.variables[0].value_selector")
    assert (await ran(text, {"q": "x"}, tmp_path, None)).status == "succeeded"


def test_a_template_that_cannot_be_read_is_told_with_its_line() -> None:
    for text, line in (
        ("a\n{% if %}", 2),
        ("{{ 日 + }}", 1),
        ("{{ '" + "(" * 10 + "' }}{% for %}", 1),
        ("{% do 1 %}", 1),
    ):
        [finding] = foretold(one(template("work", text)), here(None)).findings
        assert (finding.severity, finding.cause, finding.node) == ("will_fail", "code", "work")
        assert f"(line {line} of it)" in finding.text()
    [deep] = foretold(one(template("work", "{{ " + "(" * 50_000 + " }}")), here(None)).findings
    assert deep.text().startswith("the template cannot be read")


@pytest.mark.parametrize(
    "middle",
    [
        compare(("start.q", "contains", "a"), ("start.q", "is", "{{#start.q#}}")),
        compare(("sys.user_id", "not empty", "")),
        compare(("made.n", "=", "1")),
        compare(("made.error_message", "not null", None)),
        assign(("conversation.kept", "over-write", "variable", ["start", "q"])),
        sorted_list("sys.files"),
        template("work", "{{ a }}{% raw %}{% x %}{% endraw %}"),
        if_contains("work", "start.q", "x"),
    ],
)
def test_what_may_be_there_is_no_finding(middle: Node) -> None:
    assert [finding.text() for finding in foretold(one(middle), here(None)).findings] == []


def test_behind_another_condition_and_with_a_way_out_it_is_no_certain_failure() -> None:
    later = foretold(one(compare(("start.q", "is", "x"), ("nope.x", "is", "y"))), here(None))
    assert later.verdict == "may_fail"
    handled = compare(("nope.x", "is", "y"))
    handled["data"]["error_strategy"] = "fail-branch"
    assert foretold(one(handled, edges="work:true>end work:fail-branch>end"), here(None)).verdict == "runs"


@pytest.mark.slow
async def test_the_variables_that_runs_have_of_themselves_are_known(tmp_path: Path) -> None:
    chat = app("Chat", [start(), node("say", "answer", answer="x")], "start>say", mode="advanced-chat")
    workflow = app("Workflow", [start(), end(q="sys.files")], "start>end")
    async with assemble(Settings(home=tmp_path), in_memory=True, environment={}) as assembly:
        apps = [(await assembly.apps.publish(text.encode(), source="test")).app for text in (workflow, chat)]
        run = await assembly.runs.start(apps[0], StartRequest(inputs={}, user="tester"))
        turn = await assembly.chat.turns.begin(
            apps[1], TurnRequest(query="?", inputs={}, user="tester", name_wanted=False)
        )
        assert isinstance(turn, StartOutcome)
        began = [await first_of_log(live) for live in (run, turn.run)]
        await assembly.runs.close(0)

    assert began[0].system.keys() == SYSTEM["workflow"]
    assert {*began[1].system, "conversation_id"} == SYSTEM["advanced-chat"]


async def first_of_log(live: Any) -> RunStarted:
    async for batch in live.follow():
        for _, event in batch:
            assert isinstance(event, RunStarted)
            return event
    raise AssertionError("the log is empty")
