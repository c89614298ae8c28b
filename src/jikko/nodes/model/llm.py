"""LLM node: calls a language model with a prompt."""

from collections.abc import Iterable
from typing import ClassVar, Final, Self

from msgspec.structs import replace

from jikko.dsl.declared_variables import model_selector
from jikko.dsl.fields import Fields
from jikko.lang.templates import to_markdown
from jikko.nodes.contract import Context, NodeConfig, NodeFailure, Result
from jikko.nodes.model.llm_prompt import AppPrompt, Prompt
from jikko.nodes.model.model_call import ModelConfig, abilities, call, recorded_call, without_unsupported
from jikko.nodes.model.reasoning import Piece, ReasoningFilter, split_reasoning
from jikko.nodes.model.structured_output import StructuredOutput
from jikko.nodes.model.vision import Vision
from jikko.nodes.node_variables import NOTHING, MaskedText
from jikko.ports.files.file_types import extension_for
from jikko.ports.models import Abilities, Chunk, Completion, Media, ModelFailure, ModelRequest, PromptMessage
from jikko.values import UNSET, Json, Selector, Unset, remote_file

_OPEN = "<think>\n"
_CLOSE = "\n</think>"


class TextStream:
    """Streamed output ``text`` of one LLM node.

    Some providers separate reasoning from text, others embed it in tags. Either way it is shown separately if the node
    is ``separated``, and in tags otherwise.
    """

    def __init__(self, ctx: Context, *, separated: bool) -> None:
        self._ctx = ctx
        self._separated = separated
        self._filter = ReasoningFilter() if separated else None
        self._open = False
        """Whether a tag added here is open."""
        self._thought = False
        self._begun = False
        """Whether text other than white space was shown."""
        self._texts: list[str] = []
        """The shown text, if it includes reasoning."""

    def emit(self, chunk: Chunk) -> None:
        if chunk.reasoning:
            self._think(chunk.reasoning)
        text = chunk.text
        if not text:
            return
        if self._open:
            self._open = False
            self._say(_CLOSE)
        if self._filter is None:
            self._say(text)
        else:
            self._show(self._filter.feed(text))

    def finish(self) -> None:
        if self._open:
            self._open = False
            self._say(_CLOSE)
        if self._filter is not None:
            self._show(self._filter.finish())
            if self._thought:
                self._ctx.think("", final=True)

    def answer(self, completion: Completion) -> tuple[str, str]:
        """Return the final outputs ``text`` and ``reasoning_content``."""
        if not self._separated:
            return "".join(self._texts), ""
        text, reasoning = split_reasoning(completion.text)
        return text, "\n".join(part for part in (completion.reasoning.strip(), reasoning) if part)

    def _think(self, text: str) -> None:
        if self._separated:
            self._thought = True
            self._ctx.think(text)
            return
        if not self._open:
            self._open = True
            text = _OPEN + text
        self._say(text)

    def _say(self, text: str) -> None:
        self._texts.append(text)
        self._ctx.say("text", text, by_model=True)

    def _show(self, pieces: list[Piece]) -> None:
        for piece in pieces:
            if piece.is_reasoning:
                self._thought = True
                self._ctx.think(piece.text)
            else:
                # The final text is trimmed, too: blank lines follow the reasoning.
                text = piece.text if self._begun else piece.text.lstrip()
                self._begun = self._begun or bool(text)
                if text:
                    self._ctx.say("text", text, by_model=True)


FORMATS = ("tagged", "separated")


class Llm(NodeConfig, frozen=True):
    """Call a model, and stream its answer. Source: docs/dify-behaviour.md, “LLM”."""

    type: ClassVar[str] = "llm"
    has_effects: ClassVar[bool] = True

    model: ModelConfig
    shared: Selector
    """Environment variable with the model; ``()``: the node's own."""
    prompt: Prompt | AppPrompt
    context: Selector
    """``()`` without context."""
    vision: Vision
    structured_output: StructuredOutput | None
    separated: bool
    """Whether reasoning is a separate output."""

    @classmethod
    def from_dsl(cls, data: Fields) -> Self:
        context = data.mapping("context")
        model = ModelConfig.from_dsl(data)
        is_app = data.get("app_prompt") is not None
        return cls(
            model=model,
            shared=model_selector(data.raw),
            prompt=AppPrompt.from_dsl(data, model.mode) if is_app else Prompt.from_dsl(data),
            context=context.selector("variable_selector") if context.boolean("enabled") else (),
            vision=Vision.from_dsl(data),
            structured_output=StructuredOutput.from_dsl(data),
            separated=data.choice("reasoning_format", FORMATS, "tagged") == "separated",
        )

    async def run(self, ctx: Context) -> Result:
        inputs: dict[str, Json] = {}
        try:
            node = self
            if self.shared:
                node = replace(self, model=self.model.taken_from(ctx.variables.get(self.shared)), shared=())
            return await node._run(ctx, inputs)
        except NodeFailure as failure:
            failure.inputs = inputs
            raise

    async def _run(self, ctx: Context, inputs: dict[str, Json]) -> Result:
        self.prompt.check_variables(ctx.variables)
        files = self.vision.files(ctx.variables)
        if files:
            inputs["#files#"] = files
        context = self._context(ctx)
        if context.used:
            inputs["#context#"] = context.recorded
        inputs |= {"model_provider": self.model.provider, "model_name": self.model.name}
        mode = self.model.checked_mode()
        able = abilities(ctx, self.model)
        prompt = await self.prompt.drafts(ctx, context, files, self.vision, self.model)
        keeps_empty = isinstance(self.prompt, AppPrompt)
        messages = without_unsupported([draft.sent for draft in prompt], able, keeps_empty=keeps_empty)
        recorded = messages
        if ctx.recorded is not ctx.variables:
            recorded = without_unsupported([draft.recorded for draft in prompt], able)
        if not messages:
            raise NodeFailure(
                "The prompt is empty: write at least one message that has a text.", kind="NoPromptFoundError"
            )
        request = self.model.request(ctx, messages, mode=mode, joined=not self.separated)
        stream = TextStream(ctx, separated=self.separated)
        if self.structured_output is None:
            completion = await call(ctx, request, stream.emit)
        else:
            completion = await self._structured(ctx, request, able, stream, self.structured_output)
        stream.finish()
        try:
            return await self._result(ctx, completion, stream, inputs, recorded, mode)
        except NodeFailure as failure:
            failure.usage = completion.usage.as_usage()
            raise

    def _context(self, ctx: Context) -> MaskedText:
        if not self.context:
            return NOTHING
        used = context_text(ctx.variables.get(self.context))
        return MaskedText(used, used if ctx.recorded is ctx.variables else context_text(ctx.recorded.get(self.context)))

    async def _structured(
        self, ctx: Context, request: ModelRequest, able: Abilities, stream: TextStream, structured: StructuredOutput
    ) -> Completion:
        if able.structured_output and request.mode == "chat":
            try:
                return await call(ctx, replace(request, schema=structured.for_model), stream.emit)
            except ModelFailure as failure:
                if failure.unsupported != "structured_output":
                    raise NodeFailure(str(failure), kind=failure.kind) from None
        return await call(ctx, replace(request, messages=structured.instructed(request.messages)), stream.emit)

    async def _result(
        self,
        ctx: Context,
        completion: Completion,
        stream: TextStream,
        inputs: dict[str, Json],
        prompt: tuple[PromptMessage, ...],
        mode: str,
    ) -> Result:
        text, reasoning = stream.answer(completion)
        outputs: dict[str, Json] = {
            "text": text,
            "reasoning_content": reasoning,
            "usage": completion.usage.as_json(),
            "finish_reason": completion.finish_reason,
        }
        if self.structured_output is not None:
            outputs["structured_output"] = await self.structured_output.value_of(completion.text)
        if completion.media:
            files, links = await keep_media(ctx, completion.media)
            outputs["files"] = files
            outputs["text"] += links
            ctx.say("text", links)
        # Dify ends a stream with two empty chunks. Source: docs/dify-behaviour.md, “LLM”.
        ctx.say("text", "")
        ctx.say("text", "")
        return Result(
            inputs=inputs,
            outputs=outputs,
            process_data=recorded_call(self.model, prompt, mode, completion),
            usage=completion.usage.as_usage(),
            resources=cited_sources(ctx.recorded.get(self.context)) if self.context else (),
        )


# The context of a prompt: texts that were found for it.


def context_text(value: Json | Unset) -> str:
    """Return the text for ``{{#context#}}``, ``""`` for unsupported values. Source: docs/dify-behaviour.md, “LLM”.

    Raises ``NodeFailure``: a list has an element without ``content``.
    """
    if value is UNSET or value is None:
        return ""
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        return ""
    lines: list[str] = []
    for position, item in enumerate(value):
        if isinstance(item, str):
            lines.append(item)
            continue
        if not isinstance(item, dict) or "content" not in item:
            raise NodeFailure(
                f"The context cannot be used: element {position} is not a text and has no 'content'.",
                # [QUIRK]
                kind="InvalidContextStructureError" if isinstance(item, (dict, list)) else "TypeError",
            )
        if item.get("summary"):
            lines.append(str(item["summary"]))
        lines.append(str(item["content"]))
    return "\n".join(lines).strip()


# Passages of knowledge that an answer is based on. Source: docs/dify-behaviour.md, “Citations”.


_RESOURCE: Final = (
    "position dataset_id dataset_name document_id document_name data_source_type segment_id retriever_from score "
    "hit_count word_count segment_position index_node_hash content page doc_metadata title files summary"
).split()
_OF_ELEMENT: Final = ("content", "files", "summary")
_OF_SEGMENT: Final = {name: f"segment_{name}" for name in ("hit_count", "word_count", "index_node_hash")}
"""Fields with other names in the metadata of a passage."""


def cited_sources(context: Json | Unset) -> tuple[dict[str, Json], ...]:
    """Return the context's passages from datasets, in Dify's form of ``retriever_resources``."""
    if not isinstance(context, list):
        return ()
    return tuple(_resource(each) for each in context if _is_found(each))


def _is_found(element: Json) -> bool:
    if not isinstance(element, dict) or not isinstance(element.get("metadata"), dict):
        return False
    return bool(element["metadata"].get("_source") == "knowledge")


def _resource(element: dict[str, Json]) -> dict[str, Json]:
    source = element["metadata"]
    return {
        name: element.get(name) if name in _OF_ELEMENT else source.get(_OF_SEGMENT.get(name, name))
        for name in _RESOURCE
    }


async def keep_media(ctx: Context, media: Iterable[Media]) -> tuple[list[Json], str]:
    """Store a model's media. Returns the file mappings, and Markdown that shows them."""
    files: list[Json] = []
    links: list[str] = []
    for number, made in enumerate(media, 1):
        extension = extension_for(made.mime_type, made.filename)
        name = made.filename or f"{made.kind}-{number}{extension}"
        if made.url:
            file = remote_file(made.url, made.kind, filename=name, extension=extension, mime_type=made.mime_type)
        else:
            file = await ctx.ports.files.make(
                made.data,
                app_id=ctx.run.app_id,
                end_user_id=ctx.run.end_user_id,
                name=name,
                mime_type=made.mime_type,
                type=made.kind,
            )
        files.append(file)
        links.append(f"![]({file['url']})" if made.kind == "image" else to_markdown(file))
    return files, "".join(links)
