"""LLM node: prompt, parameters, and handling of the answer."""

import base64
from typing import Any

import pytest

from jikko.events import Turn
from jikko.nodes.contract import NodeFailure, Result
from jikko.nodes.model.llm import Llm
from jikko.ports.models import Abilities, Chunk, Completion, Media, ModelFailure, ModelUsage, PromptMessage
from jikko.values import Json
from tests.nodes.context import FilesOfOneUser, fields, file
from tests.nodes.models import MODEL, ModelContext, ScriptedModels

pytestmark = pytest.mark.anyio

VALUES: dict[str, dict[str, Json]] = {
    "start": {"s": "Ada", "none": None, "list": ["a", "b"], "n": 7},
    "sys": {"query": "what now?", "files": []},
}


def llm(**data: Any) -> Llm:
    source = fields({"model": MODEL, "prompt_template": [{"role": "user", "text": "Hi {{#start.s#}}"}], **data})
    node = Llm.from_dsl(source)
    assert not [problem for problem in source.problems if not problem.ok]
    return node


def says(*pieces: str | Chunk) -> ScriptedModels:
    return ScriptedModels([list(pieces)])


async def prompt_of(*texts: dict[str, Json], able: Abilities | None = None, **data: Any) -> list[tuple[str, str]]:
    models = says("ok")
    models.able = able or models.able
    await llm(prompt_template=list(texts), **data).run(ModelContext(models, VALUES))
    return [(message.role, message.text) for message in models.requests[0].messages]


async def failure_of(models: ScriptedModels | None = None, **data: Any) -> NodeFailure:
    with pytest.raises(NodeFailure) as caught:
        await llm(**data).run(ModelContext(models or says("ok"), VALUES))
    return caught.value


async def test_the_answer_is_streamed_and_told() -> None:
    ctx = ModelContext(says("Hello ", "Ada"), VALUES)

    result = await llm().run(ctx)

    assert result.outputs["text"] == "Hello Ada"
    assert result.outputs["reasoning_content"] == ""
    assert result.outputs["finish_reason"] == "stop"
    assert result.outputs["usage"]["total_tokens"] == 5
    assert ctx.text_chunks == [("text", "Hello "), ("text", "Ada"), ("text", ""), ("text", "")]
    assert result.inputs == {"model_provider": "langgenius/openai/openai", "model_name": "gpt-4o"}
    assert result.process_data["prompts"] == [{"role": "user", "text": "Hi Ada", "files": []}]
    assert result.usage is not None
    assert result.usage.total_tokens == 5


async def test_messages_keep_roles_and_order_and_empty_ones_are_dropped() -> None:
    sent = await prompt_of(
        {"role": "system", "text": "Be kind."},
        {"role": "user", "text": "{{#start.none#}}"},
        {"role": "assistant", "text": "{{#start.list#}}"},
        {"role": "user", "text": "n={{#start.n#}}", "edition_type": "basic", "jinja2_text": "not me"},
    )

    assert sent == [("system", "Be kind."), ("assistant", '["a", "b"]'), ("user", "n=7")]


async def test_jinja_prompts_go_through_the_sandbox() -> None:
    sent = await prompt_of(
        {"role": "user", "edition_type": "jinja2", "text": "not me", "jinja2_text": "{{ v }}"},
        prompt_config={"jinja2_variables": [{"variable": "v", "value_selector": ["start", "list"]}]},
    )

    assert sent == [("user", "rendered {{ v }} with {'v': ['a', 'b']} for app")]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text", "text"),
        (["a", {"content": "b", "summary": "s"}, {"content": "c"}], "a\ns\nb\nc"),
        (None, ""),
        (7, ""),
    ],
)
async def test_the_context_stands_where_the_prompt_says(value: Json, expected: str) -> None:
    ctx = ModelContext(says("ok"), {**VALUES, "kb": {"result": value}})
    node = llm(
        prompt_template=[{"role": "user", "text": "<{{#context#}}>"}],
        context={"enabled": True, "variable_selector": ["kb", "result"]},
    )

    result = await node.run(ctx)

    assert result.process_data["prompts"][0]["text"] == f"<{expected}>"
    assert result.inputs.get("#context#", "") == expected


async def test_references_inside_a_context_are_not_replaced() -> None:
    ctx = ModelContext(says("ok"), {**VALUES, "kb": {"result": "{{#start.s#}}"}})
    node = llm(
        prompt_template=[{"role": "user", "text": "{{#context#}}"}],
        context={"enabled": True, "variable_selector": ["kb", "result"]},
    )

    assert (await node.run(ctx)).process_data["prompts"][0]["text"] == "{{#start.s#}}"


@pytest.mark.parametrize(
    ("element", "kind"), [({"title": "x"}, "InvalidContextStructureError"), (7, "TypeError"), (None, "TypeError")]
)
async def test_a_context_without_content_is_refused(element: Json, kind: str) -> None:
    ctx = ModelContext(says("ok"), {**VALUES, "kb": {"result": ["読", element]}})
    node = llm(context={"enabled": True, "variable_selector": ["kb", "result"]})

    with pytest.raises(NodeFailure) as caught:
        await node.run(ctx)

    assert caught.value.kind == kind


@pytest.mark.parametrize(
    "data",
    [
        {"prompt_template": [{"role": "user", "text": "{{#start.miss#}}"}]},
        {"memory": {"query_prompt_template": "{{#start.miss#}}"}},
        {"prompt_config": {"jinja2_variables": [{"variable": "v", "value_selector": ["start", "miss"]}]}},
    ],
)
async def test_what_a_prompt_refers_to_must_exist(data: dict[str, Any]) -> None:
    assert (await failure_of(**data)).kind == "VariableNotFoundError"


async def test_a_prompt_must_not_be_empty() -> None:
    assert (await failure_of(prompt_template=[])).kind == "NoPromptFoundError"
    assert (await failure_of(prompt_template=[{"role": "user", "text": ""}])).kind == "NoPromptFoundError"


@pytest.mark.parametrize(
    ("memory", "last"),
    [
        ({"window": {"enabled": False}}, "what now?"),
        ({"query_prompt_template": "Q: {{#sys.query#}}"}, "Q: what now?"),
        ({"query_prompt_template": "問い🙂{{#context#}} {{#sys.query#}}"}, "問い🙂 what now?"),
    ],
)
async def test_with_memory_the_query_comes_last(memory: dict[str, Json], last: str) -> None:
    sent = await prompt_of({"role": "system", "text": "Be kind."}, memory=memory)

    assert sent == [("system", "Be kind."), ("user", last)]


async def test_without_memory_no_query_is_added() -> None:
    assert await prompt_of({"role": "system", "text": "Be kind."}) == [("system", "Be kind.")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Say {{#start.s#}}", "what now?\n\nSay Ada"),
        ("#histories#Say", "what now?\nSay"),
        ("Q {{#sys.query#}} #sys.query#", "what now?\n\nQ what now? #sys.query#"),
    ],
)
@pytest.mark.parametrize("query", ["", "{{#sys.query#}}"])
async def test_the_question_precedes_the_one_text_of_a_completion(text: str, expected: str, query: str) -> None:
    models = says("ok")
    memory: Json = {"role_prefix": {}, "query_prompt_template": query}
    node = llm(model={**MODEL, "mode": "completion"}, prompt_template={"text": text}, memory=memory)

    result = await node.run(ModelContext(models, VALUES))

    assert models.requests[0].mode == "completion"
    assert result.process_data["prompts"] == [{"role": "user", "text": expected}]


@pytest.mark.parametrize("memory", [{}, {"window": {"enabled": False, "size": 5}, "role_prefix": None}])
async def test_memory_of_a_completion_needs_prefixes_where_there_is_a_conversation(memory: Json) -> None:
    node = llm(model={**MODEL, "mode": "completion"}, prompt_template={"text": "Say"}, memory=memory)
    ctx = ModelContext(says("ok"), VALUES)
    await node.run(ctx)

    ctx.turn = Turn("c", "m1")
    with pytest.raises(NodeFailure, match="role_prefix") as caught:
        await node.run(ctx)

    assert caught.value.kind == "MemoryRolePrefixRequiredError"


async def test_parameters_are_expanded_and_become_numbers_and_booleans() -> None:
    models = says("ok")
    parameters = {"temperature": "{{#start.n#}}", "stop": ["x"], "flag": "{{#start.b#}}", "name": "n {{#start.s#}}"}
    ctx = ModelContext(models, {**VALUES, "start": {**VALUES["start"], "b": "true"}})

    await llm(model={**MODEL, "completion_params": parameters}).run(ctx)

    assert models.requests[0].parameters == {"temperature": 7, "stop": ["x"], "flag": True, "name": "n Ada"}


async def test_an_expanded_parameter_is_cut() -> None:
    models = says("ok")
    ctx = ModelContext(models, {**VALUES, "start": {"s": "x" * 5000}})

    await llm(model={**MODEL, "completion_params": {"p": "{{#start.s#}}"}}).run(ctx)

    assert len(models.requests[0].parameters["p"]) == 1024


async def test_an_expanded_parameter_that_is_nested_too_deeply_stays_a_text() -> None:
    models = says("ok")
    values: dict[str, dict[str, Json]] = {"start": {"s": "[" * 1024}}

    await llm(model={**MODEL, "completion_params": {"stop": "{{#start.s#}}"}}).run(ModelContext(models, values))

    assert models.requests[0].parameters == {"stop": "[" * 1024}


async def test_failures_of_the_model_are_those_of_the_node() -> None:
    used = ModelUsage(prompt_tokens=1, total_tokens=1)
    failure = await failure_of(ScriptedModels([ModelFailure("slow down", kind="InvokeRateLimitError", usage=used)]))

    assert str(failure) == "slow down"
    assert failure.kind == "InvokeRateLimitError"
    assert failure.usage is not None
    assert failure.usage.total_tokens == 1
    assert failure.inputs == {"model_provider": "langgenius/openai/openai", "model_name": "gpt-4o"}


@pytest.mark.parametrize(
    ("model", "kind"),
    [({}, "ModelNotExistError"), ({**MODEL, "mode": ""}, "LLMModeRequiredError"), (None, "ModelNotExistError")],
)
async def test_a_node_without_a_proper_model_fails(model: Json, kind: str) -> None:
    assert (await failure_of(model=model)).kind == kind


async def test_a_model_without_provider_fails_its_node() -> None:
    models = says("ok")
    models.missing = ModelFailure("add this line", kind="ModelNotExistError")

    failure = await failure_of(models)

    assert (str(failure), failure.kind) == ("add this line", "ModelNotExistError")


# Files.

CONTENT = b"content of a file, long enough to be shortened"
VISION = {"enabled": True, "configs": {"variable_selector": ["start", "f"], "detail": "low"}}
IMAGE = file("a.png", type="image", mime_type="image/png")
FAR = file("b.png", type="image", mime_type="image/png", transfer_method="remote_url", related_id=None)


async def messages_with(value: Json, *, able: Abilities | None = None, **data: Any) -> tuple[PromptMessage, ...]:
    models = says("ok")
    models.able = able or Abilities(media=frozenset({"image"}))
    ctx = ModelContext(models, {**VALUES, "start": {**VALUES["start"], "f": value}}, files=stored())
    await llm(**{"vision": VISION, **data}).run(ctx)
    return models.requests[0].messages


def stored() -> FilesOfOneUser:
    return FilesOfOneUser({"a.png": CONTENT})


async def test_files_are_put_before_the_text_of_the_last_message() -> None:
    [message] = await messages_with([IMAGE, {**FAR, "remote_url": "https://x.test/b.png"}])

    near, far, text = message.parts
    assert isinstance(near, Media)
    assert isinstance(far, Media)
    assert near.data.startswith(b"content")
    assert (far.url, far.data, far.detail) == ("https://x.test/b.png", b"", "low")
    assert text == "Hi Ada"


async def test_a_file_of_an_unsupported_type_is_named_unless_the_prompt_refers_to_it() -> None:
    data = file("表🎉.bin", type="custom", mime_type="application/octet-stream")

    [message] = await messages_with([data], prompt_template=[{"role": "user", "text": "See {{#start.f#}}"}])

    assert message.parts == ("[Unsupported file type: 表🎉.bin (custom)]", "See ")


async def test_files_are_a_message_of_their_own_behind_a_message_of_another_role() -> None:
    sent = await messages_with(IMAGE, prompt_template=[{"role": "system", "text": "Look."}])

    assert [(message.role, message.text) for message in sent] == [("system", "Look."), ("user", "")]


async def test_files_that_the_prompt_refers_to_follow_its_text() -> None:
    template = [{"role": "user", "text": "See {{#start.f#}}"}]

    sent = await messages_with(IMAGE, prompt_template=template, vision={"enabled": False})

    assert [message.role for message in sent] == ["user", "user"]
    assert sent[0].text == "See "
    assert isinstance(sent[1].parts[0], Media)


@pytest.mark.parametrize(("vision", "shown"), [({"enabled": False}, 1), (VISION, 2)])
async def test_files_that_the_question_of_a_memory_refers_to_follow_it(vision: Json, shown: int) -> None:
    memory = {"query_prompt_template": "{{#sys.query#}} 見て🙂 {{#start.f#}}"}

    *_, asked, files = await messages_with([IMAGE], memory=memory, vision=vision)

    assert asked.parts == ("what now? 見て🙂 ",)
    assert [type(part) for part in files.parts] == [Media] * shown


async def test_files_that_the_model_cannot_read_are_left_out() -> None:
    [message] = await messages_with(IMAGE, able=Abilities(media=frozenset()))

    assert message.parts == ("Hi Ada",)


@pytest.mark.parametrize("value", [None, []])
async def test_no_files_are_fine(value: Json) -> None:
    assert len((await messages_with(value))[0].parts) == 1


async def test_what_is_no_file_cannot_be_shown() -> None:
    with pytest.raises(NodeFailure) as caught:
        await messages_with("text")

    assert caught.value.kind == "InvalidVariableTypeError"


async def test_files_are_recorded_in_short() -> None:
    ctx = ModelContext(says("ok"), {**VALUES, "start": {**VALUES["start"], "f": IMAGE}}, files=stored())

    result = await llm(vision=VISION).run(ctx)

    assert result.inputs["#files#"] == [IMAGE]
    [recorded] = result.process_data["prompts"][0]["files"]
    ending = base64.b64encode(CONTENT).decode()[-10:]
    assert recorded == {"type": "image", "data": f"data:image...[TRUNCATED]...{ending}", "detail": "low"}


async def test_what_a_model_made_is_stored_and_shown() -> None:
    answer = Completion(text="Here:", media=(Media("image", "image/png", data=b"png"),), finish_reason="stop")
    ctx = ModelContext(ScriptedModels([answer]), VALUES, files=FilesOfOneUser())

    result = await llm().run(ctx)

    [made] = result.outputs["files"]
    assert made["filename"] == "image-1.png"
    assert result.outputs["text"] == "Here:![](http://jikko.test/files/image-1.png)"


# Reasoning.


async def separated(*pieces: str | Chunk) -> tuple[Result, ModelContext]:
    ctx = ModelContext(says(*pieces), VALUES)
    return await llm(reasoning_format="separated").run(ctx), ctx


async def test_tags_stay_in_the_text() -> None:
    ctx = ModelContext(says("<think>hm</think>", "yes"), VALUES)

    result = await llm().run(ctx)

    assert result.outputs["text"] == ctx.shown == "<think>hm</think>yes"
    assert result.outputs["reasoning_content"] == ""
    assert ctx.thought == []


async def test_reasoning_that_the_provider_tells_apart_is_put_between_tags() -> None:
    ctx = ModelContext(says(Chunk("", "hm"), Chunk("", " ok"), Chunk("yes", "")), VALUES)

    result = await llm().run(ctx)

    assert result.outputs["text"] == ctx.shown == "<think>\nhm ok\n</think>yes"


async def test_reasoning_is_separated() -> None:
    result, ctx = await separated("<thi", "nk>hmm ", "ok</th", "ink>the ", "answer")

    assert (result.outputs["text"], result.outputs["reasoning_content"]) == ("the answer", "hmm ok")
    assert ctx.shown == "the answer"
    assert ctx.thought == [("hmm ", False), ("ok", False), ("", True)]
    assert ctx.text_chunks[-2:] == [("text", ""), ("text", "")]


async def test_blank_lines_behind_separated_reasoning_are_not_shown() -> None:
    result, ctx = await separated("<think>hmm</think>", "\n\n", "\n 答え\n", "\nmore")

    assert result.outputs["text"] == ctx.shown == "答え\n\nmore"


async def test_reasoning_that_the_provider_tells_apart_is_separate() -> None:
    result, ctx = await separated(Chunk("", "hm"), Chunk("yes", ""))

    assert (result.outputs["text"], result.outputs["reasoning_content"]) == ("yes", "hm")
    assert ctx.thought == [("hm", False), ("", True)]


async def test_without_reasoning_there_is_nothing_to_separate() -> None:
    result, ctx = await separated("a < b ", "and <thin")

    assert result.outputs["text"] == ctx.shown == "a < b and <thin"
    assert ctx.thought == []


# Structured output.

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "ok": {"type": "boolean"}, "tags": {"type": "array"}},
    "required": ["name"],
}
STRUCTURED = {"structured_output_enabled": True, "structured_output": {"schema": SCHEMA}}
NATIVE = Abilities(structured_output=True)


async def structured(answer: str, *, able: Abilities | None = None) -> tuple[Json, ScriptedModels]:
    models = says(answer)
    models.able = able or models.able
    result = await llm(**STRUCTURED).run(ModelContext(models, VALUES))
    return result.outputs["structured_output"], models


async def test_models_that_can_get_the_schema() -> None:
    value, models = await structured('{"name": "Ada", "ok": "true"}', able=NATIVE)

    assert value == {"name": "Ada", "ok": True}
    schema = models.requests[0].schema
    assert schema is not None
    assert schema["properties"]["ok"] == {"type": "string", "enum": ["true", "false"]}
    assert models.requests[0].messages == (PromptMessage("user", ("Hi Ada",)),)


async def test_other_models_are_told_the_schema() -> None:
    value, models = await structured('{"name": "Ada"}')

    assert value == {"name": "Ada"}
    assert models.requests[0].schema is None
    system, user = models.requests[0].messages
    assert system.role == "system"
    assert '"required": ["name"]' in system.text
    assert user.text == "Hi Ada"


async def test_a_model_that_could_not_after_all_is_told_the_schema() -> None:
    refusal = ModelFailure("no schema", kind="InvokeBadRequestError", unsupported="structured_output")
    models = ScriptedModels([refusal, ['{"name": "Ada"}']], able=NATIVE)

    result = await llm(**STRUCTURED).run(ModelContext(models, VALUES))

    assert result.outputs["structured_output"] == {"name": "Ada"}
    assert [request.schema is None for request in models.requests] == [False, True]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ('```json\n{"name": "Ada"}\n```', {"name": "Ada"}),
        ("{'name': 'Ada',}", {"name": "Ada"}),
        ('<think>{"name": 1}</think>{"name": "Ada"}', {"name": "Ada"}),
        ('[1, {"name": "Ada"}]', {"name": "Ada"}),
        ("[1, 2]", {}),
        pytest.param("Well… " * 1000 + '```json\n{"name": "Ada"}\n```', {"name": "Ada"}, id="whole in a long text"),
    ],
)
async def test_answers_are_repaired(answer: str, expected: Json) -> None:
    assert (await structured(answer))[0] == expected


@pytest.mark.parametrize("answer", ["no json at all", "17"])
async def test_an_answer_that_is_no_object_fails_with_what_was_used(answer: str) -> None:
    failure = await failure_of(says(answer), **STRUCTURED)

    assert failure.kind == "LLMNodeError"
    assert failure.usage is not None
    assert failure.usage.total_tokens == 5


async def test_a_long_answer_that_is_broken_is_not_repaired() -> None:
    # To repair this one takes a minute.
    failure = await failure_of(says('["a" b" ' * 8000), **STRUCTURED)

    assert failure.kind == "LLMNodeError"


async def test_structured_output_needs_its_switch_and_its_schema() -> None:
    for data in ({"structured_output": {"schema": SCHEMA}}, {"structured_output_enabled": True}):
        result = await llm(**data).run(ModelContext(says("text"), VALUES))
        assert "structured_output" not in result.outputs
