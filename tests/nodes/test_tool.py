"""Tool node, beyond the recordings of Dify's behaviour."""

import asyncio
import html
import json
from typing import Any
from urllib.parse import quote, quote_plus

import msgspec
import pytest

from jikko.engine.masked import mask
from jikko.events import Usage
from jikko.nodes.contract import NodeFailure, Result
from jikko.nodes.tools.tool import ToolNode
from jikko.nodes.tools.tool_outputs import MAX_MESSAGES
from jikko.ports.http import HttpFailure, HttpResponse, OutgoingRequest
from jikko.ports.node_ports import ValueLimits
from jikko.ports.tools import (
    BlobMessage,
    FileMessage,
    ImageMessage,
    JsonMessage,
    LinkMessage,
    LogMessage,
    TextMessage,
    ToolFailure,
    ToolMessage,
    ToolParameter,
    VariableMessage,
)
from jikko.values import Json
from tests.nodes.context import FakeContext, FilesOfOneUser, ScriptedHttp, fields, file
from tests.nodes.tools import ScriptedTools, say

pytestmark = pytest.mark.anyio

TEXT = ToolParameter(name="text")


def context(tools: ScriptedTools, values: Any = None, **about: Any) -> FakeContext:
    ctx = FakeContext({"start": values or {}}, **{"files": FilesOfOneUser(), **about})
    ctx.ports = msgspec.structs.replace(ctx.ports, tools=tools)
    return ctx


async def ran(tools: ScriptedTools, ctx: FakeContext | None = None, **data: Json) -> Result:
    return await ToolNode.from_dsl(fields(say(**data))).run(ctx or context(tools))


async def failed(tools: ScriptedTools, ctx: FakeContext | None = None, **data: Json) -> NodeFailure:
    with pytest.raises(NodeFailure) as failure:
        await ran(tools, ctx, **data)
    return failure.value


def given(kind: str, value: Json) -> dict[str, Json]:
    return {"text": {"type": kind, "value": value}}


@pytest.mark.parametrize(
    ("kind", "value", "seen"),
    [
        ("constant", 3, "3"),
        ("constant", True, "True"),
        ("constant", {"k": 1}, "{'k': 1}"),
        ("mixed", "{{#start.name#}}さん", "織さん"),
        ("variable", ["start", "name"], "織"),
        ("variable", ["start", "nothing"], ""),
    ],
)
async def test_a_parameter_of_a_node_is_given_as_a_text_unless_it_is_a_variable(
    kind: str, value: Json, seen: str
) -> None:
    tools = ScriptedTools()
    await ran(tools, context(tools, {"name": "織", "nothing": None}), tool_parameters=given(kind, value))

    assert tools.calls[0].parameters == {"text": seen}


async def test_what_is_recorded_is_the_value_before_it_is_converted() -> None:
    tools = ScriptedTools([ToolParameter(name="text", type="number")])
    result = await ran(tools, tool_parameters=given("constant", "007"))

    assert (result.inputs, tools.calls[0].parameters) == ({"text": "007"}, {"text": 7})


async def test_a_variable_that_does_not_exist_is_left_out_and_fails_if_it_is_required() -> None:
    missing = given("variable", ["start", "gone"])
    tools = ScriptedTools()
    await ran(tools, tool_parameters=missing)
    assert tools.calls[0].parameters == {}

    failure = await failed(ScriptedTools([ToolParameter(name="text", required=True)]), tool_parameters=missing)
    assert (failure.kind, failure.inputs, failure.metadata) == ("WorkflowNodeError", {}, {})


async def test_a_parameter_that_the_tool_does_not_have_is_null() -> None:
    tools = ScriptedTools()
    result = await ran(tools, tool_parameters={"other": {"type": "constant", "value": "x"}})

    assert result.inputs == {"other": None}


SETTING = ToolParameter(name="zone", type="select", form="form", default="UTC", options=("UTC", "Asia/Tokyo"))


@pytest.mark.parametrize(
    ("settings", "seen"),
    [
        ({}, {}),
        ({"zone": {"type": "constant", "value": 5}}, {"zone": "5"}),
        ({"zone": {"type": "mixed", "value": "Asia/{{#start.city#}}"}}, {"zone": "Asia/Tokyo"}),
        ({"zone": {"type": "variable", "value": ["start", "nothing"]}}, {}),
        ({"zone": "Mars/Base"}, {"zone": "Mars/Base"}),
    ],
)
async def test_settings_of_a_node_of_today_have_no_defaults_and_any_value(
    settings: dict[str, Json], seen: dict[str, Json]
) -> None:
    tools = ScriptedTools([SETTING])
    await ran(tools, context(tools, {"city": "Tokyo", "nothing": None}), tool_configurations=settings)

    # A conversion happens also to a setting that counts as a parameter, and is null there.
    assert {name: value for name, value in tools.calls[0].parameters.items() if value} == seen


@pytest.mark.parametrize(("value", "seen"), [("", "UTC"), (None, "UTC"), ("Asia/Tokyo", "Asia/Tokyo")])
async def test_an_empty_setting_of_an_old_node_has_its_default(value: Json, seen: str) -> None:
    tools = ScriptedTools([SETTING])
    await ran(tools, tool_node_version=None, tool_configurations={"zone": value})

    assert tools.calls[0].parameters == {"zone": seen}


async def test_a_null_setting_of_an_old_node_is_an_empty_text() -> None:
    tools = ScriptedTools([ToolParameter(name="note", type="string", form="form")])
    await ran(tools, tool_node_version=None, tool_configurations={"note": None})

    assert tools.calls[0].parameters == {"note": ""}


async def test_a_setting_of_an_old_node_has_to_be_one_of_the_options() -> None:
    old: Any = {"tool_node_version": None, "tool_configurations": {"zone": "Mars/Base"}}
    failure = await failed(ScriptedTools([SETTING]), **old)

    assert failure.kind == "ToolRuntimeResolutionError"
    assert "zone must be one of UTC, Asia/Tokyo" in str(failure)


async def test_a_setting_whose_variable_does_not_exist_fails_before_anything_is_called() -> None:
    tools = ScriptedTools([SETTING])
    failure = await failed(tools, tool_configurations={"zone": {"type": "variable", "value": ["start", "gone"]}})

    assert (failure.kind, tools.calls) == ("ToolParameterError", [])


async def test_a_tool_that_is_not_there_fails_with_what_to_do() -> None:
    failure = await failed(ScriptedTools(), tool_name="shout")

    assert failure.kind == "ToolRuntimeResolutionError"
    assert str(failure) == "Failed to get tool runtime: tool shout not found; it has say"
    assert failure.metadata["tool_info"]["provider_id"] == "id"


MESSAGES: list[ToolMessage] = [
    TextMessage("one "),
    LinkMessage("https://a.test/"),
    JsonMessage({"a": 1}),
    JsonMessage({}),
    JsonMessage([]),
    VariableMessage("v", [1]),
    VariableMessage("s", "a", stream=True),
    VariableMessage("s", "b", stream=True),
    BlobMessage(b"png", "image/png"),
    FileMessage(file("b.txt")),
    LogMessage(id="1", label="thinks"),
]


async def test_messages_become_outputs_and_texts_are_shown_as_they_come() -> None:
    tools = ScriptedTools(says=MESSAGES, usage=Usage(total_tokens=7))
    ctx = context(tools)
    result = await ran(tools, ctx)

    assert list(result.outputs) == ["text", "files", "json", "v", "s"]
    assert result.outputs["text"] == "one Link: https://a.test/\n"
    assert result.outputs["json"] == [{"a": 1}]
    assert (result.outputs["v"], result.outputs["s"]) == ([1], "ab")
    assert [one["mime_type"] for one in result.outputs["files"]] == ["image/png", "text/plain"]
    assert ctx.text_chunks == [
        ("text", "one "),
        ("text", "Link: https://a.test/\n"),
        ("s", "a"),
        ("s", "b"),
        ("text", ""),
    ]
    assert result.usage == Usage(total_tokens=7)


async def test_a_file_of_a_tool_has_a_random_name_with_the_extension_of_its_type() -> None:
    files = FilesOfOneUser()
    tools = ScriptedTools(says=[BlobMessage(b"1", "application/zip"), BlobMessage(b"2", "what/ever"), *MESSAGES[:1]])
    await ran(tools, context(tools, files=files))

    first, second = (made["name"] for made in files.made)
    assert first.endswith(".zip")
    assert second.endswith(".bin")
    assert len(first) == 32 + 4


async def test_a_tool_that_says_nothing_has_outputs_all_the_same() -> None:
    tools = ScriptedTools(says=[])
    assert (await ran(tools)).outputs == {"text": "", "files": [], "json": [{"data": []}]}


async def test_a_picture_is_fetched_and_one_that_cannot_be_is_told() -> None:
    answer = HttpResponse(200, (("Content-Type", "image/gif; x=1"),), b"gif")
    for http, files, text in (
        (ScriptedHttp(answer), 1, ""),
        (ScriptedHttp(HttpResponse(404, (), b"")), 0, "Failed to download image: the server answered with status 404"),
        (ScriptedHttp(HttpFailure("no", kind="connect")), 0, "Failed to download image: no"),
    ):
        tools = ScriptedTools(says=[ImageMessage("https://a.test/x")])
        result = await ran(tools, context(tools, http=http))
        assert (len(result.outputs["files"]), result.outputs["text"]) == (files, text)


@pytest.mark.parametrize(
    ("messages", "message"),
    [
        ([TextMessage("x" * 101)], "more than 100 characters (the limit is set by JIKKO_TOOL_MAX_TEXT)"),
        ([TextMessage("x" * 60)] * 2, "more than 100 characters"),
        ([JsonMessage({"a": "😀" * 100})], "more than 100 characters"),
        ([VariableMessage("v", ["x" * 200])], "more than 100 characters"),
        ([BlobMessage(b"x" * 40)] * 2, "more than 50 bytes (the limit is set by JIKKO_TOOL_MAX_FILES)"),
        ([ImageMessage("https://a.test/x")] * 3, "more than 50 bytes (the limit is set by JIKKO_TOOL_MAX_FILES)"),
        (
            [BlobMessage(b""), FileMessage({}), ImageMessage("https://a.test/x"), BlobMessage(b"")],
            "more than 3 files (the limit is set by JIKKO_TOOL_FILE_COUNT)",
        ),
        ([LogMessage(id="1", label="x")] * (MAX_MESSAGES + 1), f"more than {MAX_MESSAGES} things"),
    ],
    ids=["text", "texts", "json", "variable", "files", "pictures", "many files", "messages"],
)
async def test_a_tool_that_says_too_much_fails(messages: list[ToolMessage], message: str) -> None:
    tools = ScriptedTools(says=messages)
    limits = ValueLimits(max_tool_text=100, max_tool_files=50, max_tool_file_count=3)
    http = ScriptedHttp(HttpResponse(200, (), b"x" * 20))
    failure = await failed(tools, context(tools, limits=limits, http=http))

    assert failure.kind == "ToolRuntimeInvocationError"
    assert message in str(failure)


class Stuck(FilesOfOneUser):
    """Files of which the second is never stored."""

    async def make(self, content: bytes, **about: Any) -> dict[str, Json]:
        if self.made:
            await asyncio.Event().wait()
        return await super().make(content, **about)


class StuckHttp(ScriptedHttp):
    """A server that never answers."""

    async def send(self, request: OutgoingRequest) -> HttpResponse:
        await asyncio.Event().wait()
        raise AssertionError


@pytest.mark.parametrize("message", [BlobMessage(b"png"), ImageMessage("https://a.test/x")])
async def test_files_that_take_longer_than_a_call_may_fail_it(message: ToolMessage) -> None:
    tools = ScriptedTools(says=[message] * 3)
    http = StuckHttp() if isinstance(message, ImageMessage) else None
    failure = await failed(tools, context(tools, limits=ValueLimits(tool_seconds=0.01), files=Stuck(), http=http))

    assert str(failure) == (
        "Failed to invoke tool teller: its 3 files were not stored within 0.01 s of its call (the limit is set by "
        "JIKKO_TOOL_SECONDS)"
    )


async def test_a_file_that_is_there_already_takes_no_time() -> None:
    tools = ScriptedTools(says=[FileMessage(file("a.txt"))])

    assert (await ran(tools, context(tools, limits=ValueLimits(tool_seconds=0)))).outputs["files"] == [file("a.txt")]


async def test_a_value_that_is_nested_too_deeply_fails() -> None:
    deep: Json = 1
    for _ in range(5000):
        deep = [deep]
    assert "nested too deeply" in str(await failed(ScriptedTools(says=[JsonMessage(deep)])))


async def test_what_the_tool_reports_has_its_name_in_front() -> None:
    reported = await failed(ScriptedTools(failure=ToolFailure("it broke")))
    other = await failed(ScriptedTools(failure=ToolFailure("no connection", reported=False)))

    assert str(reported) == "Failed to invoke tool teller: it broke"
    assert str(other) == "no connection"


@pytest.mark.parametrize(
    "quoted",
    [
        lambda key: key,
        quote,
        lambda key: quote(key, safe=""),
        quote_plus,
        str.upper,
        lambda key: repr(f"time data {key}"),
        lambda key: repr(f"it's {key} \""),
        ascii,
        json.dumps,
        lambda key: json.dumps(key, ensure_ascii=False),
        lambda key: json.dumps({"error": json.dumps({"of": key})}),
        html.escape,
    ],
)
@pytest.mark.parametrize("key", ["sk/0123 ひみつ 456", "?", "»", "a'b\n\"c\\d\t<é>"])
async def test_a_message_of_the_tool_that_names_a_secret_which_the_node_gave_it_is_not_kept(
    key: str, quoted: Any
) -> None:
    tools = ScriptedTools(failure=ToolFailure(f"no such page: /{quoted(key)}?", reported=False))
    ctx = FakeContext({"env": {"KEY": key}}, secrets=frozenset({"KEY"}))
    ctx.ports = msgspec.structs.replace(ctx.ports, tools=tools)
    failure = await failed(tools, ctx, tool_parameters=given("mixed", "page {{#env.KEY#}}"))

    assert str(failure) == "its error message quotes a secret of the node, and is omitted"
    assert failure.inputs == {"text": f"page {mask(key)}"}
    assert tools.calls[0].parameters == {"text": f"page {key}"}


@pytest.mark.parametrize("key", ["SK-AbcDef", "ひみつ鍵"])
async def test_nor_is_one_that_names_a_host_which_a_secret_is_part_of(key: str) -> None:
    message = key.encode("idna").decode().lower()
    tools = ScriptedTools(failure=ToolFailure(f"No host {message}.test.", reported=False))
    ctx = FakeContext({"env": {"KEY": key}}, secrets=frozenset({"KEY"}))
    ctx.ports = msgspec.structs.replace(ctx.ports, tools=tools)
    failure = await failed(tools, ctx, tool_parameters=given("mixed", "https://{{#env.KEY#}}.test/page"))

    assert str(failure) == "its error message quotes a secret of the node, and is omitted"


async def test_another_message_of_it_is_kept_as_it_is() -> None:
    tools = ScriptedTools(failure=ToolFailure("no such page: /1", reported=False))
    ctx = FakeContext({"env": {"KEY": "page 2"}}, secrets=frozenset({"KEY"}))
    ctx.ports = msgspec.structs.replace(ctx.ports, tools=tools)

    assert str(await failed(tools, ctx, tool_parameters=given("mixed", "{{#env.KEY#}}"))) == "no such page: /1"


async def test_the_call_knows_whose_it_is_and_has_one_key_in_every_attempt() -> None:
    tools = ScriptedTools()
    ctx = context(tools)
    await ran(tools, ctx)

    [call] = tools.calls
    assert (call.app_id, call.run_id, call.end_user_id, call.user) == ("app", "run", "end-user", "user")
    assert (call.key, call.depth) == (ctx.idempotency_key, 0)


def test_only_tools_that_compute_begin_before_what_led_to_them_is_durable() -> None:
    def effects(kind: str, provider: str) -> bool:
        return ToolNode.from_dsl(fields(say(provider_type=kind, provider_id=provider))).has_effects

    assert not effects("builtin", "time")
    assert not effects("builtin", "code")
    assert effects("builtin", "webscraper")
    assert effects("api", "time")


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ({"tool_parameters": {"a": {"type": "variable", "value": "x"}}}, "data.tool_parameters.a.value"),
        ({"tool_parameters": []}, "data.tool_parameters"),
    ],
)
def test_what_is_wrong_with_a_configuration_is_noted(data: dict[str, Json], path: str) -> None:
    read = fields(say(**data))
    ToolNode.from_dsl(read)

    assert [problem.where for problem in read.problems] == [path]


@pytest.mark.parametrize(
    ("shown", "strategy", "kind", "icon"),
    [
        ({"content": "🔧"}, None, "api", {"content": "🔧"}),
        (None, None, "api", None),
        # As recorded: see decisions/0029.
        (None, "fail-branch", "api", False),
        (None, "fail-branch", "plugin", None),
    ],
)
def test_the_start_shows_the_icon_of_the_provider(shown: Json, strategy: Json, kind: str, icon: Json) -> None:
    node = ToolNode.from_dsl(fields(say(error_strategy=strategy, provider_type=kind)))

    assert node.icon(context(ScriptedTools(shown=shown)).ports) == icon
