"""Collector of a streamed answer."""

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final
from uuid import uuid4

from msgspec import Struct, field

from jikko.concurrency.scheduler import TimeSlice
from jikko.ports.models import Chunk, FunctionCall, Media, ModelFailure
from jikko.values import json_value

MAX_TOOL_CALLS: Final = 128
BYTES_PER_CHARACTER: Final = 4
"""Maximum bytes of an answer per character of ``max_answer``."""

MAX_TOKENS: Final = 2**31 - 1
"""Maximum accepted token count, so that the sum of a run can always be stored."""


_EVENTS: Final = 30
"""Events, a fraction of a millisecond's work, after which others may have the event loop."""


class _Call(Struct):
    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)
    made_up: str = field(default_factory=lambda: f"call_{uuid4().hex[:24]}")
    """Generated id, for servers without one: the tool's answer has to refer to it."""

    def is_another(self, id: str, name: str) -> bool:
        """Return whether a chunk with this id and name begins another call.

        Some servers give all calls the same index, or none; others repeat id and name in every chunk.
        """
        if not name or not self.name:
            return False
        if id and self.id:
            return id != self.id
        return not id and not self.id and isinstance(json_value("".join(self.arguments)), dict)


class AnswerCollector:
    """Collects the chunks of one answer and forwards them; keeps its counts if the answer is interrupted."""

    def __init__(
        self,
        emit: Callable[[Chunk], None] | None,
        max_characters: int,
        share: TimeSlice | None = None,
        patience: float = math.inf,
    ) -> None:
        """``emit``: Called with each chunk of text or reasoning. ``max_characters``: Of text, reasoning and arguments
        together; pictures may have four times as many bytes. ``share``: Time slice of the event loop, for fast
        answers. ``patience``: Seconds of events without a part of the answer."""
        self._emit = emit
        self._share = share
        self._taken = 0
        """Events since the last yield."""
        self._room = max_characters
        self._max = max_characters
        self._room_for_media = BYTES_PER_CHARACTER * max_characters
        self._patience = patience
        self._progress, self._idle_since, self._idle_bytes = 0, math.inf, 0
        """Room left at the last progress; since when, and in how many bytes, there was none."""
        self._together: list[str] | None = None
        """Texts to be merged into one event."""
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls: defaultdict[int, list[_Call]] = defaultdict(list)
        """By the server's index; several only with servers that count wrong."""
        self.media: list[Media] = []
        """Received pictures."""
        self.began = time.perf_counter()
        """``perf_counter`` of the request."""
        self.first_text: float | None = None
        """``perf_counter`` of the first text."""
        self.finish_reason: str | None = None
        self.prompt_tokens: int | None = None
        """The provider's count; ``None`` if missing (so far)."""
        self.completion_tokens: int | None = None
        self.total_tokens: int | None = None

    def sent(self) -> None:
        """Note the time of the request: earlier work, such as starting a server, is not latency."""
        self.began = time.perf_counter()

    def took(self, events: int, size: int) -> None:
        """Count events, see ``is_due``, and their bytes. Raises ``ModelFailure``: for too long, or in too many bytes,
        none was a part of the answer."""
        self._taken += events
        self._idle_bytes += size
        if self._progress != (room := self._room + self._room_for_media):
            self._progress, self._idle_since, self._idle_bytes = room, math.inf, 0
        elif self._idle_bytes > BYTES_PER_CHARACTER * self._max:
            raise too_large(f"{self._max} characters")
        elif self._idle_since == math.inf:
            self._idle_since = time.monotonic()
        elif time.monotonic() - self._idle_since > self._patience:
            raise without_progress(self._patience)

    @property
    def is_due(self) -> bool:
        """Whether to call ``give_way``."""
        return self._taken >= _EVENTS

    async def give_way(self) -> None:
        """Let others have the event loop.

        An answer that comes token by token does not notice: between two tokens others have the loop anyway.
        """
        self._taken = 0
        if self._share is not None:
            await self._share.give_way()

    @property
    def text(self) -> str:
        return "".join(self._text)

    @property
    def reasoning(self) -> str:
        return "".join(self._reasoning)

    @property
    def tool_calls(self) -> tuple[FunctionCall, ...]:
        """The calls in order, those without a name left out."""
        calls = (call for index in sorted(self._calls) for call in self._calls[index])
        return tuple(
            FunctionCall(call.id or call.made_up, call.name, "".join(call.arguments)) for call in calls if call.name
        )

    @property
    def has_begun(self) -> bool:
        return bool(self._text or self._reasoning or self._calls or self.media) or self.total_tokens is not None

    def add(self, text: str, reasoning: str = "") -> None:
        """Take the next piece. Raises ``ModelFailure``: the answer is too large."""
        if text:
            if self.first_text is None:
                self.first_text = time.perf_counter()
            self._text.append(text)
        if reasoning:
            self._reasoning.append(reasoning)
        self._take(len(text) + len(reasoning))
        if self._emit is None or not (text or reasoning):
            return
        if self._together is None:
            self._emit(Chunk(text, reasoning))
        elif not reasoning:
            self._together.append(text)
        else:
            self._emit_together()
            self._emit(Chunk(text, reasoning))

    @contextmanager
    def together(self) -> Iterator[None]:
        """Emit the texts added in the block as one."""
        self._together = []
        try:
            yield
        finally:
            self._emit_together()
            self._together = None

    def _emit_together(self) -> None:
        if self._together and self._emit is not None:
            self._emit(Chunk("".join(self._together), ""))
            self._together.clear()

    def call(self, index: int, id: str, name: str, arguments: str) -> None:
        """Take a piece of a tool call, any part of it maybe empty. Raises ``ModelFailure``: too large an answer."""
        calls = self._calls[index]
        if not calls or calls[-1].is_another(id, name):
            if sum(map(len, self._calls.values())) >= MAX_TOOL_CALLS:
                raise ModelFailure(f"The model's answer has more than {MAX_TOOL_CALLS} tool calls.")
            calls.append(_Call())
        call = calls[-1]
        call.id = call.id or id
        call.name = call.name or name
        if arguments:
            call.arguments.append(arguments)
            self._take(len(arguments))

    def add_media(self, media: Sequence[Media]) -> None:
        """Take pictures. Raises ``ModelFailure``: the answer is too large."""
        self._room_for_media -= sum(len(item.data) + len(item.url) for item in media)
        if self._room_for_media < 0:
            raise too_large(f"{BYTES_PER_CHARACTER * self._max} bytes of pictures")
        self.media += media

    def count(self, prompt: float | None, completion: float | None, total: float | None = None) -> None:
        """Note the provider's count; what is ``None`` stays as it was."""
        if prompt is not None:
            self.prompt_tokens = _believed(prompt)
        if completion is not None:
            self.completion_tokens = _believed(completion)
        added = (self.prompt_tokens or 0) + (self.completion_tokens or 0)
        self.total_tokens = added if total is None else _believed(total)

    def _take(self, characters: int) -> None:
        self._room -= characters
        if self._room < 0:
            raise too_large(f"{self._max} characters")


def _believed(count: float) -> int:
    # In this order: infinite numbers, and those that are none, have no whole part.
    return int(min(max(0, count), MAX_TOKENS))


def without_progress(seconds: float) -> ModelFailure:
    """The failure of an answer whose connection is only kept alive."""
    return ModelFailure(
        f"The provider sent no part of its answer for {seconds:g} s, though it was not silent (the limit is three "
        "times the timeout of the provider).",
        kind="InvokeConnectionError",
    )


def too_large(limit: str) -> ModelFailure:
    return ModelFailure(f"The model's answer has more than {limit}; the limit is max_answer of the provider.")
