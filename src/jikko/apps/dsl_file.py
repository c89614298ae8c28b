"""Reading DSL files from a disk."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path


def read_dsl_file(file: Path) -> bytes:
    """The text of a file, cut off behind one byte more than allowed: a file that is too large is not read whole.

    Raises:
        OSError: It cannot be read.
    """
    from jikko.dsl.load import LoadLimits

    with file.open("rb") as opened:
        return opened.read(LoadLimits().max_bytes + 1)


def readable(files: Iterable[Path]) -> Iterator[tuple[str, str, bytes]]:
    """The files that can be read: what each is called in messages, its name without the ending, and its text."""
    for file in files:
        with suppress(OSError):
            yield str(file), file.stem, read_dsl_file(file)
