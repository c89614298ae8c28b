"""Prompt of an app without a workflow: simple or advanced, for chat or completion models.

The sentences around context and history are Jikko's own. Source: docs/dify-behaviour.md, “Prompts of apps without a
workflow”.
"""

from typing import Final, Self, cast

from msgspec import Struct

from jikko.dsl.fields import Fields
from jikko.lang.templates import to_text
from jikko.lang.variables import filled, has_place
from jikko.nodes.masked_text import NOTHING, MaskedText
from jikko.nodes.model.chat_memory import Memory, prompt_messages
from jikko.nodes.model.llm_prompt import DraftMessage
from jikko.nodes.model.model_call import ModelConfig
from jikko.nodes.model.vision import Vision, all_media
from jikko.nodes.node_context import Context, Variables
from jikko.ports.models import Media, Role
from jikko.values import UNSET, Json, Selector

_ROLES: Final = ("system", "user", "assistant")
_FOUND: Final = """Between <context> and </context> stands what was found for the question.

<context>
{context}
</context>

Answer from it where it helps, in the language of the question, and do not speak of it as something that you were \
given. If it does not hold the answer, say that you do not know it, or ask back if it is not clear what is meant.

"""
_HISTORY: Final = """The conversation so far stands between <histories> and </histories>.

<histories>
{histories}
</histories>


"""


class AppPrompt(Struct, frozen=True):
    """Prompt of an app's model. Implements ``Prompt``."""

    advanced: bool
    is_chat: bool
    """Whether the model is a chat model."""
    holds_conversation: bool
    has_context: bool
    query: Selector
    pre_prompt: str
    messages: tuple[tuple[Role, str], ...]
    """Advanced chat prompt."""
    text: str
    """Advanced completion prompt."""
    memory: Memory

    @classmethod
    def from_dsl(cls, data: Fields, mode: str) -> Self:
        """``data``: Of the node. ``mode``: Of its model."""
        given = data.mapping("app_prompt")
        prefixes = given.mapping("conversation_histories_role")
        return cls(
            advanced=given.boolean("advanced"),
            is_chat=mode != "completion",
            holds_conversation=given.boolean("conversation"),
            has_context=given.boolean("context"),
            query=given.selector("query_selector"),
            pre_prompt=given.text("pre_prompt"),
            messages=tuple(
                (cast(Role, entry.choice("role", _ROLES, "user")), entry.text("text"))
                for entry in given.mappings("messages")
            ),
            text=given.mapping("prompt").text("text"),
            memory=Memory.whole(prefixes.text("user_prefix"), prefixes.text("assistant_prefix"))
            if given.boolean("conversation")
            else Memory.none(),
        )

    def check_variables(self, variables: Variables) -> None:
        """Do nothing: names that are not inputs stay as they are written."""

    async def drafts(
        self, ctx: Context, context: MaskedText, files: list[Json], vision: Vision, model: ModelConfig
    ) -> list[DraftMessage]:
        found = ctx.variables.get(self.query)
        query = "" if found is UNSET or found is None else to_text(found)
        if self.is_chat:
            drafts = await self._chat(ctx, context.used, query, vision, model)
        else:
            drafts = [
                DraftMessage("user", MaskedText.same(await self._completion(ctx, context.used, query, vision, model)))
            ]
        shown = await all_media(ctx, files, vision.detail)
        if shown:
            last = drafts.pop() if drafts and drafts[-1].role == "user" else DraftMessage("user", NOTHING)
            drafts.append(DraftMessage("user", last.text, (*shown, *last.media)))
        return drafts

    async def _chat(
        self, ctx: Context, context: str, query: str, vision: Vision, model: ModelConfig
    ) -> list[DraftMessage]:
        if self.advanced:
            texts = [(role, self._filled(ctx, text, {"#context#": context})) for role, text in self.messages]
            said = [(role, text) for role, text in texts if text or role != "system"]
        else:
            system = self._system(ctx, context)
            said = [("system" if query else "user", system)] if system else []
        drafts = [DraftMessage(role, MaskedText.same(text)) for role, text in said]
        earlier = await self.memory.recall(ctx, model, with_files=vision.enabled)
        for message in await prompt_messages(ctx, earlier, vision):
            media = tuple(part for part in message.parts if isinstance(part, Media))
            drafts.append(DraftMessage(message.role, MaskedText.same(message.text), media))
        if query:
            drafts.append(DraftMessage("user", MaskedText.same(query)))
        return drafts

    async def _completion(self, ctx: Context, context: str, query: str, vision: Vision, model: ModelConfig) -> str:
        wants_history = not self.advanced or has_place(self.text, "#histories#")
        earlier = await self.memory.recall(ctx, model, with_files=vision.enabled) if wants_history else []
        histories = self.memory.as_text(earlier)
        ctx.variables.spend(len(histories))
        if self.advanced:
            known: dict[str, Json] = {"#context#": context, "#histories#": histories}
            if query:
                known["#query#"] = query
            return self._filled(ctx, self.text, known)
        system = self._system(ctx, context)
        if not self.holds_conversation:
            return system + query
        return f"{system}{_HISTORY.format(histories=histories)}Human: {query}\n\nAssistant:"

    def _system(self, ctx: Context, context: str) -> str:
        found = _FOUND.format(context=context) if self.has_context else ""
        ctx.variables.spend(len(found))
        return found + (f"{self._filled(ctx, self.pre_prompt, {})}\n" if self.pre_prompt else "")

    def _filled(self, ctx: Context, text: str, known: dict[str, Json]) -> str:
        return filled(text, ctx.variables, known, absent="" if self.advanced else "None")
