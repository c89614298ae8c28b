"""The client of a vendor's SDK, made when the first request needs it."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias

from jikko.ports.models import ModelFailure
from jikko.providers.config import ProviderConfig

MakeClient: TypeAlias = Callable[[ProviderConfig], Any]
"""Makes the SDK's asynchronous client. Called in a thread: importing an SDK takes a good part of a second."""


class SdkClient:
    """Makes one client, however many requests wait for it."""

    def __init__(self, make: MakeClient, config: ProviderConfig) -> None:
        self._make = make
        self._config = config
        self._client: Any = None
        self._making: asyncio.Task[Any] | None = None

    async def get(self) -> Any:
        """The client.

        Raises:
            ModelFailure: It cannot be made from this configuration.
            ImportError: Its library lacks something.
        """
        if self._client is None:
            if self._making is None:
                self._making = asyncio.create_task(asyncio.to_thread(self._make, self._config))
            try:
                self._client = await asyncio.shield(self._making)
            except (ModelFailure, ImportError):
                raise
            except Exception as error:
                raise ModelFailure(
                    f"The client of this provider cannot be made: {error}", kind="InvokeBadRequestError"
                ) from None
        return self._client

    async def close(self) -> None:
        """Close its connections. May be called twice."""
        if self._making is not None:
            self._making.cancel()
            self._making = None
        client, self._client = self._client, None
        if client is not None:
            await client.close()
