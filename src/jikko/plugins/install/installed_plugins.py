"""The folder of installed plugins, and the list of them, which is always whole: it is replaced in one step."""

import fcntl
import os
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
"""What the folders of installations under way begin with."""
_FIRST_UID: Final = 64_000
"""Users of plugins where the server is root: above those of people, below those of systemd's services."""
_LAST_UID: Final = 64_999


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    plugin: Plugin
    environment: str
    """The name of its virtual environment."""
    installed_at: float
    """Seconds since the Unix epoch."""
    uid: int
    """The user that it runs as where the server is root; all versions of a plugin have the same."""

    @property
    def folder(self) -> str:
        plugin = self.plugin
        return f"{plugin.author}-{plugin.name}/{plugin.version}-{plugin.checksum[:12]}"


class _List(msgspec.Struct, kw_only=True):
    format: int = 1
    plugins: list[Entry] = []


class InstalledPlugins:
    """What is installed below one folder. Another process may change it: it is read again when it has changed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environments = root / "environments"
        self.cache = root / "cache"
        """The folder of packages that environments are made of."""
        self._read: tuple[tuple[int, int, int], tuple[Entry, ...]] | None = None

    def code(self, entry: Entry) -> Path:
        return self.root / "code" / entry.folder

    def environment(self, entry: Entry) -> Path:
        return self.environments / entry.environment

    def state(self, entry: Entry) -> Path:
        """The folder that it may write; all its versions share it."""
        return self.root / "state" / f"{entry.plugin.author}-{entry.plugin.name}"

    def entries(self) -> tuple[Entry, ...]:
        """All plugins, the newest installation last. Raises ``InvalidSettings``: the list cannot be read."""
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
        """A plugin: the very one if its checksum is known here, else the same version, else the newest of that name."""
        named = [entry for entry in self.entries() if entry.plugin.id == wanted.plugin]
        very = [entry for entry in named if wanted.checksum and entry.plugin.checksum == wanted.checksum]
        same = [entry for entry in named if entry.plugin.version == wanted.version]
        found = very or same or named
        return found[-1] if found else None

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Keep other processes from changing what is installed. Raises ``InvalidSettings``: no usable folder."""
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
        """List a plugin, whose files are there already. One of the same identifier makes room."""
        kept = [other for other in self.entries() if other.plugin.identifier != entry.plugin.identifier]
        self._write([*kept, entry])

    def remove(self, plugin_id: str, version: str = "") -> tuple[Entry, ...]:
        """Take a plugin, or one version, from the list; its processes go on. Returns what was removed."""
        gone = tuple(
            entry
            for entry in self.entries()
            if entry.plugin.id == plugin_id and (not version or entry.plugin.version == version)
        )
        if gone:
            self._write([entry for entry in self.entries() if entry not in gone])
        return gone

    def uids_for(self, plugin_ids: Iterable[str]) -> list[int]:
        """A user for each plugin: that of its other versions, else a free one. Raises ``InvalidSettings``: too many."""
        uids = {entry.plugin.id: entry.uid for entry in self.entries()}
        found = []
        for plugin_id in plugin_ids:
            if plugin_id not in uids:
                taken = set(uids.values())
                free = next((uid for uid in range(_FIRST_UID, _LAST_UID + 1) if uid not in taken), None)
                if free is None:
                    raise InvalidSettings(f"There are {len(taken)} plugins; no user is left for another one.")
                uids[plugin_id] = free
            found.append(uids[plugin_id])
        return found

    def sweep(self) -> None:
        """Remove what no plugin of the list has: code, environments and state. Only within ``changing``."""
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
    """Remove what may be removed; the rest goes the next time."""
    with suppress(OSError):
        remove(path)
