"""JSON examples in prompts, and repair of broken JSON."""

import json
import re
from collections.abc import Callable
from typing import Any, Final

from jikko.concurrency.run_in_thread import run_in_thread
from jikko.values import Json

_ASKED: Final = re.compile(r"json", re.IGNORECASE)
_MOST_EXAMPLES: Final = 20
"""Maximum number of candidate positions in a prompt."""
_LONGEST: Final = 20_000
"""Maximum characters of a repaired example."""
# A fence marked as JSON; or a value at the start of a line, below a line that announces it.
_BEGINNING: Final = re.compile(
    r"```[ \t]*json[ \t]*\n\s*(?=[\[{])|[:：][ \t]*\n+(?:```[ \t]*\n)?[ \t]*(?=[\[{])", re.IGNORECASE
)
_PLACEHOLDER: Final = re.compile(r"(:[ \t]*)([(（<＜][^\n\"]*[)）>＞])(?=[ \t]*[,，}\n])")
"""A placeholder in words, such as ``(a title; type: string)``."""
_BRACKET: Final = re.compile(r"[\[\]{}]")


def json_example(prompt: str, *, repair: bool = False) -> str:
    """Return the last JSON example of a prompt that asks for JSON; empty without one. ``repair``: Also convert
    placeholders that are not JSON (``{"score": <0 to 9>}``) to strings."""
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
"""Maximum characters of a repaired text. Repair is quadratic: half a second at worst."""
_MAX_INLINE_CHARACTERS: Final = 512
"""Characters up to which repair runs on the event loop: at most some milliseconds."""


class TooLong(ValueError):
    """The text is too long to repair."""


async def repaired(text: str, repair: Callable[[str], Json]) -> Json:
    """Repair a text by a function of ``json_repair``, off the event loop if it may take long. Raises ``TooLong`` beyond
    ``MAX_REPAIRED`` characters."""
    if len(text) > MAX_REPAIRED:
        raise TooLong
    if len(text) <= _MAX_INLINE_CHARACTERS:
        return repair(text)
    return await run_in_thread(repair, text)
