"""The keys of links to files: the newest signs, and older ones are accepted until they are removed."""

import os
import secrets
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from jikko.errors import InvalidSettings
from jikko.private import make_folder, make_whole_file

_KEY_BYTES: Final = 32


class SigningKeys:
    """The keys of an installation, as they are now."""

    def __init__(self, newest: bytes, *older: bytes) -> None:
        self.newest = newest
        self.older: tuple[bytes, ...] = older

    def become(self, other: "SigningKeys") -> None:
        """Be what others are: who has these keys has those from now on."""
        self.newest, self.older = other.newest, other.older


class KeyFiles:
    """``signing.key``, which signs, and beside it ``signing.key.<time>`` for each that is only accepted. Blocks."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load_or_create(self) -> SigningKeys:
        """The keys: the first is made on the first call, and read by no one but the owner of the file.
        Raises ``InvalidSettings``: a file cannot be read or written, or does not hold a key."""
        try:
            make_folder(self._path.parent)
            try:
                newest = self._path.read_bytes()
            except FileNotFoundError:
                newest = make_whole_file(self._path, secrets.token_bytes(_KEY_BYTES))
            older = [path.read_bytes() for path in self.older()]
        except OSError as error:
            raise InvalidSettings(
                f"The key for file urls cannot be read or made: {error.strerror}. Check the rights of the data folder."
            ) from error
        for path, key in zip((self._path, *self.older()), (newest, *older), strict=False):
            if len(key) != _KEY_BYTES:
                raise InvalidSettings(
                    f"{path.name} in the data folder does not hold a key of {_KEY_BYTES} bytes. "
                    "Remove it: a new one is made, and file urls given out before become invalid."
                )
        return SigningKeys(newest, *older)

    def existing(self) -> list[bytes]:
        """The keys that there are, the newest first. None is made.
        Raises ``InvalidSettings``: see ``load_or_create``."""
        if not self._path.exists():
            return []
        keys = self.load_or_create()
        return [keys.newest, *keys.older]

    def older(self) -> list[Path]:
        """The files of keys that are only accepted, the oldest first."""
        found = self._path.parent.glob(f"{self._path.name}.*")
        return sorted(path for path in found if path.suffix.removeprefix(".").isdecimal())

    def add(self) -> Path:
        """Make a key that is accepted, and signs nothing yet. Returns its file.
        Raises ``OSError``: it cannot be written."""
        # Two from one to the next: `make_newest` needs the one between.
        number = max(int(time.time()), *(int(path.suffix[1:]) + 2 for path in self.older()), 0)
        path = self._path.with_name(f"{self._path.name}.{number}")
        make_whole_file(path, secrets.token_bytes(_KEY_BYTES))
        return path

    def make_newest(self, path: Path) -> None:
        """Have a key sign from now on; the one that did is accepted.
        Raises ``OSError``: it cannot be written. Then the other one goes on to sign."""
        # Three steps, each of which leaves all keys there: two names of one key do no harm.
        former = self._path.with_name(f"{self._path.name}.{int(path.suffix[1:]) + 1}")
        with suppress(FileNotFoundError):
            os.link(self._path, former)
        part = self._path.with_name(f"{self._path.name}.part")
        part.unlink(missing_ok=True)
        os.link(path, part)
        os.replace(part, self._path)
        path.unlink()

    def remove_older(self) -> int:
        """Accept nothing but the newest key. Returns how many were removed.
        Raises ``OSError``: one cannot be removed."""
        older = self.older()
        for path in older:
            path.unlink(missing_ok=True)
        return len(older)
