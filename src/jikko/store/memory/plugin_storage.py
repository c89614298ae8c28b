"""What plugins keep, in memory."""

from jikko.ports.stores.plugin_storage import StorageFull


class MemoryPluginStorage:
    """A ``PluginStorage`` that is gone with the process."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str, str], bytes] = {}

    async def get(self, app_id: str, plugin: str, key: str) -> bytes | None:
        """See ``PluginStorage.get``."""
        return self._values.get((plugin, app_id, key))

    async def set(self, app_id: str, plugin: str, key: str, value: bytes, *, most: int) -> None:
        """See ``PluginStorage.set``."""
        changed = self._values | {(plugin, app_id, key): value}
        used = sum(len(name[2].encode()) + len(kept) for name, kept in changed.items() if name[0] == plugin)
        if used > most:
            raise StorageFull(f"The plugin {plugin} may keep {most} bytes; this would be {used}.")
        self._values = changed

    async def delete(self, app_id: str, plugin: str, key: str) -> bool:
        """See ``PluginStorage.delete``."""
        return self._values.pop((plugin, app_id, key), None) is not None

    async def close(self) -> None:
        """See ``PluginStorage.close``."""
