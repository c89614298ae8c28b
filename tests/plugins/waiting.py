"""Polling for conditions without notification."""

import asyncio
from collections.abc import Callable

from tests.effort import PATIENCE


async def until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110  # of another process, which tells no event
            await asyncio.sleep(0.005)
