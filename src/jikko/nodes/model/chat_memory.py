"""Chat memory: the conversation history for a model, and earlier turns of an agent app as messages.

Source: docs/dify-behaviour.md, “Memory”, “Agents of apps without a workflow”.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Self

from msgspec import Struct

from jikko.dsl.fields import Fields
from jikko.lang.tokens import estimated
from jikko.nodes.contract import Context, NodeFailure
from jikko.nodes.model.model_call import ModelConfig
from jikko.nodes.model.vision import Vision, all_media
from jikko.ports.models import FunctionCall, Media, PromptMessage, Role
from jikko.ports.stores.messages import Message, Thought
from jikko.values import Json, json_value

_MAX_MESSAGES: Final = 500
"""Maximum messages of a conversation, including the current one."""
_UNKNOWN_CONTEXT: Final = 2000
"""Tokens of history for a model with unknown context size."""
_EVERYTHING: Final = 1 << 40
_BATCH_MESSAGES: Final = 20
"""Messages read at a time: most histories are cut off by the token budget early."""
_FILE_TOKENS: Final = 800
"""Estimated tokens of a file."""


class MemoryText(Struct, frozen=True):
    """One text of the conversation, with its files."""

    role: Role
    text: str
    files: tuple[Json, ...] = ()
    thoughts: tuple[Thought, ...] = ()
    """Rounds of an agent of an app without a workflow."""

    @property
    def tokens(self) -> int:
        """Return its estimated tokens."""
        rounds = (text for one in self.thoughts for text in (one.thought, one.tool_input, one.observation))
        return sum(map(estimated, (self.text, *rounds))) + _FILE_TOKENS * len(self.files)


class Memory(Struct, frozen=True):
    """Memory settings of a node."""

    window: int
    """Number of messages, including the current one; 0: no memory."""
    user_prefix: str
    assistant_prefix: str
    """Line prefixes where the history is one text."""
    keeps_failures: bool = False
    """Whether failed turns are included, with an empty answer. [QUIRK]"""
    without_budget: bool = False
    """Whether a model with unknown context size gets all messages."""

    @classmethod
    def whole(cls, user_prefix: str = "", assistant_prefix: str = "") -> Self:
        """Return the memory of an app without a workflow."""
        prefixes = user_prefix or "Human", assistant_prefix or "Assistant"
        return cls(_MAX_MESSAGES, *prefixes, keeps_failures=True, without_budget=True)

    @classmethod
    def none(cls) -> Self:
        return cls(0, "Human", "Assistant")

    @classmethod
    def from_dsl(cls, data: Fields, *, always_by_size: bool = False) -> Self:
        """``always_by_size``: Whether the window's size counts even if it is disabled. [QUIRK]"""
        memory = data.mapping("memory")
        window, prefixes = memory.mapping("window"), memory.mapping("role_prefix")
        size = window.integer("size") or 0
        most = 0
        if data.get("memory") is not None:
            bounded = size > 0 and (always_by_size or window.boolean("enabled"))
            most = min(size, _MAX_MESSAGES) if bounded else _MAX_MESSAGES
        return cls(most, prefixes.text("user") or "Human", prefixes.text("assistant") or "Assistant")

    async def recall(
        self, ctx: Context, model: ModelConfig, *, with_files: bool, reserved: int = 0
    ) -> list[MemoryText]:
        """Return earlier turns, oldest first, as far as the model's context allows.

        Deterministic for the turn: messages that arrive after it began are excluded. ``reserved``: Tokens of the rest
        of the prompt.
        """
        turn = ctx.turn
        left = self.window - 1
        if turn is None or left < 1:
            return []
        size = await ctx.ports.models.context_size(model.provider, model.name)
        unknown = _EVERYTHING if self.without_budget else _UNKNOWN_CONTEXT
        room = unknown if size is None else max(0, size - _answer_tokens(model) - reserved)
        found: list[MemoryText] = []
        before = turn.message_id
        while left > 0:
            page = await _page(ctx, turn.conversation_id, before, min(left, _BATCH_MESSAGES))
            for message in page:
                user = tuple(message.files) if with_files else ()
                own = tuple(message.answer.files) if with_files else ()
                is_told = message.answer.text or self.keeps_failures
                texts = (
                    [MemoryText("assistant", message.answer.text, own, tuple(message.answer.thoughts))]
                    if is_told
                    else []
                )
                for one in (*texts, MemoryText("user", message.query, user)):
                    room -= one.tokens
                    # At least one is kept, whatever its length.
                    if room < 0 and found:
                        return found[::-1]
                    found.append(one)
            if not page:
                break
            before, left = page[-1].id, left - len(page)
        return found[::-1]

    def as_text(self, texts: Sequence[MemoryText]) -> str:
        prefixes = {"user": self.user_prefix, "assistant": self.assistant_prefix}
        lines = []
        for one in texts:
            images = ["[image]" for file in one.files if isinstance(file, dict) and file.get("type") == "image"]
            lines.append(f"{prefixes[one.role]}: {chr(10).join([*images, one.text])}")
        return "\n".join(lines)


async def _page(ctx: Context, conversation_id: str, before: str, limit: int) -> list[Message]:
    history = ctx.ports.history
    page = await history.messages(conversation_id, before=before, limit=limit)
    if page is None:
        # The current message is still being written, after everything that it may see. Ids sort by time.
        newest = await history.messages(conversation_id, limit=limit)
        page = [message for message in newest or [] if message.id < before]
    return page


async def prompt_messages(ctx: Context, texts: Sequence[MemoryText], vision: Vision) -> list[PromptMessage]:
    """Return the history as prompt messages, without files deleted since."""
    messages = []
    for one in texts:
        media: list[Media] = []
        for file in one.files:
            try:
                media += await all_media(ctx, [file], vision.detail)
            except NodeFailure:
                continue
        messages.append(PromptMessage(one.role, (*media, one.text)))
    return messages


def _answer_tokens(model: ModelConfig) -> int:
    wanted = model.parameters.get("max_tokens")
    return wanted if isinstance(wanted, int) and not isinstance(wanted, bool) else 0


def messages_with_calls(said: MemoryText) -> Iterator[PromptMessage]:
    """Yield an answer with function calls, round by round."""
    if not said.thoughts:
        yield PromptMessage("assistant", (said.text,))
    for thought in said.thoughts:
        text = thought.thought
        names = [name for name in thought.tool.split(";") if name]
        answers = _object(thought.observation)
        if not names or not answers:
            if text:
                yield PromptMessage("assistant", (text,))
            continue
        given = _object(thought.tool_input)
        calls = tuple(
            FunctionCall(f"{thought.id}_{place}", name, json.dumps(given.get(name, {}), ensure_ascii=False))
            for place, name in enumerate(names)
        )
        yield PromptMessage("assistant", (text,) if text else (), calls)
        for call in calls:
            yield PromptMessage("tool", (str(answers.get(call.name, "")),), tool_call_id=call.id)


def message_as_text(said: MemoryText) -> PromptMessage:
    """Return an answer of a ReAct agent: its rounds, and the final text."""
    rounds = list(rounds_as_text(said.thoughts))
    if not rounds:
        return PromptMessage("assistant", (said.text,))
    return PromptMessage("assistant", ("".join([*rounds, f"Final Answer: {said.text}"]),))


def rounds_as_text(thoughts: Iterable[Thought]) -> Iterator[str]:
    """Yield the rounds with tool calls, in the agent's own format."""
    for thought in thoughts:
        name, answers = thought.tool, _object(thought.observation)
        if not name or not answers:
            continue
        action = {"action_name": name, "action_input": _object(thought.tool_input).get(name)}
        yield (
            f"Thought: {thought.thought}\n\nAction: {json.dumps(action, ensure_ascii=False)}\n\n"
            f"Observation: {answers.get(name, '')}\n\n"
        )


def _object(text: str) -> dict[str, Json]:
    value = json_value(text)
    return value if isinstance(value, dict) else {}
