"""Examples of JSON in prompts that ask for JSON, and what is made of JSON that is broken."""

import json
import re
from collections.abc import Callable
from typing import Any, Final

from jikko.concurrency.run_in_thread import run_in_thread
from jikko.values import Json

_ASKED: Final = re.compile(r"json", re.IGNORECASE)
_MOST_EXAMPLES: Final = 20
"""Places of a prompt that are tried."""
_LONGEST: Final = 20_000
"""Characters of an example that is repaired."""
# A fence that says it is JSON; or a value at the start of a line, below one that announces it.
_BEGINNING: Final = re.compile(
    r"```[ \t]*json[ \t]*\n\s*(?=[\[{])|[:：][ \t]*\n+(?:```[ \t]*\n)?[ \t]*(?=[\[{])", re.IGNORECASE
)
_PLACEHOLDER: Final = re.compile(r"(:[ \t]*)([(（<＜][^\n\"]*[)）>＞])(?=[ \t]*[,，}\n])")
"""A value in words, such as ``(a title; type: string)``."""
_BRACKET: Final = re.compile(r"[\[\]{}]")


def json_example(prompt: str, *, repair: bool = False) -> str:
    """The last example of JSON in a prompt that asks for JSON; empty without one. ``repair``: Also with placeholders
    that are not JSON (``{"score": <0 to 9>}``), as texts.
    """
    if not _ASKED.search(prompt):
        return ""
    starts = [found.end() for found in _BEGINNING.finditer(prompt)][-_MOST_EXAMPLES:]
    for start in reversed(starts):
        value = _value(prompt, start) or (_repaired(prompt, start) if repair else None)
        if value:
            return json.dumps(value, ensure_ascii=False)
    return ""


def _value(text: str, start: int) -> Any:
    try:
        return json.JSONDecoder().raw_decode(text, start)[0]
    except (ValueError, RecursionError):
        return None


def _repaired(text: str, start: int) -> Any:
    depth = 0
    for bracket in _BRACKET.finditer(text, start, start + _LONGEST):
        depth += 1 if bracket[0] in "[{" else -1
        if not depth:
            import json_repair

            try:
                found = json_repair.loads(_PLACEHOLDER.sub(r'\1"\2"', text[start : bracket.end()]))
            except (ValueError, RecursionError):
                return None
            return found if isinstance(found, dict) else None
    return None


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
