"""Prompt of an LLM node: its templates, and their rendering."""

from collections.abc import Iterator
from typing import Final, Self, cast

from msgspec import Struct

from jikko.dsl.fields import Fields
from jikko.lang.templates import Template, to_text
from jikko.nodes.contract import NodeFailure
from jikko.nodes.masked_text import NOTHING, MaskedText
from jikko.nodes.model.chat_memory import Memory, prompt_messages
from jikko.nodes.model.model_call import ModelConfig
from jikko.nodes.model.vision import Vision, all_media, files_in
from jikko.nodes.named_variables import NamedVariables, read_named, values_of
from jikko.nodes.node_context import Context, Variables
from jikko.ports.models import Media, PromptMessage, Role
from jikko.ports.sandbox import SandboxFailure
from jikko.values import UNSET, Json, Selector

_ROLES: Final = ("system", "user", "assistant")
_CONTEXT: Final = "{{#context#}}"
_HISTORIES: Final = "#histories#"
_QUERY: Final = "#sys.query#"
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
        # Split before parsing references, so that references in a context are never expanded.
        return cls(role, tuple(Template.parse(part) for part in data.text("text").split(_CONTEXT)), None)

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


class DraftMessage(Struct, frozen=True):
    """A message, with its text as sent and as recorded."""

    role: Role
    text: MaskedText | None
    media: tuple[Media, ...] = ()
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
    query: Template
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
            query=Template.parse(memory.text("query_prompt_template")),
            lacks_prefixes=not is_chat and data.get("memory") is not None and memory.get("role_prefix") is None,
        )

    def check_variables(self, variables: Variables) -> None:
        """Raises ``NodeFailure`` if a referenced variable does not exist."""
        texts = [selector for text in self.texts for selector in text.selectors]
        for selector in (*texts, *self.query.selectors):
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
            drafts = await self._chat(ctx, context, vision.detail)
            for message in await prompt_messages(ctx, earlier, vision):
                media = tuple(part for part in message.parts if isinstance(part, Media))
                drafts.append(DraftMessage(message.role, MaskedText.same(message.text), media))
            if query.used:
                drafts.append(DraftMessage("user", query))
        else:
            history = self.memory.as_text(earlier)
            drafts = [DraftMessage("user", await self._completion(ctx, context, query, history))]
        shown = await all_media(ctx, files, vision.detail)
        if shown:
            if drafts and drafts[-1].role == "user":
                drafts[-1] = DraftMessage("user", drafts[-1].text, (*shown, *drafts[-1].media))
            else:
                drafts.append(DraftMessage("user", None, tuple(shown)))
        return drafts

    async def _chat(self, ctx: Context, context: MaskedText, detail: str) -> list[DraftMessage]:
        drafts: list[DraftMessage] = []
        for entry in self.texts:
            if entry.jinja is not None:
                text = await self._rendered(ctx, entry.jinja)
                if text.used:
                    drafts.append(DraftMessage(entry.role, text))
                continue
            text = entry.text(ctx, context)
            if text.used:
                drafts.append(DraftMessage(entry.role, text))
            media = await all_media(ctx, entry.files(ctx.variables), detail)
            if media:
                drafts.append(DraftMessage(entry.role, None, tuple(media)))
        return drafts

    async def _completion(self, ctx: Context, context: MaskedText, query: MaskedText, history: str) -> MaskedText:
        entry = self.texts[0]
        text = entry.text(ctx, context) if entry.jinja is None else await self._rendered(ctx, entry.jinja)
        ctx.variables.spend(len(query.used) * text.used.count(_QUERY))
        ctx.variables.spend(len(history) * text.used.count(_HISTORIES))
        return MaskedText(
            _completed(text.used, query.used, history), _completed(text.recorded, query.recorded, history)
        )

    def _query(self, ctx: Context) -> MaskedText:
        if not self.memory.window:
            return NOTHING
        if self.query.source:
            return MaskedText.of(self.query, ctx)
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


def _completed(text: str, query: str, history: str) -> str:
    # Without a conversation the empty history still leaves its line break. Source: docs/dify-behaviour.md, “LLM”.
    text = text.replace(_HISTORIES, history) if _HISTORIES in text else f"{history}\n{text}"
    return text.replace(_QUERY, query) if query else text
