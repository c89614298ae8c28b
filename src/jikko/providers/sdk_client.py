"""Lazy client of a vendor's SDK."""

import asyncio
from collections.abc import Callable
from functools import partial
from ssl import create_default_context
from typing import Any, Generic, TypeAlias, TypeVar

from jikko.log_context import log_context
from jikko.ports.models import ModelFailure
from jikko.providers.config import ProviderConfig
from jikko.trace_context import headers_of

T = TypeVar("T")


class AsyncLazy(Generic[T]):
    """Creates something in a thread, once, however many await it. After a failure, the next request retries."""

    def __init__(self, make: Callable[[], T]) -> None:
        """``make``: Called in a thread. Never returns ``None``."""
        self._make = make
        self._making: asyncio.Task[None] | None = None
        self._made: T | None = None

    async def get(self) -> T:
        """Return the object. Raises the exception of ``make``, to all who awaited it."""
        while self._made is None:
            if self._making is None or self._making.done():
                self._making = asyncio.create_task(self._run())
            await asyncio.shield(self._making)
        return self._made

    def close(self) -> T | None:
        """Forget the object, and return it; one being created is not awaited."""
        if self._making is not None:
            self._making.cancel()
        made, self._made = self._made, None
        return made

    async def _run(self) -> None:
        self._made = await asyncio.to_thread(self._make)


MakeClient: TypeAlias = Callable[[ProviderConfig], Any]
"""Creates the SDK's asynchronous client. Called in a thread: importing an SDK takes a good part of a second."""


async def _trace(request: Any) -> None:
    for name, value in headers_of(log_context.get().trace):
        request.headers.setdefault(name, value)


def client_options() -> dict[str, Any]:
    """Return the options of an SDK's HTTP client: it has the trust store of HTTP nodes, otherwise ignores the
    environment, and sends the trace context.

    The provider was chosen by the operator; its key goes nowhere else, so redirects are not followed. Headers of the
    entry take precedence.
    """
    hooks = {"request": [_trace]}
    return {"verify": create_default_context(), "trust_env": False, "follow_redirects": False, "event_hooks": hooks}


class SdkClient:
    """Creates one client, however many requests await it."""

    def __init__(self, make: MakeClient, config: ProviderConfig) -> None:
        self._client: AsyncLazy[Any] = AsyncLazy(partial(make, config))

    async def get(self) -> Any:
        """Return the client. Raises ``ModelFailure`` for this configuration, ``ImportError`` if its library lacks a
        part."""
        try:
            return await self._client.get()
        except (ModelFailure, ImportError):
            raise
        except Exception as error:
            raise ModelFailure(
                f"The client of this provider cannot be made: {error}", kind="InvokeBadRequestError"
            ) from None

    async def close(self) -> None:
        """Close its connections. Idempotent."""
        client = self._client.close()
        if client is not None:
            await client.close()
