"""The mark in a data folder about its record, while that is moved to a database elsewhere."""

from pathlib import Path
from typing import Final

from jikko.errors import InvalidSettings
from jikko.private import make_whole_file

_NAME: Final = "move.json"


class MoveMark:
    """A file that is there from before the copy until all is done: what is copied must not change before it is known
    whether it has arrived, so a folder that has it is not served. Everything here blocks.
    """

    def __init__(self, home: Path) -> None:
        self._path = home / _NAME

    def read(self) -> str:
        """By what the database knows the copy; empty: none is under way."""
        return self._path.read_text(encoding="ascii") if self._path.exists() else ""

    def make(self, mark: str) -> None:
        """Raises ``OSError``: it cannot be written."""
        make_whole_file(self._path, mark.encode())

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)

    def require_none(self) -> None:
        """Raises ``InvalidSettings``: a move was broken off."""
        if self._path.exists():
            raise InvalidSettings(
                f"`jikko move` of {self._path.parent} was broken off. Call it again, with the same database; or remove "
                f"{self._path} to go on with what is here, and drop that database."
            )
