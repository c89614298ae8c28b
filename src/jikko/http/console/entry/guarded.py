"""A stream that ends once whoever listens may not enter any more."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Final, cast

from jikko.errors import JikkoError
from jikko.ports.clock import Clock

ASKED_EVERY: Final = 1.0
"""Seconds for which the last answer holds: so long, a token that was revoked still hears what comes."""


async def guarded(
    pieces: AsyncIterator[bytes], still_in: Callable[[], Awaitable[object]], clock: Clock
) -> AsyncIterator[bytes]:
    """The pieces of a stream, until one is due that its listener may not have.

    Args:
        still_in: Raises a ``JikkoError`` for one whose session is over, whose token is gone, or whom nobody can tell.
    """
    asked = clock()
    async with aclosing(cast(AsyncGenerator[bytes, None], pieces)):
        async for piece in pieces:
            now = clock()
            if not 0 <= now - asked < ASKED_EVERY:
                try:
                    await still_in()
                except JikkoError:
                    return
                asked = now
            yield piece
