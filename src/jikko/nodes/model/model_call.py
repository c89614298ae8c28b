"""Calling a model from a node: what all nodes that do have in common."""

from base64 import b64encode
from collections.abc import Callable, Iterable

from jikko.nodes.contract import NodeFailure
from jikko.nodes.model.model_config import ModelConfig
from jikko.nodes.node_context import Context
from jikko.nodes.secret_scan import SECRET_MESSAGE, contains_secret
from jikko.ports.models import Abilities, Chunk, Completion, Media, ModelFailure, ModelRequest, PromptMessage
from jikko.values import Json


def abilities(ctx: Context, model: ModelConfig) -> Abilities:
    """What a node's model can do. Raises ``NodeFailure``: nothing says how to reach its provider."""
    try:
        return ctx.ports.models.abilities(model.provider, model.name)
    except ModelFailure as failure:
        raise failed(failure) from None


async def call(ctx: Context, request: ModelRequest, emit: Callable[[Chunk], None] | None = None) -> Completion:
    """Call a model. Raises ``NodeFailure``, whose record has only kind, message and usage; or ``ModelFailure`` if the
    model turned out not to be able to do what was asked of it: see its ``unsupported``.
    """
    try:
        return await ctx.ports.models.complete(request, emit)
    except ModelFailure as failure:
        if failure.unsupported:
            raise
        raise failed(failure, [secret for secret in ctx.secrets if _names(request, secret)]) from None


def failed(failure: ModelFailure, secrets: Iterable[str] = ()) -> NodeFailure:
    """The failure of a model call, without ``secrets``, which providers like to quote with the prompt."""
    usage = None if failure.usage is None else failure.usage.as_usage()
    message = str(failure)
    if contains_secret(message, secrets):
        message = f"{failure.kind or 'The call of the model failed'}: {SECRET_MESSAGE}"
    return NodeFailure(message, kind=failure.kind, usage=usage)


def _names(request: ModelRequest, secret: str) -> bool:
    return any(secret in message.text for message in request.messages)


def without_unsupported(
    messages: Iterable[PromptMessage], able: Abilities, *, keeps_empty: bool = False
) -> tuple[PromptMessage, ...]:
    """The prompt without files that the model cannot read, and without messages that are empty then.
    ``keeps_empty``: Whether answers stay that are empty from the start.
    """
    kept = []
    for message in messages:
        parts = tuple(part for part in message.parts if (part if isinstance(part, str) else part.kind in able.media))
        if parts or (keeps_empty and message.role == "assistant"):
            kept.append(PromptMessage(message.role, parts or ("",)))
    return tuple(kept)


def recorded_source(completion: Completion) -> dict[str, Json]:
    """What the process data say of where an answer comes from: nothing, unless no model made it."""
    return {"fake_model": True} if completion.is_fake else {}


def recorded_prompts(messages: Iterable[PromptMessage], mode: str) -> list[Json]:
    """The ``prompts`` of the process data. Source: docs/dify-behaviour.md, “LLM”."""
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
        # Only the ends of the content are shown; only they are encoded.
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
