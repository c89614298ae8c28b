"""Prompts of LLM nodes, and of apps without a workflow: their templates, and their rendering.

The sentences around context and history in apps without a workflow are Jikko's own. Source: docs/dify-behaviour.md,
“Prompts of apps without a workflow”.
"""

from collections.abc import Iterator
from typing import Final, Self, cast

from msgspec import Struct

from jikko.dsl.fields import Fields
from jikko.lang.templates import Template, to_text
from jikko.lang.variables import filled, has_place
from jikko.nodes.contract import Context, NodeFailure, Variables
from jikko.nodes.model.chat_memory import Memory, prompt_messages
from jikko.nodes.model.model_call import ModelConfig
from jikko.nodes.model.vision import Vision, all_media, files_in, vision_parts
from jikko.nodes.node_variables import NOTHING, MaskedText, NamedVariables, read_named, values_of
from jikko.ports.models import Media, PromptMessage, Role
from jikko.ports.sandbox import SandboxFailure
from jikko.values import UNSET, Json, Selector

_ROLES: Final = ("system", "user", "assistant")
_CONTEXT: Final = "{{#context#}}"
_HISTORIES: Final = "#histories#"
_SYS_QUERY: Final = ("sys", "query")


class PromptText(Struct, frozen=True):
    role: Role
    segments: tuple[Template, ...]
    """The text, split where the context goes."""
    jinja: str | None
    """Jinja2 template instead of the text."""

    @classmethod
    def from_dsl(cls, data: Fields) -> Self:
        role = cast(Role, data.choice("role", _ROLES, "user"))
        if data.choice("edition_type", ("basic", "jinja2"), "basic") == "jinja2":
            return cls(role, (), data.text("jinja2_text"))
        return cls.parse(role, data.text("text"))

    @classmethod
    def parse(cls, role: Role, text: str) -> Self:
        # Split before parsing references, so that references in a context are never expanded.
        return cls(role, tuple(Template.parse(part) for part in text.split(_CONTEXT)), None)

    @property
    def selectors(self) -> Iterator[Selector]:
        for segment in self.segments:
            yield from segment.selectors

    def text(self, ctx: Context, context: MaskedText) -> MaskedText:
        segments = [MaskedText.of(segment, ctx) for segment in self.segments]
        ctx.variables.spend(len(context.used) * (len(segments) - 1))
        return MaskedText(
            context.used.join(segment.used for segment in segments),
            context.recorded.join(segment.recorded for segment in segments),
        )

    def files(self, variables: Variables) -> list[Json]:
        """Return the files referenced by a basic message."""
        return [file for selector in self.selectors for file in files_in(variables.get(selector))]


_NO_TEXT: Final = PromptText.parse("user", "")


class DraftMessage(Struct, frozen=True):
    """A message, with its text as sent and as recorded."""

    role: Role
    text: MaskedText | None
    media: tuple[str | Media, ...] = ()
    """Placed before the text."""

    @property
    def sent(self) -> PromptMessage:
        return PromptMessage(self.role, self.media if self.text is None else (*self.media, self.text.used))

    @property
    def recorded(self) -> PromptMessage:
        return PromptMessage(self.role, self.media if self.text is None else (*self.media, self.text.recorded))


class Prompt(Struct, frozen=True):
    """Messages of a chat, or the text of a completion."""

    texts: tuple[PromptText, ...]
    is_chat: bool
    jinja_variables: NamedVariables
    memory: Memory
    query: PromptText
    """With memory: the last message, in place of the user's query; may be empty."""
    lacks_prefixes: bool
    """Whether it is a completion with memory, and without prefixes for it."""

    @classmethod
    def from_dsl(cls, data: Fields) -> Self:
        raw = data.get("prompt_template")
        is_chat = not isinstance(raw, dict)
        if is_chat:
            texts = tuple(PromptText.from_dsl(entry) for entry in data.mappings("prompt_template"))
        else:
            texts = (PromptText.from_dsl(data.mapping("prompt_template")),)
        config = data.mapping("prompt_config")
        memory = data.mapping("memory")
        return cls(
            texts=texts,
            is_chat=is_chat,
            jinja_variables=read_named(config, "jinja2_variables"),
            memory=Memory.from_dsl(data),
            query=PromptText.parse("user", memory.text("query_prompt_template")),
            lacks_prefixes=not is_chat and data.get("memory") is not None and memory.get("role_prefix") is None,
        )

    def check_variables(self, variables: Variables) -> None:
        """Raises ``NodeFailure`` if a referenced variable does not exist."""
        for selector in (selector for text in (*self.texts, self.query) for selector in text.selectors):
            if variables.get(selector) is UNSET:
                raise NodeFailure(f"Variable {'.'.join(selector)} not found", kind="VariableNotFoundError")
        for name, selector in self.jinja_variables:
            if variables.get(selector) is UNSET:
                raise NodeFailure(f"Variable {name} not found", kind="VariableNotFoundError")

    async def drafts(
        self, ctx: Context, context: MaskedText, files: list[Json], vision: Vision, model: ModelConfig
    ) -> list[DraftMessage]:
        """Return all messages, before those unsupported by the model are dropped. Raises ``NodeFailure``: a template or
        a file is unusable.

        Args:
            files: Placed before the last user message.
            vision: Whether to include files of earlier turns, and the image detail.
        """
        if self.lacks_prefixes and ctx.turn is not None:
            raise NodeFailure(
                "Memory in a completion prompt needs role_prefix, with user and assistant.",
                kind="MemoryRolePrefixRequiredError",
            )
        query = self._query(ctx)
        earlier = await self.memory.recall(ctx, model, with_files=vision.enabled)
        if self.is_chat:
            drafts = []
            for entry in self.texts:
                drafts += await _messages(ctx, entry, await self._text(ctx, entry, context), vision)
            for message in await prompt_messages(ctx, earlier, vision):
                media = tuple(part for part in message.parts if isinstance(part, Media))
                drafts.append(DraftMessage(message.role, MaskedText.same(message.text), media))
            drafts += await _messages(ctx, self.query, query, vision)
        else:
            text = await self._text(ctx, self.texts[0], context)
            history = self.memory.as_text(earlier)
            ctx.variables.spend(len(query.used) + len(history) * text.used.count(_HISTORIES))
            used = _completed(text.used, query.used, history)
            drafts = [DraftMessage("user", MaskedText(used, _completed(text.recorded, query.recorded, history)))]
        shown = await vision_parts(ctx, files, vision.detail)
        if shown:
            if drafts and drafts[-1].role == "user":
                drafts[-1] = DraftMessage("user", drafts[-1].text, (*shown, *drafts[-1].media))
            else:
                drafts.append(DraftMessage("user", None, tuple(shown)))
        return drafts

    async def _text(self, ctx: Context, entry: PromptText, context: MaskedText) -> MaskedText:
        return entry.text(ctx, context) if entry.jinja is None else await self._rendered(ctx, entry.jinja)

    def _query(self, ctx: Context) -> MaskedText:
        if not self.memory.window:
            return NOTHING
        if self.query != _NO_TEXT:
            return self.query.text(ctx, NOTHING)
        query = ctx.variables.get(_SYS_QUERY)
        return NOTHING if query is UNSET else MaskedText.same(to_text(query))

    async def _rendered(self, ctx: Context, template: str) -> MaskedText:
        if not template:
            return NOTHING
        values = values_of(self.jinja_variables, ctx.variables)
        recorded = values if ctx.recorded is ctx.variables else values_of(self.jinja_variables, ctx.recorded)
        try:
            text = await ctx.ports.sandbox.render(template, values, app_id=ctx.run.app_id)
        except SandboxFailure as failure:
            raise NodeFailure(str(failure), kind=failure.kind) from None
        if recorded == values:
            return MaskedText.same(text)
        try:
            shown = await ctx.ports.sandbox.render(template, recorded, app_id=ctx.run.app_id)
        except SandboxFailure:
            # The template's processing of the secret does not work with a mask: the record has the template.
            shown = template
        return MaskedText(text, shown)


async def _messages(ctx: Context, entry: PromptText, text: MaskedText, vision: Vision) -> list[DraftMessage]:
    """Return an entry's text, and a message with the files that it references."""
    drafts = [DraftMessage(entry.role, text)] if text.used else []
    media = await all_media(ctx, entry.files(ctx.variables), vision.detail)
    return [*drafts, DraftMessage(entry.role, None, tuple(media))] if media else drafts


def _completed(text: str, query: str, history: str) -> str:
    # Without a conversation the empty history still leaves its line break. Source: docs/dify-behaviour.md, “LLM”.
    text = text.replace(_HISTORIES, history) if _HISTORIES in text else f"{history}\n{text}"
    return f"{query}\n{text}" if query else text


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
        if self.advanced and not (self.messages if self.is_chat else self.text):
            kind = "chat" if self.is_chat else "completion"
            raise NodeFailure(f"Advanced {kind} prompt template is required.", kind="InvokeBadRequestError")
        found = ctx.variables.get(self.query)
        query = "" if found is UNSET or found is None else to_text(found)
        if self.is_chat:
            drafts = await self._chat(ctx, context.used, query, vision, model)
        else:
            drafts = [
                DraftMessage("user", MaskedText.same(await self._completion(ctx, context.used, query, vision, model)))
            ]
        shown = await vision_parts(ctx, files, vision.detail)
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
