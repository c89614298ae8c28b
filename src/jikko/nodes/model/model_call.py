"""Model calls of nodes."""

from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Self

from msgspec import Struct
from msgspec.structs import replace

from jikko.diagnostics.diagnostic import Phrase
from jikko.dsl.declared_variables import is_model
from jikko.dsl.fields import Fields
from jikko.lang.templates import Template
from jikko.lang.variables import Readable
from jikko.nodes.contract import Context, NodeFailure
from jikko.nodes.node_variables import SECRET_MESSAGE, contains_secret
from jikko.ports.models import Abilities, Chunk, Completion, Media, Mode, ModelFailure, ModelRequest, PromptMessage
from jikko.values import Json, Unset, json_value

_MAX_PARAMETER: Final = 1024
"""Maximum characters of an expanded parameter. Source: docs/dify-behaviour.md, “LLM”."""


class ModelConfig(Struct, frozen=True):
    provider: str
    """As in the file, perhaps a bare name (``openai``), and so recorded. Providers accept both."""
    name: str
    mode: str
    parameters: Mapping[str, Json | Template]
    """Texts with references are templates."""

    @classmethod
    def from_dsl(cls, data: Fields) -> Self:
        fields = data.mapping("model")
        provider, name = fields.text("provider"), fields.text("name")
        if not provider or not name:
            fields.problem("", Phrase("document.no_model"), Phrase("remedy.choose_model_fails"), fatal=False)
        parameters: dict[str, Json | Template] = {}
        for key, value in fields.mapping("completion_params").raw.items():
            template = Template.parse(value) if isinstance(value, str) else None
            parameters[str(key)] = template if template is not None and template.selectors else value
        return cls(provider, name, fields.text("mode", "chat"), parameters)

    def taken_from(self, value: Json | Unset) -> Self:
        """Return the model of an ``llm`` variable, with this one's parameters if it has none. Raises ``NodeFailure`` if
        it has no model."""
        if not isinstance(value, Mapping) or not is_model(value):
            raise NodeFailure("The environment variable of this node's model has no model.", kind="ModelNotExistError")
        if value["mode"] != self.mode:
            raise NodeFailure(
                f"The model of the environment variable is of mode {value['mode']}, and this node of mode {self.mode}.",
                kind="LLMModeRequiredError",
            )
        model = self.from_dsl(Fields("", {"model": value}, []))
        return model if "completion_params" in value else replace(model, parameters=self.parameters)

    def checked_mode(self) -> Mode:
        """Return the mode. Raises ``NodeFailure``: no model is chosen, or its mode is invalid."""
        if not self.provider or not self.name:
            raise NodeFailure("No model is chosen in this node.", kind="ModelNotExistError")
        match self.mode:
            case "chat" | "completion":
                return self.mode
            case _:
                raise NodeFailure(
                    f"The model's mode is {self.mode!r}; expected chat or completion.", kind="LLMModeRequiredError"
                )

    def request(self, ctx: Context, messages: tuple[PromptMessage, ...], **options: Any) -> ModelRequest:
        """Return a request of a node. ``options``: Further fields of ``ModelRequest``."""
        return ModelRequest(
            provider=self.provider,
            model=self.name,
            messages=messages,
            parameters=self.resolved(ctx.variables),
            app_id=ctx.run.app_id,
            run_id=ctx.run.run_id,
            key=ctx.idempotency_key,
            **options,
        )

    def resolved(self, variables: Readable) -> dict[str, Json]:
        """Return the parameters, expanded; numeric and boolean texts are converted."""
        return {
            name: _converted(value.to_text(variables)[:_MAX_PARAMETER]) if isinstance(value, Template) else value
            for name, value in self.parameters.items()
        }


def _converted(text: str) -> Json:
    value = json_value(text)
    return value if isinstance(value, (bool, int, float)) else text


def abilities(ctx: Context, model: ModelConfig) -> Abilities:
    """Return the abilities of a node's model. Raises ``NodeFailure`` if its provider is not configured."""
    try:
        return ctx.ports.models.abilities(model.provider, model.name)
    except ModelFailure as failure:
        raise failed(failure) from None


async def call(ctx: Context, request: ModelRequest, emit: Callable[[Chunk], None] | None = None) -> Completion:
    """Call a model. Raises ``NodeFailure``, with kind, message and usage only; or ``ModelFailure`` if the model turned
    out not to support the request: see its ``unsupported``."""
    try:
        return await ctx.ports.models.complete(request, emit)
    except ModelFailure as failure:
        if failure.unsupported:
            raise
        quoted = [secret for secret in ctx.secrets if any(secret in message.text for message in request.messages)]
        raise failed(failure, quoted) from None


def failed(failure: ModelFailure, secrets: Iterable[str] = ()) -> NodeFailure:
    """Return the node's failure, without ``secrets``, which providers may quote from the prompt."""
    usage = None if failure.usage is None else failure.usage.as_usage()
    message = str(failure)
    if contains_secret(message, secrets):
        message = f"{failure.kind or 'The call of the model failed'}: {SECRET_MESSAGE}"
    return NodeFailure(message, kind=failure.kind, usage=usage)


def without_unsupported(
    messages: Iterable[PromptMessage], able: Abilities, *, keeps_empty: bool = False
) -> tuple[PromptMessage, ...]:
    """Remove files that the model does not support, and messages that become empty. ``keeps_empty``: Whether to keep
    answers that were empty from the start."""
    kept = []
    for message in messages:
        parts = tuple(part for part in message.parts if (part if isinstance(part, str) else part.kind in able.media))
        if parts or (keeps_empty and message.role == "assistant"):
            kept.append(PromptMessage(message.role, parts or ("",)))
    return tuple(kept)


def recorded_source(completion: Completion) -> dict[str, Json]:
    """Return the process data about an answer's source: empty, unless no model made it."""
    return {"fake_model": True} if completion.is_fake else {}


def recorded_call(
    model: ModelConfig, prompt: Iterable[PromptMessage], mode: str, completion: Completion
) -> dict[str, Json]:
    """Return the process data of a call. ``prompt``: As recorded."""
    return {
        "model_mode": mode,
        "prompts": recorded_prompts(prompt, mode),
        "usage": completion.usage.as_json(),
        "finish_reason": completion.finish_reason,
        "model_provider": model.provider,
        "model_name": model.name,
        **recorded_source(completion),
    }


def recorded_prompts(messages: Iterable[PromptMessage], mode: str) -> list[Json]:
    """Return ``prompts`` of the process data. Source: docs/dify-behaviour.md, “LLM”."""
    prompts: list[Json] = []
    for message in messages:
        files = [_recorded(part) for part in message.parts if isinstance(part, Media)]
        if mode == "chat":
            prompts.append({"role": message.role, "text": message.text, "files": files})
        else:
            prompts.append({"role": "user", "text": message.text} | ({"files": files} if files else {}))
    return prompts


def _recorded(media: Media) -> Json:
    data = media.url
    if not data:
        # Only the ends of the content are shown, and encoded.
        ending = b64encode(media.data[len(media.data) // 3 * 3 - 9 :])[-10:].decode()
        data = f"data:{media.mime_type};base64,...{ending}"
    shown = f"{data[:10]}...[TRUNCATED]...{data[-10:]}"
    recorded: dict[str, Json] = {"type": media.kind, "data": shown}
    match media.kind:
        case "image":
            recorded["detail"] = media.detail
        case "audio":
            recorded["format"] = media.mime_type.rpartition("/")[2]
    return recorded
