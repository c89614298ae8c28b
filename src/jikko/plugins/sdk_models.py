"""Models of plugins, as called by providers: the implementation of ``ports.plugin_models.PluginModels``."""

import json
from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, TypeVar, get_args

import msgspec

from jikko.diagnostics.diagnostic import Phrase
from jikko.masking import masked
from jikko.plugins.host.prompt import messages_json, piece_of
from jikko.plugins.install.installed_plugins import Entry
from jikko.plugins.package.declaration import ProviderDeclaration, with_defaults
from jikko.plugins.process.call import PluginFailure
from jikko.plugins.runtime import PluginRuntime
from jikko.ports.models import FailureKind, ModelFailure, ModelRequest
from jikko.ports.other_models import Ranked, Vector
from jikko.ports.plugin_models import AnswerPiece, KnownModel, PluginModel, PluginModelKind
from jikko.ports.tools import Caller, ToolNotFound
from jikko.values import Json

T = TypeVar("T")
_KINDS: Final[Mapping[str, FailureKind]] = {
    **{kind: kind for kind in get_args(FailureKind)},
    "CredentialsValidateFailedError": "InvokeAuthorizationError",
    "PluginDied": "InvokeServerUnavailableError",
    "PluginStopped": "InvokeServerUnavailableError",
    "PluginTimeout": "InvokeConnectionError",
}
"""By the plugin's exception class or its ``FailureKind``; all others are ``InvokeBadRequestError``."""


class _Embedded(msgspec.Struct):
    embeddings: list[list[float]]
    usage: dict[str, Any] | None = None


class _RankedText(msgspec.Struct):
    index: int
    score: float


class _Ranking(msgspec.Struct):
    docs: list[_RankedText]


class _Result(msgspec.Struct):
    result: str


class ModelsOfPlugins:
    def __init__(self, runtime: PluginRuntime) -> None:
        self._runtime = runtime

    def known(self, plugin: str) -> tuple[KnownModel, ...]:
        try:
            return self._found(plugin)[1].models
        except ToolNotFound as failure:
            raise ModelFailure(str(failure), kind="ModelNotExistError") from None

    def require(self, model: PluginModel) -> None:
        _credentials(model, self._found(model.plugin)[1], "")

    async def check(self, model: PluginModel) -> None:
        await self._invoke(model, "validate_provider_credentials", "", {}, lambda answer: None)

    async def complete(self, model: PluginModel, request: ModelRequest, take: Callable[[AnswerPiece], None]) -> None:
        parameters = dict(request.parameters)
        stop = parameters.pop("stop", None)
        if request.schema is not None:
            parameters["response_format"] = "json_schema"
            parameters["json_schema"] = json.dumps({"name": "answer", "schema": request.schema}, ensure_ascii=False)
        tools = [
            {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
            for tool in (request.tools if request.tool_choice != "none" else ())
        ]
        asked = {
            "prompt_messages": messages_json(request.messages),
            "model_parameters": parameters,
            "tools": tools or None,
            "stop": stop or None,
            "stream": request.stream,
        }
        await self._invoke(model, "invoke_llm", "llm", asked, lambda answer: take(piece_of(answer)))

    async def embed(self, model: PluginModel, texts: Sequence[str]) -> tuple[list[Vector], int | None]:
        found = await self._answer(model, "invoke_text_embedding", "text-embedding", {"texts": texts}, _Embedded)
        if len(found.embeddings) != len(texts):
            raise _wrong(f"{len(found.embeddings)} vectors for {len(texts)} texts")
        counted = (found.usage or {}).get("total_tokens")
        vectors = [array("f", vector) for vector in found.embeddings]
        return vectors, counted if isinstance(counted, int) and counted >= 0 else None

    async def rerank(self, model: PluginModel, query: str, texts: Sequence[str], top_n: int) -> list[Ranked]:
        asked = {"query": query, "docs": texts, "score_threshold": None, "top_n": top_n}
        found = await self._answer(model, "invoke_rerank", "rerank", asked, _Ranking)
        ranked = {each.index: Ranked(each.index, each.score) for each in reversed(found.docs)}
        if any(not 0 <= place < len(texts) for place in ranked):
            raise _wrong("indexes of texts that it was not given")
        return sorted(ranked.values(), key=lambda each: -each.score)[:top_n]

    async def transcribe(self, model: PluginModel, data: bytes) -> str:
        asked = {"file": data.hex()}
        return (await self._answer(model, "invoke_speech2text", "speech2text", asked, _Result)).result

    async def speak(self, model: PluginModel, text: str, voice: str, emit: Callable[[bytes], None]) -> None:
        asked = {"content_text": text, "voice": voice, "tenant_id": ""}
        await self._invoke(
            model, "invoke_tts", "tts", asked, lambda said: emit(bytes.fromhex(msgspec.convert(said, _Result).result))
        )

    async def _answer(
        self, model: PluginModel, action: str, kind: PluginModelKind, asked: Mapping[str, Any], shape: type[T]
    ) -> T:
        """Invoke an action that has exactly one answer."""
        answers: list[T] = []
        await self._invoke(model, action, kind, asked, lambda said: answers.append(msgspec.convert(said, shape)))
        if len(answers) != 1:
            raise _wrong(f"{len(answers)} answers to one question")
        return answers[0]

    async def _invoke(
        self,
        model: PluginModel,
        action: str,
        kind: PluginModelKind | Literal[""],
        asked: Mapping[str, Any],
        answer: Callable[[Any], None],
    ) -> None:
        """Raises ``ModelFailure``: no such plugin, or it failed, timed out or sent an invalid answer."""
        try:
            entry, provider = self._found(model.plugin)
            credentials = _credentials(model, provider, kind)
        except ToolNotFound as failure:
            raise ModelFailure(str(failure), kind="InvokeAuthorizationError") from None
        request: dict[str, Any] = {
            "type": "model",
            "action": action,
            "provider": provider.name,
            "credentials": credentials,
            **({"model_type": kind, "model": model.name} if kind else {}),
            **asked,
        }

        def take(said: Any) -> None:
            try:
                answer(said)
            except ValueError as error:  # includes errors of msgspec, ``piece_of`` and ``fromhex``
                raise _wrong(f"an answer of the wrong shape ({error})") from None

        try:
            await self._runtime.invoke(
                entry,
                request,
                caller=Caller(app_id=model.app_id, run_id=model.run_id, key=model.key),
                host=None,
                emit=lambda message: None,
                answer=take,
                silence=model.seconds,
            )
        except PluginFailure as failure:
            secrets = [str(credentials.get(each.name) or "") for each in provider.credentials if each.is_secret]
            raise ModelFailure(
                masked(str(failure), secrets), kind=_KINDS.get(failure.kind, "InvokeBadRequestError")
            ) from None

    def _found(self, plugin: str) -> tuple[Entry, ProviderDeclaration]:
        """Find a plugin's models. Raises ``ToolNotFound``: not installed, or without models."""
        return self._runtime.find("models", plugin, "", Phrase("tool.the_models", {"name": plugin}))


def _credentials(model: PluginModel, provider: ProviderDeclaration, kind: str) -> dict[str, Json]:
    """Return the plugin's credentials, with defaults. ``kind``: ``""`` for the provider. Raises ``ToolNotFound`` if one
    is missing."""
    wanted = [each for each in provider.credentials if not each.models or kind in each.models]
    given, missing = with_defaults(wanted, model.credentials)
    if missing:
        what = Phrase("tool.plugin_needs", {"plugin": model.plugin, "names": ", ".join(missing)})
        raise ToolNotFound(what, Phrase("remedy.plugin_credentials"))
    return given


def _wrong(what: str) -> ModelFailure:
    return ModelFailure(f"The plugin says {what}.")
