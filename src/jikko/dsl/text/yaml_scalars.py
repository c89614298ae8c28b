"""What the scalars of YAML stand for, as JSON.

They are understood as PyYAML's safe loader does (YAML 1.1), because Dify reads its files with it, except that all stays
JSON: dates, binary data and integers of more than 64 bits remain the text that they are written as.
"""

from collections.abc import Callable
from typing import Any, Final

import yaml

CORE: Final = "tag:yaml.org,2002:"
SCALAR_TAGS: Final = frozenset(
    CORE + name for name in ("null", "bool", "int", "float", "str", "timestamp", "binary", "merge", "value")
)
COLLECTION_TAGS: Final = frozenset(CORE + name for name in ("map", "seq", "set", "omap", "pairs"))
MERGE: Final = object()
"""The key ``<<``, which stands for the entries of the mapping that is its value."""

_RESOLVERS: Final[dict[str, Any]] = yaml.SafeLoader.yaml_implicit_resolvers
_TRUE: Final = frozenset({"yes", "true", "on"})
_MAX_NUMBER: Final = 400
"""Characters. Longer ones do not fit 64 bits, and "1:1:1:..." would take quadratic time."""


def plain(text: str) -> Any:
    """What an unquoted scalar stands for; ``MERGE`` for ``<<``."""
    for tag, pattern in _RESOLVERS.get(text[:1], ()):
        if pattern.match(text):
            return _construct(tag, text)
    return text


def tagged(tag: str, text: str) -> Any:
    """What a scalar with an explicit tag of ``SCALAR_TAGS`` stands for; the text if it does not fit the tag."""
    return _construct(tag, text)


def _construct(tag: str, text: str) -> Any:
    if len(text) > _MAX_NUMBER:
        return text
    try:
        match tag.removeprefix(CORE):
            case "null":
                return None
            case "bool":
                return text.lower() in _TRUE
            case "int":
                number = _integer(text)
                return number if -(2**63) <= number < 2**64 else text
            case "float":
                return _float(text)
            case "merge":
                return MERGE
    except ValueError:
        # Such as "!!int x", or more digits than Python converts.
        return text
    return text


def _integer(text: str) -> int:
    digits = text.replace("_", "")
    sign = -1 if digits.startswith("-") else 1
    digits = digits.lstrip("+-")
    if digits.startswith("0b"):
        return sign * int(digits[2:], 2)
    if digits.startswith("0x"):
        return sign * int(digits[2:], 16)
    if ":" in digits:
        return sign * int(_sexagesimal(digits, int))
    return sign * int(digits, 8 if digits.startswith("0") else 10)


def _float(text: str) -> float:
    digits = text.replace("_", "").lower()
    sign = -1 if digits.startswith("-") else 1
    digits = digits.lstrip("+-")
    if digits in (".inf", ".nan"):
        digits = digits[1:]
    return sign * (_sexagesimal(digits, float) if ":" in digits else float(digits))


def _sexagesimal(digits: str, convert: Callable[[str], float]) -> float:
    total = convert("0")
    for part in digits.split(":"):
        total = total * 60 + convert(part)
    return total
