"""The DSL files that a command is given: files, folders, and ``-`` for standard input."""

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jikko.apps.dsl_file import read_dsl_file
from jikko.dsl.load import LoadLimits

_ENDINGS: Final = (".yml", ".yaml")


@dataclass(frozen=True, slots=True)
class DslSource:
    """One file."""

    name: str
    """As messages call it: the path as it was given."""
    text: bytes = b""
    error: str = ""
    """Why it cannot be read; ``""`` if it was."""


def dsl_sources(paths: Iterable[str]) -> Iterator[DslSource]:
    """The files, read one after the other.

    A folder stands for the ``*.yml`` and ``*.yaml`` files in it and in the folders below, sorted; those whose name
    begins with a dot are passed over.
    """
    for path in paths:
        if path == "-":
            yield _read_standard_input()
        elif os.path.isdir(path):
            found = sorted(_below(path))
            yield from map(_read, found)
            if not found:
                yield DslSource(path, error="is a folder without *.yml or *.yaml files")
        else:
            yield _read(path)


def _below(folder: str) -> Iterator[str]:
    for above, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if name.lower().endswith(_ENDINGS) and not name.startswith("."):
                yield os.path.join(above, name)


def _read(path: str) -> DslSource:
    try:
        return DslSource(path, read_dsl_file(Path(path)))
    except OSError as error:
        return DslSource(path, error=f"cannot be read: {error.strerror}")


def _read_standard_input() -> DslSource:

    return DslSource("-", sys.stdin.buffer.read(LoadLimits().max_bytes + 1))
