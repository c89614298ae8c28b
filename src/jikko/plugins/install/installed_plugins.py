"""Folder and list of installed plugins. The list is replaced atomically."""

import fcntl
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

from jikko.errors import InvalidSettings
from jikko.plugins.package.declaration import Plugin
from jikko.plugins.package.package_names import Identifier
from jikko.private import make_folder, opener, remove

LIST: Final = "installed.json"
UNFINISHED: Final = "new-"
"""Prefix of folders of unfinished installations."""
_UIDS: Final = frozenset(range(64_000, 65_000))
"""Uids for plugins of a root server: above the uids of people, below those of systemd's dynamic users."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    plugin: Plugin
    environment: str
    """Name of its virtual environment."""
    installed_at: float
    """Seconds since the Unix epoch."""
    uid: int
    """Uid for its processes if the server is root, shared by all versions of the plugin."""

    @property
    def folder(self) -> str:
        plugin = self.plugin
        return f"{plugin.author}-{plugin.name}/{plugin.version}-{plugin.checksum[:12]}"


class _List(msgspec.Struct, kw_only=True):
    format: int = 1
    plugins: list[Entry] = []


class InstalledPlugins:
    """Installed plugins below one folder. Other processes may change the list; it is re-read after a change."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environments = root / "environments"
        self.cache = root / "cache"
        """Package cache that environments link to."""
        self._read: tuple[tuple[int, int, int], tuple[Entry, ...]] | None = None

    def code(self, entry: Entry) -> Path:
        return self.root / "code" / entry.folder

    def environment(self, entry: Entry) -> Path:
        return self.environments / entry.environment

    def state(self, entry: Entry) -> Path:
        """The plugin's writable folder, shared by its versions."""
        return self.root / "state" / f"{entry.plugin.author}-{entry.plugin.name}"

    def entries(self) -> tuple[Entry, ...]:
        """All plugins, oldest installation first. Raises ``InvalidSettings`` if the list cannot be read."""
        path = self.root / LIST
        try:
            found = path.stat()
            version = (found.st_mtime_ns, found.st_ino, found.st_size)
            if self._read is None or self._read[0] != version:
                self._read = (version, tuple(msgspec.json.decode(path.read_bytes(), type=_List).plugins))
        except FileNotFoundError:
            return ()
        except (OSError, msgspec.DecodeError) as error:
            raise InvalidSettings(f"The list of plugins {path} cannot be read: {error}.") from None
        return self._read[1]

    def find(self, wanted: Identifier) -> Entry | None:
        """Find a plugin: by checksum, else by version, else the newest of that name."""
        named = [entry for entry in self.entries() if entry.plugin.id == wanted.plugin]
        very = [entry for entry in named if wanted.checksum and entry.plugin.checksum == wanted.checksum]
        same = [entry for entry in named if entry.plugin.version == wanted.version]
        found = very or same or named
        return found[-1] if found else None

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Lock the folder against other processes. Raises ``InvalidSettings`` if the folder is unusable."""
        try:
            make_folder(self.root)
            descriptor = os.open(self.root / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise InvalidSettings(f"The folder of plugins {self.root} cannot be used: {error.strerror}.") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def add(self, entry: Entry) -> None:
        """List a plugin whose files are in place, replacing one with the same identifier."""
        kept = [other for other in self.entries() if other.plugin.identifier != entry.plugin.identifier]
        self._write([*kept, entry])

    def remove(self, plugin_id: str, version: str = "") -> tuple[Entry, ...]:
        """Remove a plugin, or one version of it, from the list. Its processes go on. Returns the removed entries."""
        gone = tuple(
            entry
            for entry in self.entries()
            if entry.plugin.id == plugin_id and (not version or entry.plugin.version == version)
        )
        if gone:
            self._write([entry for entry in self.entries() if entry not in gone])
        return gone

    def uids_for(self, plugin_ids: Iterable[str]) -> list[int]:
        """Assign a uid to each plugin: that of its other versions, or a free one. Raises ``InvalidSettings`` if none is
        free.

        Drawn by lot: plugins of other data folders on this machine must not have the same one, whose processes the
        kernel counts and bounds together.
        """
        uids = {entry.plugin.id: entry.uid for entry in self.entries()}
        found = []
        for plugin_id in plugin_ids:
            if plugin_id not in uids:
                free = sorted(_UIDS.difference(uids.values()))
                if not free:
                    raise InvalidSettings(f"There are {len(_UIDS)} plugins; no user id is left for another one.")
                uids[plugin_id] = secrets.choice(free)
            found.append(uids[plugin_id])
        return found

    def sweep(self) -> None:
        """Delete code, environments and state that no listed plugin uses. Call it within ``changing``."""
        entries = self.entries()
        for unfinished in self.root.glob(f"{UNFINISHED}*"):
            _remove(unfinished)
        _keep(self.environments, {entry.environment for entry in entries})
        _keep(self.root / "state", {self.state(entry).name for entry in entries})
        code = self.root / "code"
        _keep(code, {Path(entry.folder).parts[0] for entry in entries})
        for folder in code.iterdir() if code.is_dir() else ():
            parts = [Path(entry.folder).parts for entry in entries]
            _keep(folder, {version for name, version in parts if name == folder.name})

    def _write(self, entries: list[Entry]) -> None:
        path, new = self.root / LIST, self.root / f"{LIST}.new"
        with open(new, "wb", opener=opener) as file:
            file.write(msgspec.json.format(msgspec.json.encode(_List(plugins=entries)), indent=1))
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
        self._read = None


def _keep(folder: Path, names: set[str]) -> None:
    for found in folder.iterdir() if folder.is_dir() else ():
        if found.name not in names:
            _remove(found)


def _remove(path: Path) -> None:
    """Delete what can be deleted; the next sweep takes the rest."""
    with suppress(OSError):
        remove(path)
