"""Chat memory: the part of the conversation that a model is told. Source: docs/dify-behaviour.md, “Memory”."""

from collections.abc import Sequence
from typing import Final, Self

from msgspec import Struct

from jikko.dsl.fields import Fields
from jikko.lang.tokens import estimated
from jikko.nodes.contract import NodeFailure
from jikko.nodes.model.model_call import ModelConfig
from jikko.nodes.model.vision import Vision, all_media
from jikko.nodes.node_context import Context
from jikko.ports.models import Media, PromptMessage, Role
from jikko.ports.stores.messages import Message, Thought
from jikko.values import Json

_MAX_MESSAGES: Final = 500
"""Messages of a conversation that are looked at, the one that is being answered among them."""
_UNKNOWN_CONTEXT: Final = 2000
"""Tokens of history for a model whose context has an unknown size."""
_EVERYTHING: Final = 1 << 40
_BATCH_MESSAGES: Final = 20
"""Messages that are read at once: most histories end at the budget of tokens, long before their beginning."""
_FILE_TOKENS: Final = 800
"""What a file is taken to need."""


class MemoryText(Struct, frozen=True):
    """One text of the conversation, with its files."""

    role: Role
    text: str
    files: tuple[Json, ...] = ()
    thoughts: tuple[Thought, ...] = ()
    """Of the agent of an app without a workflow: its rounds."""

    @property
    def tokens(self) -> int:
        """What it needs in a prompt, roughly."""
        rounds = (text for one in self.thoughts for text in (one.thought, one.tool_input, one.observation))
        return sum(map(estimated, (self.text, *rounds))) + _FILE_TOKENS * len(self.files)


class Memory(Struct, frozen=True):
    """Whether, and how, a node tells its model of earlier turns."""

    window: int
    """Messages that are looked at, the one that is being answered among them; 0: the node has no memory."""
    user_prefix: str
    assistant_prefix: str
    """What the lines begin with where the history is one text."""
    keeps_failures: bool = False
    """Whether a turn that failed is told of, with an answer that is empty. [QUIRK]"""
    without_budget: bool = False
    """Whether all messages are told of to a model whose context has an unknown size."""

    @classmethod
    def whole(cls, user_prefix: str = "", assistant_prefix: str = "") -> Self:
        """The memory of an app without a workflow."""
        prefixes = user_prefix or "Human", assistant_prefix or "Assistant"
        return cls(_MAX_MESSAGES, *prefixes, keeps_failures=True, without_budget=True)

    @classmethod
    def none(cls) -> Self:
        return cls(0, "Human", "Assistant")

    @classmethod
    def from_dsl(cls, data: Fields, *, always_by_size: bool = False) -> Self:
        """``always_by_size``: whether the size of the window counts even where the window is off. [QUIRK]"""
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
        """What was said in earlier turns, oldest first, as much of it as the model has room for.

        The same whenever the node runs: what is said in the conversation after the turn has begun is none of it.
        ``reserved``: Tokens that the prompt needs besides.
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
                    # One is kept, however long it is.
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
        # The message itself is still on its way to the disk, behind all that it may see. Ids sort by time.
        newest = await history.messages(conversation_id, limit=limit)
        page = [message for message in newest or [] if message.id < before]
    return page


async def prompt_messages(ctx: Context, texts: Sequence[MemoryText], vision: Vision) -> list[PromptMessage]:
    """The history as messages of a prompt. A file that is gone since is left out."""
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
