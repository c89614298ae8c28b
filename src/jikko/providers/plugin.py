"""Providers whose models are in plugins."""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

from jikko.ports.models import ModelFailure, ModelRequest
from jikko.ports.other_models import Ranked, RerankRequest
from jikko.ports.plugin_models import AnswerPiece, KnownModel, PluginModel, PluginModels
from jikko.providers.backends import EmbeddedBatch
from jikko.providers.config import ModelTraits, Price, ProviderConfig
from jikko.providers.progress import AnswerCollector


class PluginBackend:
    """Backend of one plugin. Its processes are the plugin's."""

    def __init__(self, config: ProviderConfig, models: PluginModels) -> None:
        self._config = config
        self._models = models

    async def complete(self, request: ModelRequest, progress: AnswerCollector) -> None:
        numbers = _CallNumbers()

        def take(piece: AnswerPiece) -> None:
            if piece.finish_reason is not None:
                progress.finish_reason = piece.finish_reason
            if piece.tokens is not None:
                progress.count(*piece.tokens)
            if piece.media:
                progress.add_media(piece.media)
            if piece.text:
                progress.add(piece.text)
            for call in piece.calls:
                progress.call(numbers.of(call.id, call.name), call.id, call.name, call.arguments)

        asked = self._model(request.model, app_id=request.app_id, run_id=request.run_id, key=request.key)
        await self._models.complete(asked, request, take)
        if not progress.has_begun and progress.finish_reason is None:
            raise ModelFailure("The plugin ended its answer without saying anything.", kind="InvokeConnectionError")

    async def embed(self, model: str, texts: tuple[str, ...], dimensions: int) -> EmbeddedBatch:
        """See ``EmbeddingBackend.embed``. The plugin determines the size of vectors."""
        vectors, tokens = await self._models.embed(self._model(model), texts)
        return EmbeddedBatch(tuple(vectors), tokens)

    async def rerank(self, request: RerankRequest) -> list[Ranked]:
        model = self._model(self._config.model_name(request.model), app_id=request.app_id, run_id=request.run_id)
        return await self._models.rerank(model, request.query, request.texts, request.top_n)

    async def transcribe(self, model: str, data: bytes, filename: str, mime_type: str) -> str:
        """See ``SpeechBackend.transcribe``. Plugins get neither name nor type of a recording."""
        return await self._models.transcribe(self._model(model), data)

    async def speak(self, model: str, text: str, voice: str, emit: Callable[[bytes], None]) -> None:
        await self._models.speak(self._model(model), text, voice, emit)

    async def models(self) -> list[str]:
        """See ``Backend.models``: the plugin validates its credentials, and its package lists the models."""
        await self._models.check(self._model(""))
        return [known.name for known in self._models.known(self._config.plugin)]

    async def close(self) -> None:
        """See ``Backend.close``."""

    def _model(self, name: str, **caller: Any) -> PluginModel:
        config = self._config
        return PluginModel(
            plugin=config.plugin, name=name, credentials=config.credentials, seconds=config.timeout, **caller
        )


class _CallNumbers:
    """Numbers the tool calls of an answer by their ids, by which plugins distinguish them."""

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}
        self._last = -1

    def of(self, id: str, name: str) -> int:
        if id:
            self._last = self._ids.setdefault(id, len(self._ids))
        elif name or self._last < 0:
            self._last = self._ids.setdefault(f"\0{len(self._ids)}", len(self._ids))
        return self._last


class PluginProviders:
    def __init__(self, models: PluginModels) -> None:
        self._models = models
        self._completed: dict[str, tuple[ProviderConfig, tuple[KnownModel, ...], ProviderConfig]] = {}
        """Entries by id: as written, the models of the package, and the result."""

    def completed(self, config: ProviderConfig) -> ProviderConfig:
        """Complete an entry with the plugin's data about models. Raises ``ModelFailure`` without the plugin."""
        known = self._models.known(config.plugin)
        written, listed, completed = self._completed.get(config.id, (None, (), config))
        if written is not config or listed is not known:
            completed = _with_known(config, known)
            self._completed[config.id] = config, known, completed
        return completed

    def require(self, config: ProviderConfig) -> None:
        """Raises ``ToolNotFound``: the plugin is not installed, has no models, or lacks a credential."""
        self._models.require(PluginModel(plugin=config.plugin, credentials=config.credentials, seconds=config.timeout))

    def backend(self, config: ProviderConfig) -> PluginBackend:
        return PluginBackend(config, self._models)


def _with_known(config: ProviderConfig, known: tuple[KnownModel, ...]) -> ProviderConfig:
    listed = {model.name: _traits(model) for model in known}
    names = [*listed, *(name for name in config.models if name not in listed)]
    models = {}
    for name in names:
        written = config.models.get(name, ModelTraits())
        # Several entries of the file may refer to one model of the plugin.
        models[name] = _filled(_filled(written, config.traits), listed.get(config.model_name(name), ModelTraits()))
    return replace(config, models=models)


def _filled(traits: ModelTraits, otherwise: ModelTraits) -> ModelTraits:
    usual = ModelTraits()
    said = {
        each.name: value
        for each in fields(traits)
        if each.name != "media" and (value := getattr(traits, each.name)) != getattr(usual, each.name)
    }
    return replace(otherwise, **said, media={**otherwise.media, **traits.media})


def _traits(model: KnownModel) -> ModelTraits:
    able = model.abilities
    return ModelTraits(
        mode=model.mode,
        tools=able.tools,
        structured_output=able.structured_output,
        media={"image": False, "audio": False, "video": False, "document": False, **dict.fromkeys(able.media, True)},
        price=None if model.price is None else Price(*model.price),
        voice=model.voice,
        context_size=model.context_size,
    )
