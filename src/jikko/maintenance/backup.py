"""Making a backup: all that a data folder has, as it is at one moment, into a folder that can be served as it is."""

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
    """Makes and recognises copies. Everything here blocks."""

    def folder_id(self, database: Path) -> str:
        """What the data folder of a database is known by, in all its copies; empty if an earlier version made it.
        Raises ``StoreUnavailable``: it cannot be read."""

    def folder_id_of_copy(self, copy: Path) -> str:
        """The same of a database that may be anything, and is not written to; empty if it does not say."""

    def copy(self, targets: Mapping[Path, Path]) -> None:
        """Copy databases as they are at one moment, which is the same for all of them. ``targets``: where each goes. No
        target is touched before all copies are whole and checked.

        Raises:
            StoreUnavailable: A database is damaged, or is written to without a moment's rest.
            OSError: A target cannot be written.
        """


SIGNING_KEY: Final = "signing.key"
"""The key of links to files; what has a number behind it is only accepted."""
_FIRST_NUMBER: Final = 1_000_000_000
"""So that the files of older keys are in order."""


class KeptElsewhere(NamedTuple):
    """What a database says that a backup needs."""

    owner: str
    """What it belongs to: a data folder, or several servers."""
    keys: Sequence[bytes]
    """Of links to files, the newest first; empty: they are in the data folder."""


class RecordElsewhere(Struct, frozen=True):
    """A database that is copied by what is made for it."""

    address: str
    """Without user and password."""
    command: str
    """What copies it, to be given to a shell; no password is in it."""
    read: Callable[[], KeptElsewhere]
    """Ask the database. Blocks. Raises ``StoreUnavailable``, ``InvalidSettings``."""


def write_keys(folder: Path, keys: Sequence[bytes]) -> None:
    """Put keys of links into a folder, as a data folder has them: closed to others. ``keys``: the newest first. Raises
    ``OSError``: they cannot be written."""
    for path in folder.glob(f"{SIGNING_KEY}*"):
        remove(path)
    make_whole_file(folder / SIGNING_KEY, keys[0])
    for number, key in enumerate(reversed(keys[1:]), _FIRST_NUMBER):
        make_whole_file(folder / f"{SIGNING_KEY}.{number}", key)


CONTENTS: Final = "files"
"""The folder of the contents of files."""
_INSTALLED: Final = ("plugins", "packages")
"""Folders of what is installed; a file in each, ``.lock``, is held by who changes it."""
_KEYS: Final = "keys"
_STORAGE: Final = "storage.db"
_EXCLUDED_FILES: Final = (".lock", "cache", _STORAGE, f"{_STORAGE}-journal")
"""In these: the lock, what can be made again, and the database, which is copied with the others."""
_SMALL: Final = ("jikko.toml", "folder.id")
"""The last one is what a database elsewhere knows the data folder by."""
_DATABASES: Final = ("jikko.db", "knowledge.db", f"plugins/{_STORAGE}")
"""The first one says of which data folder it is."""


class Made(Struct, frozen=True):
    """What a backup came to."""

    folder: Path
    database_bytes: int
    """Of the database of apps and runs; 0 if that is elsewhere."""
    new_files: int
    """Contents of files that the folder did not have."""


class Backups(Struct, frozen=True, kw_only=True):
    """Makes backups of one data folder."""

    home: Path
    databases: DatabaseCopies
    own_contents: Contents | None
    """The contents of files that belong to the data folder, wherever they are; ``None``: they are left out."""
    contents: Callable[[Path], FolderContents]
    """Those in a folder."""
    more: Sequence[Path]
    """Files that are named by settings."""
    version: str
    """Of Jikko."""
    bucket: str = ""
    """Where contents of files are, if not in the data folder."""
    record_elsewhere: RecordElsewhere | None = None
    """Where apps and runs are, if not in the data folder: that database is not copied."""
    clock: Clock = time.time

    @property
    def database(self) -> Path:
        return self.home / _DATABASES[0]

    @property
    def elsewhere(self) -> list[str]:
        """What settings name and that is not in the data folder, nor in a backup."""
        return [str(path) for path in self.more if self.home not in path.parents]

    def read_owner(self) -> KeptElsewhere:
        """What the data folder is known by, in all copies; an empty name if an earlier version made it. Blocks.

        Raises:
            StoreUnavailable: There is no database, or it cannot be read.
            InvalidSettings: A database elsewhere cannot be used.
        """
        if self.record_elsewhere is not None:
            return self.record_elsewhere.read()
        if not self.database.exists():
            raise StoreUnavailable(f"there is no database {self.database}")
        return KeptElsewhere(self.databases.folder_id(self.database), ())

    def make(self, folder: Path, *, earlier: Path | None = None) -> Made:
        """Make a backup, or bring an earlier one up to date. Blocks. ``earlier``: a finished backup: contents of files
        that it has, and what is installed, take no place twice.

        Raises:
            NotABackup: The folder holds something else, or lies in what is copied; nothing was written.
            StoreUnavailable: The data folder has no database, or a damaged one; what the folder held stays.
            InvalidSettings, OSError: The folder is being served, or cannot be written.
        """
        require_apart(folder, self.home, (CONTENTS, _KEYS, *_INSTALLED))
        owner = self.read_owner()
        require_free(folder, owner.owner, self.databases.folder_id_of_copy)
        # What is being replaced must not be served.
        with sole_owner(folder, doing="jikko backup"):
            require_free(folder, owner.owner, self.databases.folder_id_of_copy)
            return self._make(folder, owner, earlier)

    def _make(self, folder: Path, owner: KeptElsewhere, earlier: Path | None) -> Made:
        source_id = owner.owner
        keep_private(folder)
        before = read_manifest(folder)
        if before is None and source_id:
            mark(folder, source_id)
        # Once before the databases, since the server may remove files at any time, and once behind them, for those
        # that came meanwhile: so every file that a copied database knows is there.
        new = self._copy_contents(folder, earlier)
        # With a record elsewhere, databases in the data folder are those of before.
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
        """From here on what was there is no longer whole, unless nothing comes of it."""
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
        """Keys, and files of settings: closed to others in the copy, whatever they are here."""
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
