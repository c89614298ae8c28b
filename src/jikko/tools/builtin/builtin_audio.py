"""Tools of ``audio``: text to speech, speech to text. Source: docs/dify-behaviour.md, “Built-in tools”."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from jikko.ports.models import DefaultModels, ModelFailure, ModelName, ModelPurpose
from jikko.ports.other_models import Recording, Script, Speech
from jikko.ports.tools import BlobMessage, Emit, TextMessage, ToolCall, ToolFailure
from jikko.tools.builtin.builtin_tool import BuiltinTool, parameter, setting
from jikko.tools.given_files import GivenFiles
from jikko.values import Json

VOICE: Final = "voice#"
"""Prefix of voice settings; the model follows."""


class Audio(Struct, eq=False):
    """Speech by models of the providers file."""

    speech: Speech
    defaults: DefaultModels
    """Its ``text_to_speech`` and ``speech_to_text`` are used if the node chooses no model."""
    files: GivenFiles

    def tools(self) -> Mapping[str, BuiltinTool]:
        # Any model may be named: providers are not asked for theirs beforehand.
        model = setting("model", "select")
        return {
            "tts": BuiltinTool(
                (parameter("text", required=True), model), self._speak, "returns a text as speech: an MP3 file", VOICE
            ),
            "asr": BuiltinTool(
                (parameter("audio_file", "file", required=True), model),
                self._transcribe,
                "returns the transcript of an audio file",
            ),
        }

    async def _speak(self, values: Mapping[str, Json], call: ToolCall, emit: Emit) -> None:
        model = self._model(values, "text_to_speech")
        voice = values.get(f"{VOICE}{values.get('model')}")
        script = Script(
            provider=model.provider,
            model=model.model,
            text=str(values.get("text") or ""),
            voice=voice if isinstance(voice, str) else "",
            app_id=call.app_id,
        )
        pieces: list[bytes] = []
        try:
            await self.speech.speak(script, pieces.append)
        except ModelFailure as failure:
            raise ToolFailure(str(failure)) from None
        if not pieces:
            raise ToolFailure("the text has nothing to say")
        emit(TextMessage("Audio generated successfully"))
        emit(BlobMessage(b"".join(pieces), "audio/mpeg"))

    async def _transcribe(self, values: Mapping[str, Json], call: ToolCall, emit: Emit) -> None:
        given = values.get("audio_file")
        if isinstance(given, Mapping) and given.get("type") != "audio":
            emit(TextMessage("not a valid audio file"))
            return
        model = self._model(values, "speech_to_text")
        file = await self.files.read(given, "audio_file", call)
        recording = Recording(
            provider=model.provider,
            model=model.model,
            data=file.content,
            filename=file.filename,
            mime_type=file.mime_type,
            app_id=call.app_id,
        )
        try:
            emit(TextMessage(await self.speech.transcribe(recording)))
        except ModelFailure as failure:
            raise ToolFailure(str(failure)) from None

    def _model(self, values: Mapping[str, Json], purpose: ModelPurpose) -> ModelName:
        """Return the node's model, ``provider#model``, or the default one."""
        chosen = values.get("model")
        if not chosen:
            usual = self.defaults.get(purpose)
            if usual is None:
                raise ToolFailure(
                    f"no model is chosen, and the providers file names none (defaults: {{{purpose}: "
                    "{provider: …, model: …}})",
                    reported=False,
                )
            return usual
        provider, _, model = str(chosen).partition("#")
        if not provider or not model:
            raise ToolFailure(f"the model {chosen!r} is not of the form provider#model", reported=False)
        return ModelName(provider, model)
