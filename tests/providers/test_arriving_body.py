"""Tokens that come one by one are taken by the connection that brings them; no task is woken for each."""

import asyncio
import gc
import weakref
from contextlib import suppress
from contextvars import ContextVar

import pytest

from jikko.ports.models import Chunk, ModelFailure
from jikko.providers.openai.compatible import SseParser
from tests.providers.calling import request, served
from tests.providers.fake_model import Exchange, delta

pytestmark = pytest.mark.anyio

WORDS = ("日本", "🎌", "\ue000", "a\u2028b", "}", "\n\n", "")
place: ContextVar[str] = ContextVar("place", default="none")


class Paced:
    """A model that says a word once the one before was shown."""

    def __init__(self, *words: str) -> None:
        self._words = words
        self.shown = asyncio.Event()
        self.exchanges: list[Exchange] = []

    async def __call__(self, exchange: Exchange) -> None:
        self.exchanges.append(exchange)
        await exchange.begin_stream()
        for word in self._words:
            self.shown.clear()
            await exchange.event(delta(word))
            if word:
                await self.shown.wait()
        await exchange.event(delta(finish="stop"))
        await exchange.end_stream()


async def test_each_token_is_shown_in_no_task_and_in_the_context_of_its_caller() -> None:
    model = Paced(*WORDS)
    seen: list[tuple[str, str, bool]] = []

    def emit(chunk: Chunk) -> None:
        seen.append((chunk.text, place.get(), asyncio.current_task() is None))
        model.shown.set()

    async with served(model) as (_, models):
        for caller in ("first", "second"):  # over one connection
            place.set(caller)
            completion = await models.complete(request(), emit)
            assert completion.text == "".join(WORDS)

    words = [word for word in WORDS if word]
    assert [(text, where) for text, where, _ in seen] == [(w, c) for c in ("first", "second") for w in words]
    # The first may have come with the head of the answer.
    assert [in_no_task for text, _, in_no_task in seen if text != words[0]] == [True] * 2 * (len(words) - 1)
    assert len({exchange.writer for exchange in model.exchanges}) == 1


async def test_what_showing_a_token_raises_ends_the_call() -> None:
    model = Paced("a", "b", "c")

    def emit(chunk: Chunk) -> None:
        model.shown.set()
        if chunk.text == "b":
            raise ModelFailure("no 🚫", kind="InvokeBadRequestError")

    async with served(model) as (_, models):
        with pytest.raises(ModelFailure, match="no 🚫"):
            await models.complete(request(), emit)


async def test_nothing_of_a_call_that_failed_is_left_in_memory() -> None:
    class Shown:
        def __call__(self, chunk: Chunk) -> None:
            model.shown.set()
            if chunk.text == "b":
                raise ModelFailure("no", kind="InvokeBadRequestError")

    model = Paced("a", "b", "c")
    shown = Shown()
    known_to_the_call = weakref.ref(shown)
    gc.disable()  # which would free it some day
    try:
        async with served(model) as (_, models):
            with suppress(ModelFailure):
                await models.complete(request(), shown)
            del shown
            assert known_to_the_call() is None
    finally:
        gc.enable()


async def test_an_answer_without_a_body_is_told_as_one_that_stopped() -> None:
    async def empty(exchange: Exchange) -> None:
        await exchange.head(204)

    async with served(empty) as (_, models):
        with pytest.raises(ModelFailure, match="stopped in the middle"):
            await models.complete(request(), lambda chunk: None)


async def test_a_call_that_is_cancelled_shows_nothing_more_and_the_next_one_all() -> None:
    model = Paced("a", "b", "c")
    shown: list[str] = []

    def emit(chunk: Chunk) -> None:
        shown.append(chunk.text)
        if len(shown) == 2:
            asking.cancel()
        model.shown.set()

    async with served(model) as (_, models):
        asking = asyncio.ensure_future(models.complete(request(), emit))
        with pytest.raises(asyncio.CancelledError):
            await asking
        await model.exchanges[0].gone.wait()
        assert (await models.complete(request(), emit)).text == "abc"

    assert shown[:2] == ["a", "b"]
    assert shown[-3:] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("pieces", "events"),
    [
        ([b'data: {"a":1}\n\n'], [b'{"a":1}']),
        ([b"data: ", b'data: {"a":1}\n\n'], [b'data: {"a":1}']),
        ([b"data: {\n", b'data: {"a":1}\n\n'], [b'{\n{"a":1}']),
        ([b'data: {"a":1}\ndata: {}\n\n'], [b'{"a":1}\n{}']),
        ([b"data:\n", b'data: {"a":1}\n\n'], [b'\n{"a":1}']),
        ([b'data: {"a":1}\n\n', b'data: {"b":2}\r\n\r\n'], [b'{"a":1}', b'{"b":2}']),
    ],
)
def test_an_event_that_comes_alone_is_read_as_among_others(pieces: list[bytes], events: list[bytes]) -> None:
    parser = SseParser()
    assert [event for piece in pieces for event in parser.feed(piece)] == events
