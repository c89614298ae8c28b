"""DSL files on disk."""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from jikko.dsl.load import LoadLimits
from jikko.errors import InvalidSettings

TEST_ENDINGS: Final = (".test.yml", ".test.yaml")
"""Suffixes of test files (`jikko test`), which lie beside workflows."""
_ENDINGS: Final = (".yml", ".yaml")


def dsl_files(paths: Iterable[Path]) -> list[Path]:
    """Return the DSL files, with folders expanded, without test files. Raises ``InvalidSettings``: a folder has none,
    or cannot be read."""
    found: list[Path] = []
    for path in paths:
        try:
            # A shell pattern matches test files as well.
            below = dsl_files_below(path) if path.is_dir() else [path] * (not is_test_file(path))
        except OSError as error:
            raise InvalidSettings(f"{error.filename} cannot be read: {error.strerror}.") from None
        if not below and path.is_dir():
            raise InvalidSettings(f"{path} is a folder without *.yml or *.yaml files.")
        found += below
    return found


def dsl_files_below(folder: Path) -> list[Path]:
    """Return the ``*.yml`` and ``*.yaml`` files below a folder, sorted, without hidden files and test files.

    Links to folders are followed; each folder is searched once. Raises ``OSError`` if a folder cannot be read.
    """
    files = (path for path in _files_below(folder) if path.name.lower().endswith(_ENDINGS))
    return [path for path in files if not is_test_file(path)]


def test_files_below(folder: Path) -> list[Path]:
    """Return the test files below a folder, found as by ``dsl_files_below``. Raises ``OSError``: unreadable."""
    return list(filter(is_test_file, _files_below(folder)))


def is_test_file(path: Path) -> bool:
    return path.name.lower().endswith(TEST_ENDINGS)


def links_to_nothing(folder: Path) -> list[Path]:
    """Return the dangling links below a folder: they may have pointed to folders."""
    return [path for path in _files_below(folder) if path.is_symlink() and not path.exists()]


def _files_below(folder: Path) -> list[Path]:
    found: list[str] = []
    seen = {os.path.realpath(folder)}
    for above, folders, files in os.walk(folder, onerror=_raise, followlinks=True):
        shown = (name for name in sorted(folders, reverse=True) if not name.startswith("."))
        places = {os.path.realpath(os.path.join(above, name)): name for name in shown}
        folders[:] = [name for place, name in places.items() if place not in seen]
        seen |= places.keys()
        found += [os.path.join(above, name) for name in files if not name.startswith(".")]
    return list(map(Path, sorted(found)))


def _raise(error: OSError) -> None:
    raise error


def read_dsl_file(file: Path) -> bytes:
    """Read a file up to one byte more than allowed: one too large is not read whole. Raises ``OSError``."""
    with file.open("rb") as opened:
        return opened.read(LoadLimits().max_bytes + 1)


def readable(files: Iterable[Path]) -> Iterator[tuple[str, str, bytes]]:
    """Yield the readable files: name for messages, name without suffix, and text."""
    for file in files:
        with suppress(OSError):
            yield str(file), file.stem, read_dsl_file(file)
