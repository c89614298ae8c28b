"""Starts that were refused, in a file of the data folder."""

import asyncio
import logging
import os
from collections.abc import Set
from pathlib import Path
from typing import Final

from jikko.private import opener

logger = logging.getLogger(__name__)

_NAME: Final = "refused-starts"
_MAX_BYTES: Final = 1 << 20
"""Of the file; then it begins anew. Ids are needed for as long as a database may take to wake up."""


class RefusalsFile:
    """``Refusals``, a line each. Several processes may write it at once."""

    def __init__(self, home: Path) -> None:
        self._path = home / _NAME

    async def add(self, run_id: str) -> None:
        try:
            await asyncio.to_thread(self._add, run_id)
        except OSError as error:
            logger.warning("refused starts cannot be noted in %s: %s", self._path, error.strerror)

    async def read(self) -> Set[str]:
        return await asyncio.to_thread(self._read)

    def _add(self, run_id: str) -> None:
        with open(self._path, "ab", buffering=0, opener=opener) as file:
            if file.tell() > _MAX_BYTES:
                file.truncate(0)
            file.write(f"{run_id}\n".encode("ascii"))
            os.fsync(file.fileno())

    def _read(self) -> Set[str]:
        try:
            return frozenset(self._path.read_text(encoding="ascii").split())
        except FileNotFoundError:
            return frozenset()
