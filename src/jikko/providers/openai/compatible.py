"""Backend of providers with OpenAI's protocol."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from jikko.ports.models import ModelFailure, ModelRequest
from jikko.ports.other_models import Ranked, RerankRequest
from jikko.providers.backends import EmbeddedBatch
from jikko.providers.config import ProviderConfig
from jikko.providers.openai.openai_answer import AnswerReader
from jikko.providers.openai.openai_client import OpenAIClient, RefusedRequest, UploadedFile
from jikko.providers.openai.openai_vectors import MAX_BYTES, embedded, embedding_body
from jikko.providers.openai.parameters import CompletionParameters, chat_body, completion_body
from jikko.providers.progress import BYTES_PER_CHARACTER, AnswerCollector, too_large
from jikko.providers.sdk_errors import SdkClient, failing_as_models_do, failure_of

if TYPE_CHECKING:
    import aiohttp

_MAX_DROPS: Final = 8
"""Parameters that one request may lose before it is given up."""
_MAX_LIST_BYTES: Final = 67_108_864
"""Bytes of a list of models, or of a ranking, which may repeat all texts."""
_REFUSAL: Final = re.compile(
    r"un(known|recognized|supported|expected)|not (be )?(support|permit|allow|recogni)|extra (input|field)",
    re.IGNORECASE,
)


class _Model(msgspec.Struct):
    id: str


class _Models(msgspec.Struct):
    data: list[_Model] | None = None


_decode_models: Final = msgspec.json.Decoder(_Models).decode


class OpenAICompatible:
    """One provider. Connections are opened when the first request is sent.

    Implements ``Backend``, ``EmbeddingBackend``, ``SpeechBackend``, ``Moderating`` and ``Reranker``.
    """

    def __init__(self, config: ProviderConfig) -> None:
        self._config = config
        self._client = SdkClient(OpenAIClient, config)
        self._parameters = CompletionParameters(config.id)

    async def complete(self, request: ModelRequest, progress: AnswerCollector) -> None:
        client = await self._client.get()
        parameters = self._parameters.fields(request.model, request.parameters)
        if request.mode == "completion":
            path, body = "/completions", completion_body(request, parameters)
        else:
            path, body = "/chat/completions", chat_body(request, parameters)
        body = self._parameters.without_refused(request.model, body)
        for _ in range(_MAX_DROPS):
            try:
                await self._send(client, path, body, progress, request.joined)
                return
            except RefusedRequest as error:
                refused = _refused(error, body)
                if refused is None:
                    raise failure_of(error) from None
                failure = failure_of(error)
                if refused in ("tools", "tool_choice") and request.tools:
                    failure.unsupported = "tools"
                    raise failure from None
                if refused == "response_format" and request.schema is not None:
                    failure.unsupported = "structured_output"
                    raise failure from None
                self._parameters.refuse(request.model, refused, str(failure))
                body = self._parameters.without_refused(request.model, body)
        raise ModelFailure("The provider refuses one parameter after the other.")

    async def embed(self, model: str, texts: tuple[str, ...], dimensions: int) -> EmbeddedBatch:
        body = embedding_body(model, texts, dimensions)
        return await embedded(await self._asked("/embeddings", body, MAX_BYTES * len(texts)), len(texts))

    async def transcribe(self, model: str, data: bytes, filename: str, mime_type: str) -> str:
        file = UploadedFile("file", filename, data, mime_type)
        body = {"model": model}
        return transcript(await self._asked("/audio/transcriptions", body, MAX_TEXT_BYTES, file, what="transcript"))

    async def speak(self, model: str, text: str, voice: str, emit: Callable[[bytes], None]) -> None:
        client: OpenAIClient = await self._client.get()
        left = MAX_AUDIO_BYTES
        with failing_as_models_do():
            async with client.answer(
                "/audio/speech", {"model": model, "input": text, "voice": voice, "response_format": "mp3"}
            ) as (response, _):
                async for received in response.content.iter_any():
                    left -= len(received)
                    if left < 0:
                        raise ModelFailure(f"The audio of one text has more than {MAX_AUDIO_BYTES} bytes.")
                    emit(received)

    async def flags(self, model: str, text: str) -> bool:
        return is_flagged(await self._asked("/moderations", moderation_body(model, text), MAX_ANSWER_BYTES))

    async def models(self) -> list[str]:
        answer = await self._asked("/models", None, _MAX_LIST_BYTES)
        with failing_as_models_do():
            return [model.id for model in _decode_models(answer).data or ()]

    async def rerank(self, request: RerankRequest) -> list[Ranked]:
        names = {"model": self._config.model_name(request.model), "query": request.query, "top_n": request.top_n}
        body = {**names, "documents": list(request.texts)}
        return _ranked(await self._asked("/rerank", body, _MAX_LIST_BYTES), len(request.texts))

    async def close(self) -> None:
        await self._client.close()

    async def _send(
        self, client: OpenAIClient, path: str, body: dict[str, Any], progress: AnswerCollector, joined: bool
    ) -> None:
        reader = AnswerReader(progress)
        progress.sent()
        async with client.answer(path, body) as (response, deadline):
            if body.get("stream") and "json" not in response.headers.get("content-type", ""):
                deadline.reschedule(None)
                stream = _StreamedAnswer(reader, progress, joined)
                await client.read(response, stream.take, progress.give_way)
                stream.finish()
            else:
                characters = self._config.max_answer
                # Something for the JSON around it.
                most = BYTES_PER_CHARACTER * characters + 65_536
                reader.whole(await self._read_whole(response, most, too_large(f"{characters} characters")))

    async def _asked(
        self,
        path: str,
        body: dict[str, Any] | None,
        most: int,
        file: UploadedFile | None = None,
        *,
        what: str = "answer",
    ) -> bytes:
        """The answer to a request, of ``most`` bytes. ``what``: It is, in the message."""
        client: OpenAIClient = await self._client.get()
        with failing_as_models_do():
            async with client.answer(path, body, file) as (response, _):
                refusal = ModelFailure(f"The {what} has more than {most} bytes.")
                return await self._read_whole(response, most, refusal)

    async def _read_whole(self, response: "aiohttp.ClientResponse", most: int, refusal: ModelFailure) -> bytes:
        pieces: list[bytes] = []
        size = 0
        async for received in response.content.iter_any():
            pieces.append(received)
            size += len(received)
            if size > most:
                raise refusal
        return b"".join(pieces)


def _refused(error: RefusedRequest, body: dict[str, Any]) -> str | None:
    if error.status_code not in (400, 422):
        return None
    if not _REFUSAL.search(f"{error.said('code')} {error.text}"):
        return None
    fixed = ("model", "messages", "prompt", "stream")
    candidates = [name for name in body if name not in fixed]
    named = error.said("param").partition(".")[0]
    if named in candidates:
        return named
    # Maximum size of a transcript.
    mentioned = [name for name in candidates if re.search(rf"(?<![\w]){re.escape(name)}(?![\w])", error.text)]
    return max(mentioned, key=len, default=None)


# Speech by OpenAI's protocol: the body of ``/audio/speech``, and the answer of ``/audio/transcriptions``.

MAX_TEXT_BYTES: Final = 4_194_304
"""Bytes of a transcript."""
MAX_AUDIO_BYTES: Final = 67_108_864
"""Bytes of the audio of one text: an hour at 128 kbit/s is less."""


class _Transcript(msgspec.Struct):
    text: str


_decode = msgspec.json.Decoder(_Transcript).decode


def transcript(body: bytes) -> str:
    """The text of an answer. Raises ``ModelFailure``: it is no answer of the protocol."""
    try:
        return _decode(body).text
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ModelFailure(
            f"The provider's answer holds no text of OpenAI's protocol: {body[:200].decode(errors='replace')!r}"
        ) from None


# Ranking texts over ``POST …/rerank``, as Jina and Cohere have it and many servers of models after them.


def _ranked(received: bytes, count: int) -> list[Ranked]:
    try:
        answer = msgspec.json.decode(received)
    except (msgspec.DecodeError, UnicodeDecodeError):
        answer = None
    results = answer.get("results") if isinstance(answer, dict) else None
    if not isinstance(results, list):
        raise _unreadable("it has no list of results")
    found: dict[int, float] = {}
    for result in results:
        index = result.get("index") if isinstance(result, dict) else None
        score = result.get("relevance_score") if isinstance(result, dict) else None
        if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < count:
            raise _unreadable(f"a result has the index {index!r}, of {count} texts")
        if not isinstance(score, (int, float)) or isinstance(score, bool) or score != score:
            raise _unreadable(f"a result has the relevance_score {score!r}")
        found.setdefault(index, float(score))
    return sorted((Ranked(index, score) for index, score in found.items()), key=lambda each: (-each.score, each.place))


def _unreadable(why: str) -> ModelFailure:
    return ModelFailure(f"The provider's answer cannot be used: {why}.")


# Streamed answers: events of which only the data count.

_DATA: Final = b"data:"
_IDLE_BYTES: Final = 128
"""Bytes of comments that take as long as an event."""


class SseParser:
    """Collects bytes as they come, and gives back the ``data`` of each event that is complete.

    Written for what model servers send: other fields and comments are skipped.
    """

    __slots__ = ("_data", "_rest")

    def __init__(self) -> None:
        self._rest = bytearray()
        """A line that is not complete."""
        self._data: bytes | bytearray | None = None
        """The lines of the event so far, joined: as a list, short ones would take many times their length."""

    def feed(self, received: bytes) -> list[bytes]:
        """Take the next bytes. Returns the data of the events that they complete."""
        is_alone = received[:7] == b"data: {" and received[-3:] == b"}\n\n" and received.count(b"\n") == 2
        if is_alone and self._data is None and not self._rest:
            return [received[6:-2]]  # as nearly always
        if received.find(b"\n") < 0:  # ``in`` tries a number first, and fails
            self._rest += received
            return []
        if self._rest:
            received = b"".join((self._rest, received))
            self._rest.clear()
        *lines, rest = received.split(b"\n")
        events: list[bytes] = []
        for line in lines:
            if line[-1:] == b"\r":
                line = line[:-1]
            if not line:
                if self._data is not None:
                    events.append(bytes(self._data))
                    self._data = None
            elif line.startswith(_DATA):
                data = line[6:] if line[5:6] == b" " else line[5:]
                if self._data is None:
                    self._data = data
                else:
                    # Nearly no event has a second one.
                    self._data = self._data if isinstance(self._data, bytearray) else bytearray(self._data)
                    self._data += b"\n" + data
        self._rest += rest
        return events

    def finish(self) -> list[bytes]:
        """Return the data of a last event without an end."""
        return self.feed(b"\n\n")


class _StreamedAnswer:
    """Reads one streamed answer as its bytes come."""

    __slots__ = ("_joined", "_parser", "_progress", "_reader")

    def __init__(self, reader: AnswerReader, progress: AnswerCollector, joined: bool) -> None:
        """``joined``: Texts that come together are one."""
        self._reader, self._progress, self._joined = reader, progress, joined
        self._parser = SseParser()

    def take(self, received: bytes) -> bool:
        """See ``OpenAIClient.read``."""
        progress = self._progress
        if progress.is_due:
            return False
        events = self._parser.feed(received)
        if self._joined and len(events) > 1:
            with progress.together():
                for event in events:
                    self._reader.event(event)
        else:
            for event in events:
                self._reader.event(event)
        progress.took(max(len(events), len(received) // _IDLE_BYTES, 1), len(received))
        return True

    def finish(self) -> None:
        """Read what is left. Raises ``ModelFailure``: the answer is incomplete."""
        for event in self._parser.finish():
            self._reader.event(event)
        if not self._reader.is_complete:
            raise ModelFailure("The provider's answer stopped in the middle.", kind="InvokeConnectionError")


# Moderation: the body of ``/moderations``, and its answer.

MAX_ANSWER_BYTES: Final = 1_048_576
"""Bytes of an answer: a piece of text has some two thousand."""
_MAX_PIECE: Final = 8_000
"""Characters that are looked at as one."""
_OVERLAP: Final = 200
"""Characters that a piece has in common with the one before, so that no cut hides what it goes through."""


class _Result(msgspec.Struct):
    flagged: bool


class _Answer(msgspec.Struct):
    results: list[_Result]


_moderated = msgspec.json.Decoder(_Answer).decode


def moderation_body(model: str, text: str) -> dict[str, Any]:
    """Return the body for a text, in pieces that overlap so that no cut hides a match."""
    step = _MAX_PIECE - _OVERLAP
    # Half of a surrogate pair cannot be sent.
    text = text.encode("utf-8", "replace").decode()
    return {
        "model": model,
        "input": [text[at : at + _MAX_PIECE] for at in range(0, max(1, len(text) - _OVERLAP), step)],
    }


def is_flagged(body: bytes) -> bool:
    """Whether an answer flags any of the pieces. Raises ``ModelFailure``: it is no answer of the protocol."""
    try:
        results = _moderated(body).results
    except (msgspec.DecodeError, UnicodeDecodeError):
        results = []
    if not results:
        raise ModelFailure(f"The provider's answer has no results: {body[:200].decode(errors='replace')!r}")
    return any(result.flagged for result in results)
