"""Synchronous client, for programs without an event loop."""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from jikko.client.async_client import AsyncClient
from jikko.concurrency.loop_thread import LoopThread

P = ParamSpec("P")
T = TypeVar("T")


def _waiting(
    method: Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, T]],
) -> "Callable[Concatenate[Client, P], T]":
    @wraps(method)
    def call(self: "Client", /, *arguments: P.args, **given: P.kwargs) -> T:
        return self._loop.run(method(self._client, *arguments, **given))

    return call


def _iterating(
    method: Callable[Concatenate[AsyncClient, P], AsyncIterator[T]],
) -> "Callable[Concatenate[Client, P], Iterator[T]]":
    @wraps(method)
    def call(self: "Client", /, *arguments: P.args, **given: P.kwargs) -> Iterator[T]:
        events: Any = method(self._client, *arguments, **given)
        try:
            while (event := self._loop.run(anext(events, None))) is not None:
                yield event
        finally:
            self._loop.run(events.aclose())

    return call


class Client:
    """``AsyncClient`` without ``await``, on a thread of its own. Close it, or use ``with``."""

    def __init__(
        self, url: str = "", key: str = "", *, user: str = "python", app: Any = None, timeout: float | None = None
    ) -> None:
        """See ``AsyncClient``."""
        self._client = AsyncClient(url, key, user=user, app=app, timeout=timeout)
        self._loop = LoopThread()
        self._loop.__enter__()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *ended: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections, and end the thread."""
        try:
            self._loop.run(self._client.close())
        finally:
            self._loop.__exit__(None, None, None)

    request = _waiting(AsyncClient.request)
    parameters = _waiting(AsyncClient.parameters)
    info = _waiting(AsyncClient.info)
    run = _waiting(AsyncClient.run)
    start = _waiting(AsyncClient.start)
    events = _iterating(AsyncClient.events)
    stream = _iterating(AsyncClient.stream)
    result = _waiting(AsyncClient.result)
    retry = _waiting(AsyncClient.retry)
    stop = _waiting(AsyncClient.stop)
    upload = _waiting(AsyncClient.upload)
    download = _waiting(AsyncClient.download)
    chat = _waiting(AsyncClient.chat)
    chat_stream = _iterating(AsyncClient.chat_stream)
    rejoin = _iterating(AsyncClient.rejoin)
    stop_chat = _waiting(AsyncClient.stop_chat)
    conversations = _waiting(AsyncClient.conversations)
    messages = _waiting(AsyncClient.messages)
    submit_form = _waiting(AsyncClient.submit_form)
    search = _waiting(AsyncClient.search)
