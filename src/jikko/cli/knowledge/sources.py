"""The files that become documents of a dataset."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import click

from jikko.knowledge.readable import EXTENSIONS, is_readable


class LocalSource(NamedTuple):
    """A file, and the name of its document."""

    path: Path
    name: str


def files_below(paths: Sequence[Path]) -> tuple[list[LocalSource], list[Path]]:
    """The files of some paths, and those in folders that cannot be documents.

    A file in a folder is named by its path in it; hidden ones are left out.

    Raises:
        click.UsageError: A file that is named by itself cannot be a document, or two have one name.
    """

    found: list[LocalSource] = []
    passed: list[Path] = []
    for path in paths:
        if path.is_dir():
            for file in _below(path):
                if is_readable(file.name):
                    found.append(LocalSource(file, file.relative_to(path).as_posix()))
                else:
                    passed.append(file)
        elif is_readable(path.name):
            found.append(LocalSource(path, path.name))
        else:
            raise click.UsageError(f"{path} cannot be a document. Files can be: {', '.join(sorted(EXTENSIONS))}.")
    names: dict[str, Path] = {}
    for each in found:
        if each.name in names:
            raise click.UsageError(f"{names[each.name]} and {each.path} would both be called {each.name!r}.")
        names[each.name] = each.path
    return found, passed


def _below(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden:
            yield path
