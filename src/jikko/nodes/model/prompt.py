"""The prompt of an llm node: its template, and what becomes of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self, cast

from jikko.dsl.fields import Fields
from jikko.lang.render import to_text
from jikko.lang.templates import Template
from jikko.nodes.contract import Context, NodeFailure, Variables
from jikko.nodes.model.vision import all_media, files_in
from jikko.nodes.named_variables import NamedVariables, read_named, values_of
from jikko.ports.models import Message, Role
from jikko.ports.sandbox import SandboxFailure
from jikko.values import UNSET, Json, Selector

_ROLES: Final = ("system", "user", "assistant")
_CONTEXT: Final = "{{#context#}}"
_HISTORIES: Final = "#histories#"
_QUERY: Final = "#sys.query#"
_SYS_QUERY: Final = ("sys", "query")


@dataclass(frozen=True, slots=True)
class PromptText:
    """One message of the template."""

    role: Role
    segments: tuple[Template, ...]
    """The text, taken apart where the context goes."""
    jinja: str | None
    """A Jinja2 template instead of the text."""

    @classmethod
    def from_dsl(cls, data: Fields) -> Self:
        role = cast(Role, data.choice("role", _ROLES, "user"))
        if data.choice("edition_type", ("basic", "jinja2"), "basic") == "jinja2":
            return cls(role, (), data.text("jinja2_text"))
        # Taken apart before references are looked for, so that no reference in a context is ever replaced.
        return cls(role, tuple(Template.parse(part) for part in data.text("text").split(_CONTEXT)), None)

    @property
    def selectors(self) -> Iterator[Selector]:
        for segment in self.segments:
            yield from segment.selectors

    def text(self, variables: Variables, context: str) -> str:
        """The text of a basic message."""
        return context.join(segment.to_text(variables) for segment in self.segments)

    def files(self, variables: Variables) -> list[Json]:
        """The files that the text of a basic message refers to."""
        return [file for selector in self.selectors for file in files_in(variables.get(selector))]


@dataclass(frozen=True, slots=True)
class Prompt:
    """The messages of a chat, or the one text of a completion."""

    texts: tuple[PromptText, ...]
    is_chat: bool
    jinja_variables: NamedVariables
    has_memory: bool
    query: Template
    """With memory: the last message, instead of the user's query; may be empty."""

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
            has_memory=data.get("memory") is not None,
            query=Template.parse(memory.text("query_prompt_template")),
        )

    def check_variables(self, variables: Variables) -> None:
        """Make sure that everything the prompt refers to exists.

        Raises:
            NodeFailure: Something does not.
        """
        texts = [selector for text in self.texts for selector in text.selectors]
        for selector in (*texts, *self.query.selectors):
            if variables.get(selector) is UNSET:
                raise NodeFailure(f"Variable {'.'.join(selector)} not found", kind="VariableNotFoundError")
        for name, selector in self.jinja_variables:
            if variables.get(selector) is UNSET:
                raise NodeFailure(f"Variable {name} not found", kind="VariableNotFoundError")

    async def messages(self, ctx: Context, context: str, files: list[Json], detail: str) -> list[Message]:
        """The messages that are sent, before those are dropped that the model cannot read.

        Args:
            files: Shown to the model ahead of the last user message.
            detail: How closely it looks at images.

        Raises:
            NodeFailure: A template or a file cannot be used.
        """
        query = self._query(ctx.variables)
        messages = (
            await self._chat(ctx, context, query, detail)
            if self.is_chat
            else [await self._completion(ctx, context, query)]
        )
        shown = await all_media(ctx, files, detail)
        if shown:
            if messages and messages[-1].role == "user":
                messages[-1] = Message("user", (*shown, *messages[-1].parts))
            else:
                messages.append(Message("user", tuple(shown)))
        return messages

    async def _chat(self, ctx: Context, context: str, query: str, detail: str) -> list[Message]:
        messages: list[Message] = []
        for entry in self.texts:
            if entry.jinja is not None:
                text = await self._rendered(ctx, entry.jinja)
                if text:
                    messages.append(Message(entry.role, (text,)))
                continue
            text = entry.text(ctx.variables, context)
            if text:
                messages.append(Message(entry.role, (text,)))
            media = await all_media(ctx, entry.files(ctx.variables), detail)
            if media:
                messages.append(Message(entry.role, tuple(media)))
        if query:
            messages.append(Message("user", (query,)))
        return messages

    async def _completion(self, ctx: Context, context: str, query: str) -> Message:
        entry = self.texts[0]
        if entry.jinja is not None:
            text = await self._rendered(ctx, entry.jinja)
        else:
            text = entry.text(ctx.variables, context)
        # Without a conversation the history is empty, and leaves its line break all the same.
        # Source: Dify 1.15, spec/nodes.md, llm.
        text = text.replace(_HISTORIES, "") if _HISTORIES in text else f"\n{text}"
        return Message("user", (text.replace(_QUERY, query) if query else text,))

    def _query(self, variables: Variables) -> str:
        if not self.has_memory:
            return ""
        if self.query.source:
            return self.query.to_text(variables)
        query = variables.get(_SYS_QUERY)
        return "" if query is UNSET else to_text(query)

    async def _rendered(self, ctx: Context, template: str) -> str:
        if not template:
            return ""
        values = values_of(self.jinja_variables, ctx.variables)
        try:
            return await ctx.services.sandbox.render(template, values, app_id=ctx.run.app_id)
        except SandboxFailure as failure:
            raise NodeFailure(str(failure), kind=failure.kind) from None
