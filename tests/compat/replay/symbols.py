"""Placeholders in expected values, and their bindings during the comparison of a case.

``«kind:n»`` is a *symbol*: it stands for the same concrete value everywhere in the case, different from those of all
other symbols. ``«kind»`` is a *wildcard*: any value of the right shape.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any

PLACEHOLDER = re.compile(r"«([a-z_]+)(?::([\w.-]+))?»")

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
OPAQUE = r"[^\s\"'&]+"

#: Shape of a symbol's text, by kind; every other kind is a UUID.
SYMBOL_SHAPES = {
    "form_token": OPAQUE,
    "ref": OPAQUE,
    "echo": OPAQUE,
    "nonce": OPAQUE,
    "tool": r"dataset_[0-9a-f_]{36}",
    "hex": r"[0-9a-f-]{32,36}",
    "boundary": r"[\w'()+,./:=?-]+",
}

#: Shape of a wildcard inside a text.
WILDCARD_SHAPES = {
    "any": r"(?s:.*)",
    "time": r"\d{9,11}",
    "seconds": r"\d+(?:\.\d+)?(?:e-?\d+)?",
    "count": r"\d+",
    "datetime": r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?",
    "price": r"-?\d+(?:\.\d+)?(?:[eE]-?\d+)?",
    "server": r"https?://[^/\s\"']+",
    "signature": r"[\w%=~.-]+",
    "traceback": r"(?s:.*?)",
    "path": r"[^\s\"']+",
}


@dataclass
class Bindings:
    """One-to-one relation between the symbols of a case and the values of a server's answers."""

    values: dict[str, str] = field(default_factory=dict)
    symbols: dict[str, str] = field(default_factory=dict)

    def bind(self, symbol: str, value: str) -> bool:
        """Bind ``symbol`` to ``value``; ``False`` if either is already bound otherwise."""
        known_value, known_symbol = self.values.get(symbol), self.symbols.get(value)
        if known_value is None and known_symbol is None:
            self.values[symbol], self.symbols[value] = value, symbol
            return True
        return known_value == value and known_symbol == symbol

    def copy(self) -> Bindings:
        """Return a copy for tentative extension."""
        return Bindings(dict(self.values), dict(self.symbols))

    def resolve(self, text: str) -> str:
        """Replace bound symbols in ``text`` by their values (for readable reports)."""
        return PLACEHOLDER.sub(lambda m: self.values.get(m[0], m[0]), text)


def has_placeholder(text: str) -> bool:
    """Return whether ``text`` contains a symbol or a wildcard."""
    return "«" in text and PLACEHOLDER.search(text) is not None


def match_text(expected: str, got: str, bindings: Bindings) -> bool:
    """Return whether ``got`` matches the pattern ``expected``; binds its symbols."""
    if not has_placeholder(expected):
        return expected == got
    pattern, names, end = "", [], 0
    for hit in PLACEHOLDER.finditer(expected):
        kind, number = hit[1], hit[2]
        shape = WILDCARD_SHAPES.get(kind) if number is None else SYMBOL_SHAPES.get(kind, UUID)
        if shape is None:
            raise ValueError(f"unknown placeholder {hit[0]}")
        pattern += re.escape(expected[end : hit.start()])
        pattern += f"({shape})" if number is not None else f"(?:{shape})"
        names += [hit[0]] if number is not None else []
        end = hit.end()
    found = re.fullmatch(pattern + re.escape(expected[end:]), got)
    return found is not None and all(bindings.bind(n, v) for n, v in zip(names, found.groups(), strict=True))


def match_wildcard(expected: str, got: Any) -> bool | None:
    """Match a value that is *only* a wildcard against a non-text; ``None`` if ``expected`` is not a wildcard."""
    hit = PLACEHOLDER.fullmatch(expected)
    if hit is None or hit[2] is not None:
        return None
    number = isinstance(got, (int, float)) and not isinstance(got, bool)
    match hit[1]:
        case "any":
            return True
        case "count":
            return isinstance(got, int) and number and got >= 0
        case "time":
            return isinstance(got, int) and number and got > 10**9
        case "seconds":
            return number and not math.isnan(got) and got >= 0
        case "nan":
            return isinstance(got, float) and math.isnan(got)
    return None
