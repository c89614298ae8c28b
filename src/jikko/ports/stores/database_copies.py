"""Copying the databases of a data folder while they are used."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol


class DatabaseCopies(Protocol):
    """Makes and recognises copies. Everything here blocks."""

    def folder_id(self, database: Path) -> str:
        """What the data folder of a database is known by, in all its copies; empty if an earlier version made it.
        Raises ``StoreUnavailable``: it cannot be read."""

    def folder_id_of_copy(self, copy: Path) -> str:
        """The same of a database that may be anything, and is not written to; empty if it does not say."""

    def copy(self, targets: Mapping[Path, Path]) -> None:
        """Copy databases as they are at one moment, which is the same for all of them.

        Args:
            targets: Where each goes. No target is touched before all copies are whole and checked.

        Raises:
            StoreUnavailable: A database is damaged, or is written to without a moment's rest.
            OSError: A target cannot be written.
        """
