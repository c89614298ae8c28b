"""Publishing files again when they change: for those who write workflows."""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeAlias

import click

from jikko.assemble.assembly import Assembly
from jikko.errors import JikkoError
from jikko.server.publication import publish_one
from jikko.terminal_text import harmless

log = logging.getLogger(__name__)

_LOOK_SECONDS: Final = 0.5
"""Seconds between looks at the files."""

State: TypeAlias = tuple[int, int, int] | None
"""What tells one content of a file from another: time of change, size, and which file it is."""


class Reloading:
    """Files, as they are when this is made."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._seen = {file: _state(file) for file in files}

    async def watch(self, assembly: Assembly, *, every: float = _LOOK_SECONDS) -> None:
        """Publish each file again whenever it has changed, until cancelled. One that cannot be published is logged.

        Args:
            every: Seconds between looks.
        """
        while True:
            for file, seen in self._seen.items():
                state = _state(file)
                # One that is gone is being written anew, as like as not.
                if state is not None and state != seen:
                    self._seen[file] = state
                    await _publish(assembly, file)
            await asyncio.sleep(every)


async def _publish(assembly: Assembly, file: Path) -> None:
    try:
        await publish_one(assembly, file)
    except JikkoError as error:
        click.echo(harmless(f"not published: {error}"), err=True)
    except click.ClickException as error:
        error.show()
    except Exception:
        log.exception("%s cannot be published", file)


def _state(file: Path) -> State:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
