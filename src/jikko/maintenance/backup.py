"""Backups: a consistent copy of a data folder, into a folder that can be served as it is."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from msgspec import Struct

from jikko.cluster.data_folder import keep_private
from jikko.cluster.data_folder_lock import sole_owner
from jikko.errors import StoreUnavailable
from jikko.maintenance.backup_manifest import (
    Manifest,
    digests,
    links,
    mark,
    read_manifest,
    require_apart,
    require_free,
    write_manifest,
)
from jikko.maintenance.folder_copy import copy_file, copy_folder, held
from jikko.ports.clock import Clock
from jikko.ports.stores.object_store import Contents, FolderContents
from jikko.private import make_folder, make_whole_file, remove, tighten, tighten_tree


class DatabaseCopies(Protocol):
    """Copies databases, and identifies copies. All methods block."""

    def folder_id(self, database: Path) -> str:
        """Return the id of a database's data folder, shared by all its copies; empty if an earlier version created it.
        Raises ``StoreUnavailable`` if it cannot be read."""

    def folder_id_of_copy(self, copy: Path) -> str:
        """Return that id from a possible copy, without writing to it; empty if it has none."""

    def copy(self, targets: Mapping[Path, Path]) -> None:
        """Copy databases as of one common moment. ``targets``: Destination of each; none is touched before all copies
        are complete and checked.

        Raises:
            StoreUnavailable: A database is damaged, or written to without pause.
            OSError: A target cannot be written.
        """


SIGNING_KEY: Final = "signing.key"
"""Signing key of links to files; those with a numeric suffix are only accepted."""
_FIRST_NUMBER: Final = 1_000_000_000
"""Keeps the files of older keys in order."""


class KeptElsewhere(NamedTuple):
    """Backup-relevant content of an external database."""

    owner: str
    """Id of its owner: a data folder, or several servers."""
    keys: Sequence[bytes]
    """Signing keys of links to files, newest first; empty if they are in the data folder."""


class RecordElsewhere(Struct, frozen=True):
    """External database, which is backed up by its own tools."""

    address: str
    """Without user and password."""
    command: str
    """Shell command that copies it, without the password."""
    read: Callable[[], KeptElsewhere]
    """Queries the database. Blocks. Raises ``StoreUnavailable``, ``InvalidSettings``."""


def write_keys(folder: Path, keys: Sequence[bytes]) -> None:
    """Write signing keys into a folder, in the layout of a data folder, readable by the owner only. ``keys``: Newest
    first. Raises ``OSError`` if they cannot be written."""
    for path in folder.glob(f"{SIGNING_KEY}*"):
        remove(path)
    make_whole_file(folder / SIGNING_KEY, keys[0])
    for number, key in enumerate(reversed(keys[1:]), _FIRST_NUMBER):
        make_whole_file(folder / f"{SIGNING_KEY}.{number}", key)


CONTENTS: Final = "files"
"""Folder of file contents."""
_INSTALLED: Final = ("plugins", "packages")
"""Folders of installed packages; whoever changes one holds its file ``.lock``."""
_KEYS: Final = "keys"
_STORAGE: Final = "storage.db"
_EXCLUDED_FILES: Final = (".lock", "cache", _STORAGE, f"{_STORAGE}-journal")
"""Exceptions in these: the lock, caches, and the database, which is copied with the others."""
_SMALL: Final = ("jikko.toml", "folder.id")
"""The last one has the folder's id in an external database."""
_DATABASES: Final = ("jikko.db", "knowledge.db", f"plugins/{_STORAGE}")
"""The first one identifies the data folder."""


class Made(Struct, frozen=True):
    """Result of a backup."""

    folder: Path
    database_bytes: int
    """Size of the database of apps and runs; 0 if external."""
    new_files: int
    """Number of file contents that the folder did not have."""


class Backups(Struct, frozen=True, kw_only=True):
    """Makes backups of one data folder."""

    home: Path
    databases: DatabaseCopies
    own_contents: Contents | None
    """Contents of the data folder's files, wherever stored; ``None``: not copied."""
    contents: Callable[[Path], FolderContents]
    """Opens the contents in a folder."""
    more: Sequence[Path]
    """Files named by settings."""
    version: str
    """Of Jikko."""
    bucket: str = ""
    """Bucket of file contents, if they are not in the data folder."""
    record_elsewhere: RecordElsewhere | None = None
    """Database of apps and runs, if external: it is not copied."""
    clock: Clock = time.time

    @property
    def database(self) -> Path:
        return self.home / _DATABASES[0]

    @property
    def elsewhere(self) -> list[str]:
        """Return what settings name outside of the data folder and of backups."""
        return [str(path) for path in self.more if self.home not in path.parents]

    def read_owner(self) -> KeptElsewhere:
        """Return the data folder's id, shared by all copies; empty if an earlier version created it. Blocks.

        Raises:
            StoreUnavailable: No database, or it cannot be read.
            InvalidSettings: An external database is unusable.
        """
        if self.record_elsewhere is not None:
            return self.record_elsewhere.read()
        if not self.database.exists():
            raise StoreUnavailable(f"no database {self.database}")
        return KeptElsewhere(self.databases.folder_id(self.database), ())

    def make(self, folder: Path, *, earlier: Path | None = None) -> Made:
        """Make a backup, or update an earlier one. Blocks. ``earlier``: A finished backup, whose file contents and
        packages are shared by hard links.

        Raises:
            NotABackup: The folder holds something else, or lies within the source; nothing was written.
            StoreUnavailable: The data folder has no database, or a damaged one; the folder's content stays.
            InvalidSettings, OSError: The folder is being served, or cannot be written.
        """
        require_apart(folder, self.home, (CONTENTS, _KEYS, *_INSTALLED))
        owner = self.read_owner()
        require_free(folder, owner.owner, self.databases.folder_id_of_copy)
        make_folder(folder)  # a failure would otherwise name it as a data folder
        # A folder being replaced must not be served.
        with sole_owner(folder, doing="jikko backup"):
            require_free(folder, owner.owner, self.databases.folder_id_of_copy)
            return self._make(folder, owner, earlier)

    def _make(self, folder: Path, owner: KeptElsewhere, earlier: Path | None) -> Made:
        source_id = owner.owner
        keep_private(folder)
        before = read_manifest(folder)
        if before is None and source_id:
            mark(folder, source_id)
        # Before the databases, since the server may delete files at any time, and after them, for new ones: so the
        # backup has every file that a copied database refers to.
        new = self._copy_contents(folder, earlier)
        # With an external record, databases in the data folder are leftovers.
        own = _DATABASES if self.record_elsewhere is None else ()
        databases = {self.home / name: folder / name for name in own if (self.home / name).exists()}
        for copy in databases.values():
            make_folder(copy.parent)
        self._copy_databases(folder, databases, before)
        new += self._copy_contents(folder, earlier)
        self._copy_small(folder)
        if owner.keys:
            write_keys(folder, owner.keys)
        self._copy_installed(folder, earlier)
        if source_id:
            write_manifest(folder, self._manifest(folder, source_id))
        return Made(folder, (folder / _DATABASES[0]).stat().st_size if databases else 0, new)

    def _copy_contents(self, folder: Path, earlier: Path | None) -> int:
        if self.own_contents is None:
            return 0
        return self.contents(folder / CONTENTS).add(self.own_contents, earlier=earlier and earlier / CONTENTS)

    def _copy_databases(self, folder: Path, databases: dict[Path, Path], before: Manifest | None) -> None:
        """From here on the earlier backup is incomplete, unless nothing is replaced."""
        if before is not None:
            mark(folder, before.backup_of)
        try:
            self.databases.copy(databases)
        except (StoreUnavailable, OSError):
            if before is not None:
                write_manifest(folder, before)
            raise
        for name in _DATABASES:
            if self.home / name not in databases:
                (folder / name).unlink(missing_ok=True)

    def _copy_small(self, folder: Path) -> None:
        """Copy keys and settings files, readable by the owner only in the copy."""
        files = [path for path in self.more if self.home in path.parents]
        small = [self.home / name for name in _SMALL]
        for path in [*self.home.glob(f"{SIGNING_KEY}*"), *small, *files]:
            copy = folder / path.relative_to(self.home)
            if path.is_file() and path.suffix != ".part":
                make_folder(copy.parent)
                copy_file(path, copy)
                tighten(copy)
        if (self.home / _KEYS).is_dir():
            copy_folder(self.home / _KEYS, folder / _KEYS)
            tighten_tree(folder / _KEYS)

    def _copy_installed(self, folder: Path, earlier: Path | None) -> None:
        for name in _INSTALLED:
            source, target = self.home / name, folder / name
            if source.is_dir():
                left_out = [each / entry for each in (source, target) for entry in _EXCLUDED_FILES]
                before = None if earlier is None else earlier / name
                with held(source):
                    copy_folder(source, target, left_out=left_out, earlier=before)
            elif target.is_dir():
                remove(target)

    def _manifest(self, folder: Path, source_id: str) -> Manifest:
        return Manifest(
            backup_of=source_id,
            at=self.clock(),
            version=self.version,
            files=digests(folder, contents=CONTENTS),
            links=links(folder, contents=CONTENTS),
            contents=sum(1 for _ in self.contents(folder / CONTENTS).digests()),
            record=self.record_elsewhere.address if self.record_elsewhere else "",
            bucket=self.bucket,
        )
