"""Files in one."""

import asyncio
import time
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import PurePosixPath
from typing import Final

from jikko.errors import NotFound

MAX_ZIPPED_BYTES: Final = 1 << 30
"""Of all files of a ZIP file."""
_PIECE_BYTES: Final = 1 << 20


async def zipped(files: Iterable[tuple[str, Callable[[], Awaitable[bytes]]]]) -> AsyncIterator[bytes]:
    """Files by their names as a ZIP file, in pieces; of equal names the later ones are numbered.

    Has one of the files in memory at a time. Those that have been removed meanwhile (``NotFound``) are left out.
    """
    written = _Written()
    taken: set[str] = set()
    with zipfile.ZipFile(written, "w") as archive:
        for name, read in files:
            try:
                content = await read()
            except NotFound:
                continue
            entry = zipfile.ZipInfo(_own_name(name, taken), time.localtime()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(entry, "w") as target:
                for start in range(0, len(content), _PIECE_BYTES):
                    await asyncio.to_thread(target.write, content[start : start + _PIECE_BYTES])
                    yield written.taken()
    yield written.taken()


def _own_name(name: str, taken: set[str]) -> str:
    path = PurePosixPath(name.replace("\\", "/").replace("/", "_") or "document")
    own, number = path.name, 1
    while own in taken:
        number += 1
        own = f"{path.stem} ({number}){path.suffix}"
    taken.add(own)
    return own


class _Written:
    """What was written since it was last taken."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, piece: bytes) -> int:
        self._pieces.append(bytes(piece))
        return len(piece)

    def flush(self) -> None:
        """All is written."""

    def close(self) -> None:
        """There is nothing to be closed."""

    def taken(self) -> bytes:
        whole = b"".join(self._pieces)
        self._pieces.clear()
        return whole
