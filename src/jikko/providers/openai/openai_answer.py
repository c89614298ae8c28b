"""Parser of OpenAI's answers, whole or streamed.

OpenAI's SDK is not used: creating its objects costs several times the rest of a token's path.
"""

import base64
from typing import Any, Final

import msgspec

from jikko.concurrency.json_in_pieces import LARGE_BYTES
from jikko.ports.models import FailureKind, Media, ModelFailure
from jikko.providers.progress import AnswerCollector

_DONE: Final = b"[DONE]"


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: msgspec.Raw = msgspec.Raw(b"null")


class _ToolCall(msgspec.Struct):
    index: int | str | None = None
    id: str | int | None = None
    function: _Function | None = None


class _Delta(msgspec.Struct):
    content: Any = None
    reasoning_content: str | None = None
    reasoning: Any = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None
    images: Any = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    message: _Delta | None = None
    text: str | None = None
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | float | None = None
    completion_tokens: int | float | None = None
    total_tokens: int | float | None = None


class _Answer(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Any = None


_decode = msgspec.json.Decoder(_Answer).decode
_decode_text = msgspec.json.Decoder(str | None).decode


class AnswerReader:
    def __init__(self, progress: AnswerCollector) -> None:
        self._progress = progress
        self._done = False

    @property
    def is_complete(self) -> bool:
        return self._done or self._progress.finish_reason is not None

    def event(self, data: bytes) -> None:
        """Add the data of one event. Raises ``ModelFailure``: not JSON, an error, or too many."""
        if data == _DONE:
            self._done = True
        else:
            self._take(data)

    def whole(self, body: bytes) -> None:
        """Add an answer that is not streamed. Raises as ``event``."""
        self._take(body)
        self._done = True

    def _take(self, data: bytes) -> None:
        try:
            self._add(_decode(data))
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise ModelFailure(
                f"The provider's answer is not JSON of OpenAI's protocol: {data[:200].decode(errors='replace')!r}"
            ) from None

    def _add(self, answer: _Answer) -> None:
        progress = self._progress
        if answer.error is not None:
            raise _failure_of(answer.error)
        if answer.usage is not None:
            usage = answer.usage
            progress.count(usage.prompt_tokens, usage.completion_tokens, usage.total_tokens)
        if not answer.choices:
            return
        choice = answer.choices[0]
        if choice.finish_reason is not None:
            progress.finish_reason = choice.finish_reason
        delta = choice.delta or choice.message
        if delta is None:
            text, reasoning = choice.text or "", ""
        else:
            content, reasoning = delta.content, delta.reasoning_content or ""
            text = content if type(content) is str else ""
            if content is not None and not text:
                text, reasoning = _parts(content)
                progress.add_media(_pictures(content))
            if delta.images is not None:
                progress.add_media(_pictures(delta.images))
            if delta.reasoning is not None and not reasoning and isinstance(delta.reasoning, str):
                reasoning = delta.reasoning
            if delta.refusal and not text:
                text = delta.refusal
            if delta.tool_calls:
                for position, call in enumerate(delta.tool_calls):
                    self._call(position, call)
        if text or reasoning:
            progress.add(text, reasoning)

    def _call(self, position: int, call: _ToolCall) -> None:
        function = call.function or _Function()
        raw = bytes(function.arguments)
        if raw[:1] in (b'"', b"n"):
            arguments = _decode_text(raw) or ""
        else:
            # Some servers send the object itself. A large one stays as it is: decoding takes long.
            compact = raw if len(raw) > LARGE_BYTES else msgspec.json.encode(msgspec.json.decode(raw))
            arguments = compact.decode()
        # Numbers and ids are written as the other by some servers.
        index = _number(call.index, position)
        self._progress.call(index, "" if call.id is None else str(call.id), function.name or "", arguments)


def _number(index: int | str | None, position: int) -> int:
    if isinstance(index, str):
        return int(index) if index.isdecimal() and len(index) < 10 else position
    return position if index is None else index


def _parts(content: Any) -> tuple[str, str]:
    text: list[str] = []
    reasoning: list[str] = []
    for part in content if isinstance(content, list) else ():
        if not isinstance(part, dict):
            continue
        if isinstance(part.get("text"), str):
            text.append(part["text"])
        elif isinstance(part.get("thinking"), str):
            reasoning.append(part["thinking"])
        elif isinstance(part.get("thinking"), list):
            reasoning.append(_parts(part["thinking"])[0])
    return "".join(text), "".join(reasoning)


def _pictures(parts: Any) -> list[Media]:
    found = []
    for part in parts if isinstance(parts, list) else ():
        link = part.get("image_url") if isinstance(part, dict) else None
        url = link.get("url") if isinstance(link, dict) else link
        if not isinstance(url, str) or not url:
            continue
        head, comma, content = url.partition(",")
        if not url.startswith("data:"):
            found.append(Media("image", "image/png", url=url))
        elif comma and head.endswith(";base64"):
            try:
                data = base64.b64decode(content, validate=True)
            except ValueError:
                continue
            found.append(Media("image", head[5:].partition(";")[0] or "image/png", data=data))
    return found


def _failure_of(error: Any) -> ModelFailure:
    """An error that comes as an event, after the status was sent."""
    details = error if isinstance(error, dict) else {"message": str(error)}
    message = str(details.get("message") or details)[:2000]
    words = " ".join(str(details.get(name, "")) for name in ("type", "code", "status")).lower()
    kind: FailureKind = "InvokeBadRequestError"
    if "rate_limit" in words or "429" in words or "exhausted" in words:
        kind = "InvokeRateLimitError"
    elif any(word in words for word in ("server_error", "overloaded", "unavailable", "internal", "500", "502", "503")):
        kind = "InvokeServerUnavailableError"
    elif any(word in words for word in ("authentication", "permission", "401", "403")):
        kind = "InvokeAuthorizationError"
    return ModelFailure(f"The provider broke off its answer: {message}", kind=kind)
