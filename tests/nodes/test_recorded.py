"""Recorded configuration of nodes with secrets.

The rule has two sides, tested for every node type: a node records what it would record if the environment variable
contained the mask, and behaves as if there were no secrets.
"""

import dataclasses
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from jikko.dsl.types import CONTAINER_STARTS
from jikko.engine.masked import mask
from jikko.events import FormClosed
from jikko.nodes.agents.agent_outputs import NOT_KEPT
from jikko.nodes.contract import NodeFailure, NodePaused, Result, RoundOutcome
from jikko.nodes.registry import BY_TYPE
from jikko.ports.agents import AgentLimits
from jikko.ports.http import HttpFailure, HttpResponse
from jikko.ports.knowledge import SearchResult
from jikko.ports.models import Completion, ModelFailure
from jikko.ports.sandbox import SandboxFailure
from jikko.ports.tools import ParameterForm, ToolParameter
from jikko.values import Json
from tests.nodes.context import FakeContext, ScriptedHttp, fields, file
from tests.nodes.models import MODEL, ScriptedModels
from tests.nodes.strategies import ScriptedStrategies, agent
from tests.nodes.tools import ScriptedTools, say

pytestmark = pytest.mark.anyio

KEY: Final = ["env", "KEY"]
REFERENCE: Final = "{{#env.KEY#}}"
SECRETS: Final = (
    "sk-0123456789abcdef",
    "output",
    "a b",
    "7",
    "ひみつのかぎはここにあります",
    "🗝️🔐👩‍💻 emoji 🗝️🔐",
    "\ue000KEY\ue001sk\ue002 of an icon font",
    '-----BEGIN PRIVATE KEY-----\nMIIE"vQ\\IBADANBg\n-----END PRIVATE KEY-----\n',
    "x" * 300_000,
)
_BOUNDARY: Final = re.compile("----FormBoundary[0-9a-f]{32}")


class Sandbox:
    """Answers what it was given; a program ``fail`` fails."""

    async def run_code(self, language: str, code: str, arguments: Mapping[str, Json], **_: Any) -> Json:
        if code == "fail":
            raise SandboxFailure("it broke")
        return {"key": arguments["key"]}

    async def render(self, template: str, variables: Mapping[str, Json], *, app_id: str = "") -> str:
        if template == "fail":
            raise SandboxFailure("it broke")
        return f"{template}: {dict(variables)}"


class Knowledge:
    """Has no dataset, and finds nothing."""

    async def usable(self, ids: list[str]) -> list[Any]:
        return []

    async def missing(self, ids: list[str]) -> list[str]:
        return ids

    async def field_names(self, ids: list[str]) -> list[str]:
        return []

    async def search(self, request: object) -> SearchResult:
        return SearchResult([])

    def count_hits(self, hits: object) -> None: ...


DOWN: Final = "overloaded"
"""What the provider of the model says when there is no answer."""


class Surroundings(FakeContext):
    """A context with everything that any node asks for. The body of a container does nothing."""

    def __init__(self, key: str, *, secret: bool, http: ScriptedHttp, models: ScriptedModels) -> None:
        values: dict[str, dict[str, Json]] = {
            "env": {"KEY": key, "PLAIN": "plain"},
            "n": {"text": "text", "list": ["a", "b"], "numbers": [1, 2], "file": file("a.txt"), "flag": True},
            "conversation": {"text": "before", "texts": ["one"]},
        }
        super().__init__(values, http=http, secrets=frozenset({"KEY"}) if secret else frozenset())
        self.tools = ScriptedTools([ToolParameter(name=name, form=form) for name, form in PARAMETERS])
        self.strategies = ScriptedStrategies()
        replaced: Any = {
            "models": models,
            "sandbox": Sandbox(),
            "tools": self.tools,
            "knowledge": Knowledge(),
            "strategies": self.strategies,
            "agent_limits": AgentLimits(),
        }
        self.ports = msgspec.structs.replace(self.ports, **replaced)
        self.has_rounds = False
        self.begun: tuple[Mapping[str, Json], Mapping[str, Json] | None] | None = None

    def begin(
        self, inputs: Mapping[str, Json], *, variables: Mapping[str, Json] | None = None, **about: Any
    ) -> Mapping[str, Json]:
        self.begun = inputs, variables
        return inputs

    async def give_way(self) -> None: ...

    async def run_round(self, index: int, variables: Any, collect: Any, is_last: Any = None) -> RoundOutcome:
        last = bool(is_last and is_last(self, False))
        return RoundOutcome(outputs={}, error=None, ended=False, last=last, usage=None, elapsed=0.0)


@dataclasses.dataclass
class Outcome:
    """What became of a node, apart in what was recorded and what was done."""

    recorded: Any
    done: Any


async def outcome(kind: str, data: Mapping[str, Json], key: str, *, secret: bool) -> Outcome:
    answer: Any = HttpFailure("No connection to api.test.", kind="connect") if data.get("down") else None
    http = ScriptedHttp(answer or HttpResponse(503 if data.get("busy") else 200, (), b"ok"))
    plain = Completion(text='{"category_id": "1", "category_name": "x", "v": "found"}')
    models = ScriptedModels([ModelFailure(DOWN, kind="InvokeRateLimitError")] if data.get("down") else [plain])
    ctx = Surroundings(key, secret=secret, http=http, models=models)
    if kind == "human-input" and data.get("closed"):
        ctx.form = FormClosed(
            at=1.0, execution_id="e", node_id="n", title="", form_id="f", action_id="yes", rendered_content=f"<{key}>"
        )
    node = BY_TYPE[kind].from_dsl(fields({"type": kind, **data}))
    run: Callable[[Any], Awaitable[Result]] = node.run
    begun: Any = None
    try:
        result = await run(ctx)
    except NodeFailure as failure:
        recorded: Any = (str(failure), failure.inputs, failure.process_data, ctx.logged)
        done: Any = ("failed", failure.kind)
    except NodePaused as pause:
        recorded = pause.source
        done = {name: value for name, value in pause.form.items() if name != "form_token"}
    else:
        recorded = (result.inputs, result.process_data, ctx.logged)
        # The log of an agent is an output of its, and is a record all the same.
        outputs = {name: value for name, value in result.outputs.items() if (kind, name) != ("agent", "json")}
        done = (outputs, result.handle, result.updates)
    if ctx.begun is not None:
        begun, variables = ctx.begun
        done = (done, variables)
    sent = [msgspec.structs.replace(request, headers=(), body=None) for request in http.requests]
    bodies = [repr(request.body) for request in http.requests]
    everything = (
        done,
        sent,
        [request.headers for request in http.requests],
        bodies,
        models.requests,
        ctx.tools.calls,
        ctx.strategies.calls,
    )
    return Outcome(_without_chance((recorded, begun)), _without_chance(everything))


def _without_chance(value: Any) -> str:
    return _BOUNDARY.sub("boundary", re.sub(r"'id': '[0-9a-f-]{36}'", "'id'", repr(value)))


def http(**data: Json) -> dict[str, Json]:
    return {"method": "post", "url": "https://api.test/", **data}


def body(kind: str, *values: str) -> dict[str, Json]:
    return {"type": kind, "data": [{"key": f"k{REFERENCE}", "type": "text", "value": value} for value in values]}


def api_key(kind: str) -> dict[str, Json]:
    return {"type": "api-key", "config": {"type": kind, "api_key": f"me:{REFERENCE}", "header": "X-Key"}}


def chat(**data: Json) -> dict[str, Json]:
    return {"model": MODEL, "prompt_template": [{"role": "user", "text": f"Use {REFERENCE}."}], **data}


def case(operator: str, selector: list[str] = KEY, value: Json = REFERENCE) -> dict[str, Json]:
    condition = {"variable_selector": selector, "comparison_operator": operator, "value": value}
    return {"cases": [{"case_id": "yes", "logical_operator": "and", "conditions": [condition]}]}


PARAMETERS: Final[tuple[tuple[str, ParameterForm], ...]] = (("text", "llm"), ("key", "form"))
NAMED: Final = [{"variable": "key", "value_selector": KEY}, {"variable": "text", "value_selector": ["n", "text"]}]
ITEMS: Final[list[Json]] = [
    {"variable_selector": ["conversation", "text"], "operation": "over-write", "input_type": "variable", "value": KEY},
    {"variable_selector": ["conversation", "texts"], "operation": "append", "input_type": "variable", "value": KEY},
]
FAILED_PROGRAMS: Final[list[tuple[str, dict[str, Json]]]] = [
    ("code", {"code": "fail", "variables": NAMED, "outputs": {}}),
    ("code", {"code": "main", "variables": NAMED, "outputs": {"other": {"type": "string"}}}),
]
CASES: Final[list[tuple[str, dict[str, Json]]]] = [
    ("answer", {"answer": f"It is {REFERENCE}."}),
    ("assigner", {"version": "2", "items": ITEMS}),
    ("assigner", {"assigned_variable_selector": ["conversation", "text"], "input_variable_selector": KEY}),
    (
        "assigner",
        {"version": "2", "items": [{**ITEMS[0], "variable_selector": ["n", "list"]}]},
    ),
    ("code", {"code": "main", "variables": NAMED, "outputs": {"key": {"type": "string"}}}),
    *FAILED_PROGRAMS,
    ("document-extractor", {"variable_selector": KEY}),
    ("end", {"outputs": NAMED}),
    ("http-request", http(url=f"https://api.test/{REFERENCE}?k={REFERENCE}", params=f"q{REFERENCE}: {REFERENCE}")),
    ("http-request", http(body=body("raw-text", f"It is {REFERENCE}"))),
    ("http-request", http(body=body("x-www-form-urlencoded", REFERENCE, "b"))),
    ("http-request", http(body=body("form-data", REFERENCE))),
    ("http-request", http(body=body("json", "no JSON at all"))),
    ("http-request", http(params=f"q: {REFERENCE}", down=True)),
    ("http-request", http(url=f"https://api.test/{REFERENCE}", busy=True)),
    ("human-input", {"form_content": f"Use {REFERENCE}?", "inputs": [], "user_actions": []}),
    ("human-input", {"form_content": f"Use {REFERENCE}?", "inputs": [], "user_actions": [], "closed": True}),
    ("if-else", case("contains", KEY)),
    ("if-else", case("is", ["n", "text"])),
    ("iteration", {"iterator_selector": KEY, "output_selector": ["n", "text"]}),
    ("iteration", {"iterator_selector": ["n", "list"], "output_selector": KEY}),
    ("list-operator", {"variable": KEY}),
    ("llm", chat()),
    ("llm", chat(down=True)),
    ("llm", chat(context={"enabled": True, "variable_selector": KEY})),
    ("llm", chat(memory={"query_prompt_template": REFERENCE})),
    ("llm", chat(prompt_template={"text": f"Use {REFERENCE}."}, model={**MODEL, "mode": "completion"})),
    (
        "llm",
        chat(
            prompt_template=[{"role": "user", "edition_type": "jinja2", "jinja2_text": "{{ key }}"}],
            prompt_config={"jinja2_variables": NAMED},
        ),
    ),
    ("knowledge-retrieval", {"query_variable_selector": KEY, "multiple_retrieval_config": {"top_k": 3}}),
    (
        "loop",
        {
            "loop_count": 2,
            "loop_variables": [{"label": "v", "var_type": "string", "value_type": "variable", "value": KEY}],
            "break_conditions": [{"variable_selector": KEY, "comparison_operator": "empty"}],
        },
    ),
    (
        "parameter-extractor",
        {"query": KEY, "model": MODEL, "instruction": REFERENCE, "parameters": [{"name": "v", "type": "string"}]},
    ),
    ("parameter-extractor", {"query": KEY, "model": MODEL, "instruction": REFERENCE, "parameters": [], "down": True}),
    (
        "question-classifier",
        {
            "query_variable_selector": KEY,
            "model": MODEL,
            "instruction": REFERENCE,
            "classes": [{"id": "1", "name": f"about {REFERENCE}"}],
        },
    ),
    ("start", {}),
    ("template-transform", {"template": "{{ key }}", "variables": NAMED}),
    ("agent", agent({"type": "constant", "value": f"It is {REFERENCE}."})),
    ("agent", agent({"type": "variable", "value": KEY})),
    ("agent", agent({"type": "constant", "value": {"deep": [f"It is {REFERENCE}."]}})),
    ("tool", say(tool_parameters={"text": {"type": "mixed", "value": f"It is {REFERENCE}."}})),
    ("tool", say(tool_parameters={"text": {"type": "variable", "value": KEY}})),
    ("tool", say(tool_configurations={"key": {"type": "variable", "value": KEY}})),
    ("template-transform", {"template": "fail", "variables": NAMED}),
    ("variable-aggregator", {"variables": [["n", "missing"], KEY]}),
    (
        "variable-aggregator",
        {"advanced_settings": {"group_enabled": True, "groups": [{"group_name": "g", "variables": [KEY]}]}},
    ),
    ("loop-end", {}),
    *((kind, {}) for kind in CONTAINER_STARTS.values()),
]
QUIRKS: Final = {"variable-aggregator"}
"""Their updates hold what an end node is to record of a group."""


def test_every_node_type_is_looked_at() -> None:
    assert {kind for kind, _ in CASES} == set(BY_TYPE)


async def assert_rule(kind: str, data: Mapping[str, Json], secret: str) -> None:
    one = await outcome(kind, data, secret, secret=True)

    assert one.recorded == (await outcome(kind, data, mask(secret), secret=False)).recorded
    if kind not in QUIRKS:
        assert one.done == (await outcome(kind, data, secret, secret=False)).done


@pytest.mark.parametrize("secret", SECRETS, ids=lambda secret: ascii(secret)[:12])
@pytest.mark.parametrize(("kind", "data"), CASES)
async def test_the_record_has_the_mask_and_the_work_is_done_with_the_secret(
    kind: str, data: dict[str, Json], secret: str
) -> None:
    # What is told of a failed program is searched for all forms of a secret, which is dear by its length.
    await assert_rule(kind, data, secret[:3_000] if (kind, data) in FAILED_PROGRAMS else secret)


@pytest.mark.parametrize(("kind", "data"), CASES)
@settings(max_examples=15, deadline=None)
@given(secret=st.text(min_size=1))
async def test_so_it_is_with_any_secret(kind: str, data: dict[str, Json], secret: str) -> None:
    # What a provider says of it is not kept: test_model_call.py.
    assume(not data.get("down") or secret.lower() not in DOWN)
    await assert_rule(kind, data, secret)


LONG: Final = "12345678-abcd"
HEADERS: Final = f"X-Key: {REFERENCE}"


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("http-request", http(authorization=api_key("custom"))),
        ("http-request", http(authorization=api_key("bearer"), headers=HEADERS)),
        ("http-request", http(authorization=api_key("basic"))),
        ("http-request", http(body=body("json", f'{{"a": "{REFERENCE}"}}'))),
        ("http-request", http(body=body("json", f"{{{{#env.KEY#}}}} {REFERENCE}"))),
        ("if-else", case("=", ["n", "text"])),
        ("list-operator", {"variable": ["n", "list"], "extract_by": {"enabled": True, "serial": REFERENCE}}),
        (
            "list-operator",
            {
                "variable": ["n", "numbers"],
                "filter_by": {"enabled": True, "conditions": [{"comparison_operator": "=", "value": REFERENCE}]},
            },
        ),
    ],
)
async def test_so_it_is_with_what_cannot_be_made_of_any_text(kind: str, data: dict[str, Json]) -> None:
    await assert_rule(kind, data, LONG)


@pytest.mark.parametrize(
    ("secret", "data"),
    [
        pytest.param(f"https://api.test/{LONG}", http(url=REFERENCE), id="whole URL"),
        pytest.param(f"https://[{LONG}", http(url=REFERENCE, down=True), id="malformed URL"),
        pytest.param(LONG, http(url=f"https://{REFERENCE}.test/", down=True), id="host"),
        pytest.param(LONG, http(url=f"https://me:{REFERENCE}@api.test/", down=True), id="password"),
        pytest.param(LONG, http(headers=f"{REFERENCE}: 1", down=True), id="header name"),
        pytest.param(f"a\n{LONG}: ü", http(headers=HEADERS), id="line of headers"),
        pytest.param(f'"\n\\{LONG}', http(body=body("json", f'{{"a": "{REFERENCE}"}}')), id="what JSON escapes"),
    ],
)
async def test_no_part_of_a_request_shows_a_secret_wherever_it_stands(secret: str, data: dict[str, Json]) -> None:
    one = await outcome("http-request", data, secret, secret=True)

    assert LONG not in one.recorded
    assert one.done == (await outcome("http-request", data, secret, secret=False)).done


async def test_a_failure_tells_the_host_unless_it_is_secret() -> None:
    plain = await outcome("http-request", http(url=f"https://api.test/{REFERENCE}", down=True), LONG, secret=True)
    masked = await outcome("http-request", http(url=f"https://{REFERENCE}/", down=True), LONG, secret=True)

    assert "No connection to api.test." in plain.recorded
    assert f"The request to {mask(LONG)} failed: there is no such host, no connection" in masked.recorded


@pytest.mark.parametrize(
    ("kind", "data", "key"),
    [
        ("if-else", case("=", ["n", "flag"]), "3"),
        ("if-else", case("is", ["n", "flag"]), "true"),
        ("list-operator", {"variable": ["n", "list"], "extract_by": {"enabled": True, "serial": REFERENCE}}, "73"),
        (
            "list-operator",
            {
                "variable": ["n", "numbers"],
                "filter_by": {"enabled": True, "conditions": [{"comparison_operator": "=", "value": REFERENCE}]},
            },
            "2",
        ),
    ],
)
async def test_a_secret_that_reads_as_a_value_is_taken_as_one_and_not_shown(
    kind: str, data: dict[str, Json], key: str
) -> None:
    one = await outcome(kind, data, key, secret=True)

    assert f"'{key}'" not in one.recorded
    assert "got 73" not in one.recorded
    assert one.done == (await outcome(kind, data, key, secret=False)).done


@pytest.mark.parametrize("secret", SECRETS, ids=lambda secret: ascii(secret)[:12])
async def test_what_an_agent_says_of_a_failure_is_left_out_if_it_names_a_secret(secret: str) -> None:
    data = agent({"type": "variable", "value": KEY}, fail={"type": "constant", "value": "yes"})
    recorded = (await outcome("agent", data, secret, secret=True)).recorded

    assert NOT_KEPT in recorded
    assert "it does not like" not in recorded
