"""Progress of an answer: the part that has come so far."""

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
"""How many bytes of an answer are allowed for each character of ``max_answer``: as many as one takes at most."""

MAX_TOKENS: Final = 2**31 - 1
"""What is believed of a provider's count. The sum of a run can always be stored then, however many nodes it has."""


_EVENTS: Final = 30
"""Of an answer, a fraction of a millisecond's work: whether others want the event loop is asked behind each N."""


class _Call(Struct):
    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)
    made_up: str = field(default_factory=lambda: f"call_{uuid4().hex[:24]}")
    """Its id if the server gives none: the answer of the tool has to name it."""

    def is_another(self, id: str, name: str) -> bool:
        """Whether a piece with this id and name begins another call, and is no further piece of this one.

        Some servers number all calls of an answer alike, or not at all; others repeat id and name with every piece.
        """
        if not name or not self.name:
            return False
        if id and self.id:
            return id != self.id
        return not id and not self.id and isinstance(json_value("".join(self.arguments)), dict)


class AnswerCollector:
    """Collects the pieces of one answer and hands them on; keeps what was counted if the answer breaks off."""

    def __init__(
        self, emit: Callable[[Chunk], None] | None, max_characters: int, share: TimeSlice | None = None
    ) -> None:
        """``emit``: Called with each piece of text or reasoning. ``max_characters``: Of text, reasoning and arguments
        together; pictures may have four times as many bytes. ``share``: Of the event loop, for a fast answer.
        """
        self._emit = emit
        self._share = share
        self._taken = 0
        """Events since others were last asked whether they want the loop."""
        self._room = max_characters
        self._max = max_characters
        self._room_for_media = BYTES_PER_CHARACTER * max_characters
        self._together: list[str] | None = None
        """Texts that become one event, once all have come."""
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls: defaultdict[int, list[_Call]] = defaultdict(list)
        """By the number that the server gives them; several only of servers that count wrong."""
        self.media: list[Media] = []
        """Pictures that came."""
        self.began = time.perf_counter()
        """``perf_counter`` when the request was sent."""
        self.first_text: float | None = None
        """``perf_counter`` at the first text."""
        self.finish_reason: str | None = None
        self.prompt_tokens: int | None = None
        """As the provider counted; ``None`` if it did not (yet)."""
        self.completion_tokens: int | None = None
        self.total_tokens: int | None = None

    def sent(self) -> None:
        """Note that the request goes out now: what was before, such as starting a server, is no latency."""
        self.began = time.perf_counter()

    def took(self, events: int) -> None:
        """Note that so many more were taken."""
        self._taken += events

    @property
    def is_due(self) -> bool:
        """Whether it is time for ``give_way``."""
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
        """Tell the texts that are added in the block together."""
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
                raise ModelFailure(
                    f"The model's answer has more than {MAX_TOOL_CALLS} tool calls.", kind="InvokeBadRequestError"
                )
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


def too_large(limit: str) -> ModelFailure:
    """The failure of an answer that is larger than may be."""
    return ModelFailure(
        f"The model's answer has more than {limit}; the limit is max_answer of the provider.",
        kind="InvokeBadRequestError",
    )
