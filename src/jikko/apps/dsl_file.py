"""Reading DSL files from a disk."""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from jikko.dsl.load import LoadLimits
from jikko.errors import InvalidSettings

TEST_ENDINGS: Final = (".test.yml", ".test.yaml")
"""Of files of `jikko test`, which stand beside workflows."""
_ENDINGS: Final = (".yml", ".yaml")


def dsl_files(paths: Iterable[Path]) -> list[Path]:
    """The files, with those that a folder stands for in its place; without test files.
    Raises ``InvalidSettings``: a folder has none, or one cannot be read."""
    found: list[Path] = []
    for path in paths:
        try:
            # A pattern of the shell names test files as well.
            below = dsl_files_below(path) if path.is_dir() else [path] * (not is_test_file(path))
        except OSError as error:
            raise InvalidSettings(f"{error.filename} cannot be read: {error.strerror}.") from None
        if not below and path.is_dir():
            raise InvalidSettings(f"{path} is a folder without *.yml or *.yaml files.")
        found += below
    return found


def dsl_files_below(folder: Path) -> list[Path]:
    """The ``*.yml`` and ``*.yaml`` files in a folder and the folders below, sorted; hidden files and test files are
    passed over.

    Links to folders are followed; a folder is searched once, whatever leads to it.
    Raises ``OSError``: a folder cannot be read."""
    files = (path for path in _files_below(folder) if path.name.lower().endswith(_ENDINGS))
    return [path for path in files if not is_test_file(path)]


def test_files_below(folder: Path) -> list[Path]:
    """The test files in a folder and the folders below, as ``dsl_files_below`` finds workflows.
    Raises ``OSError``: a folder cannot be read."""
    return list(filter(is_test_file, _files_below(folder)))


def is_test_file(path: Path) -> bool:
    """Whether a file is a test file by its name."""
    return path.name.lower().endswith(TEST_ENDINGS)


def links_to_nothing(folder: Path) -> list[Path]:
    """The links in a folder and the folders below whose target is missing: folders may have stood there."""
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
    """The text of a file, cut off behind one byte more than allowed: a file that is too large is not read whole.
    Raises ``OSError``: it cannot be read."""
    with file.open("rb") as opened:
        return opened.read(LoadLimits().max_bytes + 1)


def readable(files: Iterable[Path]) -> Iterator[tuple[str, str, bytes]]:
    """The files that can be read: what each is called in messages, its name without the ending, and its text."""
    for file in files:
        with suppress(OSError):
            yield str(file), file.stem, read_dsl_file(file)
