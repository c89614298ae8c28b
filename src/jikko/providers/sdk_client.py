"""The client of a vendor's SDK, made when the first request needs it."""

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
    """Makes something in a thread, once, however many wait for it. If that fails, who asks next has it tried again."""

    def __init__(self, make: Callable[[], T]) -> None:
        """``make``: called in a thread. Never gives ``None``."""
        self._make = make
        self._making: asyncio.Task[None] | None = None
        self._made: T | None = None

    async def get(self) -> T:
        """What is made. Raises what making it raises, to all who waited for it."""
        while self._made is None:
            if self._making is None or self._making.done():
                self._making = asyncio.create_task(self._run())
            await asyncio.shield(self._making)
        return self._made

    def close(self) -> T | None:
        """Forget what was made, and give it back; what is being made is not waited for."""
        if self._making is not None:
            self._making.cancel()
        made, self._made = self._made, None
        return made

    async def _run(self) -> None:
        self._made = await asyncio.to_thread(self._make)


MakeClient: TypeAlias = Callable[[ProviderConfig], Any]
"""Makes the SDK's asynchronous client. Called in a thread: importing an SDK takes a good part of a second."""


async def _trace(request: Any) -> None:
    for name, value in headers_of(log_context.get().trace):
        request.headers.setdefault(name, value)


def client_options() -> dict[str, Any]:
    """How the HTTP client of an SDK is made: it trusts whom HTTP nodes trust, and of the environment reads no more than
    that, and tells the provider its place in a trace.

    A provider is one that the operator has named; its key goes nowhere else, so no redirect is followed. What the entry
    says of these headers wins.
    """
    hooks = {"request": [_trace]}
    return {"verify": create_default_context(), "trust_env": False, "follow_redirects": False, "event_hooks": hooks}


class SdkClient:
    """Makes one client, however many requests wait for it."""

    def __init__(self, make: MakeClient, config: ProviderConfig) -> None:
        self._client: AsyncLazy[Any] = AsyncLazy(partial(make, config))

    async def get(self) -> Any:
        """The client. Raises ``ModelFailure`` for this configuration, ``ImportError`` if its library lacks a part."""
        try:
            return await self._client.get()
        except (ModelFailure, ImportError):
            raise
        except Exception as error:
            raise ModelFailure(
                f"The client of this provider cannot be made: {error}", kind="InvokeBadRequestError"
            ) from None

    async def close(self) -> None:
        """Close its connections. May be called twice."""
        client = self._client.close()
        if client is not None:
            await client.close()
