"""What plugins keep."""

from typing import Final, Protocol

MAX_KEY: Final = 256
"""Characters of a key."""


class StorageFull(Exception):
    """A plugin keeps more than it may. The message says how much that is."""


class PluginStorage(Protocol):
    """Values by key, each plugin's and each app's apart. The contract is ``tests/contract/test_plugin_storage.py``."""

    async def get(self, app_id: str, plugin: str, key: str) -> bytes | None:
        """A value; ``None`` if there is none.

        Raises:
            StoreUnavailable: It cannot be read.
        """
        ...

    async def set(self, app_id: str, plugin: str, key: str, value: bytes, *, most: int) -> None:
        """Keep a value. Durable when it returns.

        Args:
            most: Bytes that all values and keys of the plugin may have, of all apps.

        Raises:
            StorageFull: They would have more; nothing was kept.
            StoreUnavailable: It cannot be written.
        """
        ...

    async def delete(self, app_id: str, plugin: str, key: str) -> bool:
        """Remove a value, and say whether there was one.

        Raises:
            StoreUnavailable: It cannot be written.
        """
        ...

    async def close(self) -> None:
        """Release what it holds. May be called twice."""
        ...
