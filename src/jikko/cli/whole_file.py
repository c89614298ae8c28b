"""A file that is written as a whole or not at all."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing. After the block it has the new content; if the block raises, all is as it was.

    What is no regular file, such as a pipe, is written to as it is.

    Raises:
        OSError: It cannot be written.
    """
    # A link stays one: what it leads to is replaced.
    path = path.resolve()
    if path.exists() and not path.is_file():
        with path.open("wb") as target:
            yield target
        return
    # Beside it, since only there it can be renamed in one step.
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as target:
            yield target
            target.flush()
            os.fsync(target.fileno())
        if path.exists():
            shutil.copymode(path, part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
