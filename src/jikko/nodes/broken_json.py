"""Makes something of JSON that is broken, as people and models write it."""

from collections.abc import Callable
from typing import Final

from jikko.concurrency.run_in_thread import run_in_thread
from jikko.values import Json

MAX_REPAIRED: Final = 4096
"""Characters of a text that is repaired. That takes time with their square: half a second at worst."""
_MAX_INLINE_CHARACTERS: Final = 512
"""Characters of a text that is repaired at once: that takes at most some milliseconds."""


class TooLong(ValueError):
    """The text is longer than what is repaired."""


async def repaired(text: str, repair: Callable[[str], Json]) -> Json:
    """What a function of ``json_repair`` makes of a text. Raises ``TooLong`` beyond ``MAX_REPAIRED`` characters.
    Off the event loop if that may take long.
    """
    if len(text) > MAX_REPAIRED:
        raise TooLong
    if len(text) <= _MAX_INLINE_CHARACTERS:
        return repair(text)
    return await run_in_thread(repair, text)
