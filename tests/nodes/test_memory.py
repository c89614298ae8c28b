"""Conversation history in a model's prompt."""

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from jikko.dsl.fields import Fields
from jikko.events import Turn
from jikko.lang.tokens import estimated
from jikko.nodes.model.chat_memory import Memory, MemoryText, prompt_messages
from jikko.nodes.model.model_call import ModelConfig
from jikko.nodes.model.vision import Vision
from jikko.ports.models import Media, ModelFailure
from jikko.ports.stores.messages import Message, MessageAnswer, Thought
from tests.contract.conversations import conversation, message
from tests.nodes.context import FilesOfOneUser
from tests.nodes.models import MODEL, ModelContext, ScriptedModels
from tests.store.in_memory import ConversationsInMemory

pytestmark = pytest.mark.anyio

IMAGE = {
    "dify_model_identity": "__dify__file__",
    "type": "image",
    "transfer_method": "remote_url",
    "remote_url": "http://x/a.png",
    "mime_type": "image/png",
    "related_id": None,
}
GONE = {**IMAGE, "transfer_method": "local_file", "related_id": "0199a1b2-0000-7000-8000-0000000000f1"}


async def recalling(*turns: Message, context: int | None = 100_000, running: Message | None = None) -> ModelContext:
    """A node of the turn behind these."""
    store = ConversationsInMemory()
    for count, turn in enumerate(turns):
        await store.add_turn(turn, conversation("c") if count == 0 else None)
    if running is not None:
        await store.add_turn(running, None if turns else conversation("c"))
    ctx = ModelContext(ScriptedModels([ModelFailure("", kind="InvokeBadRequestError")], context=context))
    history: Any = {"history": store}
    ctx.ports = msgspec.structs.replace(ctx.ports, **history)
    ctx.turn = Turn("c", "m9")
    return ctx


def message_of(number: int, answer: str = "", **more: Any) -> Message:
    return replace(
        message(f"m{number}", "c", answer=MessageAnswer(text=answer or f"答{number}"), **more), query=f"問{number}"
    )


def memory(**data: Any) -> Memory:
    return Memory.from_dsl(Fields("", {"memory": data}, []))


def config(**parameters: Any) -> ModelConfig:
    return ModelConfig.from_dsl(Fields("", {"model": {**MODEL, "completion_params": parameters}}, []))


async def prompt_of(ctx: ModelContext, found: Memory, **more: Any) -> list[str]:
    return [f"{one.role}: {one.text}" for one in await found.recall(ctx, config(), with_files=False, **more)]


NOW = message_of(9)
FOUR = ["user: 問1", "assistant: 答1", "user: 問2", "assistant: 答2"]


async def test_earlier_turns_come_oldest_first_without_the_one_that_is_answered() -> None:
    ctx = await recalling(message_of(1), message_of(2), running=NOW)

    assert await prompt_of(ctx, memory()) == FOUR


async def test_and_so_they_do_while_that_one_is_not_on_the_disk_yet() -> None:
    ctx = await recalling(message_of(1), message_of(2))

    assert await prompt_of(ctx, memory()) == FOUR


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ({"enabled": True, "size": 3}, FOUR),
        ({"enabled": True, "size": 2}, FOUR[2:]),
        ({"enabled": True, "size": 1}, []),
        ({"enabled": True, "size": 0}, FOUR),
        ({"enabled": False, "size": 2}, FOUR),
    ],
    ids=str,
)
async def test_a_window_counts_the_turn_that_is_answered(window: dict[str, Any], expected: list[str]) -> None:
    ctx = await recalling(message_of(1), message_of(2), running=NOW)

    assert await prompt_of(ctx, memory(window=window)) == expected


async def test_classifiers_and_extractors_go_by_the_size_of_a_window_that_is_off() -> None:
    ctx = await recalling(message_of(1), message_of(2), running=NOW)
    found = Memory.from_dsl(Fields("", {"memory": {"window": {"enabled": False, "size": 2}}}, []), always_by_size=True)

    assert await prompt_of(ctx, found) == FOUR[2:]


async def test_without_memory_or_conversation_there_is_none() -> None:
    ctx = await recalling(message_of(1), running=NOW)
    assert await prompt_of(ctx, Memory.from_dsl(Fields("", {}, []))) == []

    ctx.turn = None
    assert await prompt_of(ctx, memory()) == []


async def test_of_a_turn_without_an_answer_the_question_is_told() -> None:
    failed = replace(message_of(1), answer=MessageAnswer(status="error", error="x"))
    ctx = await recalling(failed, message_of(2), running=NOW)

    assert await prompt_of(ctx, memory()) == ["user: 問1", *FOUR[2:]]


async def test_the_oldest_texts_are_left_out_when_the_model_has_no_room_for_them() -> None:
    long = message_of(2, "x" * 400)
    size = estimated("x" * 400) + estimated("問2") + estimated("答1")
    ctx = await recalling(message_of(1), long, running=NOW, context=size)

    assert await prompt_of(ctx, memory()) == ["assistant: 答1", "user: 問2", "assistant: " + "x" * 400]
    assert await prompt_of(ctx, memory(), reserved=1) == ["user: 問2", "assistant: " + "x" * 400]


async def test_the_newest_text_is_told_however_long_it_is() -> None:
    ctx = await recalling(message_of(1), message_of(2, "x" * 4_000), running=NOW, context=10)

    assert await prompt_of(ctx, memory()) == ["assistant: " + "x" * 4_000]


async def test_the_room_for_the_answer_is_left() -> None:
    ctx = await recalling(message_of(1), message_of(2), running=NOW, context=1_000)
    found = await memory().recall(ctx, config(max_tokens=999), with_files=False)

    assert [one.text for one in found] == ["答2"]


async def test_of_a_model_whose_context_is_unknown_2000_tokens_are_told() -> None:
    turns = [message_of(number, "x" * 2_800) for number in range(1, 7)]
    ctx = await recalling(*turns, running=NOW, context=None)

    texts = await prompt_of(ctx, memory())
    assert sum(estimated(text.partition(": ")[2]) for text in texts) <= 2_000
    assert len(texts) == 4


async def test_a_long_conversation_is_read_only_as_far_as_there_is_room() -> None:
    turns = [replace(message_of(1), id=f"m8{number:03}", query=f"q{number}") for number in range(120)]
    ctx = await recalling(*turns, running=NOW)

    texts = await prompt_of(ctx, memory(window={"enabled": True, "size": 101}))
    assert len(texts) == 200
    assert texts[0] == "user: q20"


async def test_files_of_earlier_turns_are_shown_where_vision_is_on() -> None:
    ctx = await recalling(message_of(1, files=[IMAGE]), running=NOW)
    vision = Vision(enabled=True, selector=(), detail="low")
    found = await memory().recall(ctx, config(), with_files=True)

    [user, assistant] = await prompt_messages(ctx, found, vision)
    assert [type(part) for part in user.parts] == [Media, str]
    assert assistant.parts == ("答1",)
    assert memory().as_text(found) == "Human: [image]\n問1\nAssistant: 答1"
    assert await memory().recall(ctx, config(), with_files=False) != found


async def test_a_file_that_is_gone_is_left_out() -> None:
    ctx = await recalling(message_of(1, files=[GONE]), running=NOW)
    files: Any = {"files": FilesOfOneUser()}
    ctx.ports = msgspec.structs.replace(ctx.ports, **files)
    found = await memory().recall(ctx, config(), with_files=True)

    [user, _] = await prompt_messages(ctx, found, Vision(enabled=True, selector=(), detail="low"))
    assert user.parts == ("問1",)


def test_lines_have_the_prefixes_of_the_node() -> None:
    found = memory(role_prefix={"user": "客", "assistant": "店"})
    assert found.as_text([MemoryText("user", "a"), MemoryText("assistant", "b\nc")]) == "客: a\n店: b\nc"


def test_what_an_agents_tools_answered_needs_room_too() -> None:
    said = MemoryText("assistant", "晴れ")
    thought = Thought(id="t", position=1, created_at=0.0, tool="see", observation="雲 " * 1000)

    assert replace(said, thoughts=(thought,)).tokens >= said.tokens + estimated(thought.observation)
