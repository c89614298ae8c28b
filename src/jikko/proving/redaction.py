"""Redaction of personal data in test cases. Pure functions."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Final

_CJK: Final = r"\u3005\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uff66-\uff9f"
# In languages without blanks, words may be adjacent.
_END: Final = r"(?![A-Za-z0-9_])"
_PATTERNS: Final[Mapping[str, str]] = {
    "e-mail addresses": r"(?=[\w.%+-]{1,64}+@)"
    rf"(?:(?:(?![{_CJK}])[\w.%+-]){{1,64}}|[\w.%+-]{{0,63}}[{_CJK}])"
    r"@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}",
    "account numbers": r"(?<![A-Za-z0-9_])[A-Z]{2}\d{2}"
    rf"(?:[ -]?[A-Z0-9]{{4}}){{2,7}}(?:[ -]?[A-Z0-9]{{1,3}})?{_END}",
    "card numbers": rf"(?<![A-Za-z0-9_+-])(?<!\d\.)[2-6](?:[ -]?\d){{12,18}}{_END}",
    "IP addresses": r"(?<![A-Za-z0-9_.])(?<![A-Za-z]-)(?:\d{1,3}\.){3}\d{1,3}(?![A-Za-z0-9_]|\.\d|-[A-Za-z])",
    "IPv6 addresses": r"(?<![A-Za-z0-9_.])(?=(?:::)?[0-9A-Fa-f])(?:[0-9A-Fa-f]{0,4}:){2,7}"
    rf"(?:(?:\d{{1,3}}\.){{3}}\d{{1,3}}|[0-9A-Fa-f]{{1,4}})?{_END}",
    "telephone numbers": r"(?:(?<![A-Za-z0-9_+-])(?<!\d[.:])|(?<=(?i:tel))|(?<=(?i:fax)))"
    rf"(?:(?:\+|00?)[1-9(][\d /()-]{{4,18}}\d|\(?\d{{3}}\)?[ -]\d{{3}}-\d{{4}}){_END}(?![-:.]\d)",
}
_DATE: Final = re.compile(r"\d{1,2}[-/ ]\d{1,2}[-/ ](?:\d{2}|\d{4})(?:[ -].*)?")
_SEPARATOR: Final = re.compile(r"[ /():-]")
_WIDE: Final = {
    **{0xFF01 + place: 0x21 + place for place in range(94)},
    **dict.fromkeys(map(ord, "\u00a0\u2007\u2009\u202f\u3000"), ord(" ")),
    **dict.fromkeys(map(ord, "\u2010\u2011\u2212"), ord("-")),
}
"""Full-width and half-width variants of characters."""
_DASH: Final = re.compile(r"(?<=\d)[\u2012-\u2015\u30fc\uff70](?=\d)")
"""Dashes that are other characters elsewhere, such as long vowels."""


class Redaction:
    """Replaces e-mail addresses, numbers of telephones, accounts and cards, IP addresses, and given texts.

    Equal values get equal replacements, whatever their character widths, so that workflows still find them.
    """

    def __init__(self, hidden: Iterable[str] = (), files: Collection[str] = ()) -> None:
        """``hidden``: Further texts, such as names. ``files``: Paths that inputs may refer to (``@PATH``)."""
        self.counts: Counter[str] = Counter()
        """Number of distinct values, by kind."""
        texts = sorted((_narrow(text) for text in hidden if text), key=len, reverse=True)
        named = {"texts to hide": "|".join(f"(?i:{re.escape(text)})" for text in texts)} if texts else {}
        self._files = files
        self._kinds = {kind: re.compile(pattern) for kind, pattern in {**named, **_PATTERNS}.items()}
        self._any = re.compile("|".join(each.pattern for each in self._kinds.values()))
        self._known: dict[tuple[str, str], str] = {}

    def of(self, value: Any) -> Any:
        """Redact a JSON value. Numbers stay."""
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, list):
            return [self.of(each) for each in value]
        if isinstance(value, Mapping):
            return {self.of(key): self.of(each) for key, each in value.items()}
        return value

    def case(self, case: Mapping[str, Any]) -> dict[str, Any]:
        """Redact a test case. Names of nodes, inputs and files stay."""
        found = dict(case)
        if "inputs" in case:
            found["inputs"] = self._given(case["inputs"])
        if "mocks" in case:
            found["mocks"] = {name: self.of(mocks) for name, mocks in case["mocks"].items()}
        if "forms" in case:
            found["forms"] = {
                name: [
                    each if isinstance(each, str) else {**each, "values": self._given(each["values"])}
                    for each in answers
                ]
                for name, answers in case["forms"].items()
            }
        if "turns" in case:
            found["turns"] = [self.case(turn) | {"say": self.of(turn["say"])} for turn in case["turns"]]
        if "expect" in case:
            named = {"path": case["expect"]["path"]}
            found["expect"] = {name: self.of(value) for name, value in case["expect"].items()} | named
        return found

    def _given(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self._input(value) for name, value in values.items()}

    def _input(self, value: Any) -> Any:
        texts = value if isinstance(value, list) else [value]
        if not all(isinstance(text, str) and text.startswith("@") for text in texts):
            return self.of(value)
        # Each is a path, or has a second `@` before its own, which a replacement may cover.
        found = [text if text[1:] in self._files else self._text(text[1:]) for text in texts]
        if all(text.startswith("@") for text in found):
            found = [text if text[1:] in self._files else f"@{text}" for text in found]
        return found if isinstance(value, list) else found[0]

    def _text(self, text: str) -> str:
        plain, made, at, end = _narrow(text), "", 0, 0
        while match := self._any.search(plain, at):
            at = match.start() + 1
            if found := self._found(plain, match.start()):
                kind, at = found
                made += text[end : match.start()] + self._stand_in(kind, plain[match.start() : at])
                end = at
        return made + text[end:]

    def _found(self, text: str, start: int) -> tuple[str, int] | None:
        """Return the kind of personal data at a position, and its end."""
        for kind, pattern in self._kinds.items():
            if match := pattern.match(text, start):
                # More digits may follow, such as a date; and what looks like a card may be a telephone.
                shorter = [start + each.start() for each in _SEPARATOR.finditer(match[0])]
                for end in (match.end(), *reversed(shorter)):
                    is_whole = end == match.end() or (kind in _CHECKS and pattern.fullmatch(text, start, end))
                    if is_whole and _CHECKS.get(kind, bool)(text[start:end]):
                        return kind, end
        return None

    def _stand_in(self, kind: str, text: str) -> str:
        key = kind, re.sub(r"[ /()-]", "", text).casefold()
        if key not in self._known:
            self.counts[kind] += 1
            self._known[key] = _made_up(kind, text, self.counts[kind])
        return self._known[key]


def _narrow(text: str) -> str:
    """Convert full-width characters to ASCII, keeping the length."""
    return text if text.isascii() else _DASH.sub("-", text.translate(_WIDE))


def _made_up(kind: str, text: str, number: int) -> str:
    match kind:
        case "e-mail addresses":
            return f"person{number}@example.com"
        case "IP addresses":
            # Addresses reserved for documentation, then for benchmarks.
            return f"192.0.2.{number}" if number < 256 else str(IPv4Address("198.18.0.0") + number)
        case "IPv6 addresses":
            return f"2001:db8::{number:x}"
        case "texts to hide":
            return f"hidden{number}"
    digits = iter(str(number).rjust(len(re.findall(r"\d", text)), "0"))
    # The first two letters of an account are its country.
    return re.sub(r"\d", lambda _: next(digits), text[:2] + re.sub("[A-Z]", "X", text[2:]))


def _is_card(text: str) -> bool:
    digits = [int(digit) for digit in reversed(text) if digit.isdigit()]
    return sum(sum(divmod(digit * (1 + place % 2), 10)) for place, digit in enumerate(digits)) % 10 == 0


def _is_account(text: str) -> bool:
    compact = re.sub("[ -]", "", text)
    return len(compact) >= 15 and int("".join(str(int(each, 36)) for each in compact[4:] + compact[:4])) % 97 == 1


def _is_address_of_v6(text: str) -> bool:
    # ``abc::def`` is a name in a program.
    if not re.search(r"\d", text):
        return False
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True


_CHECKS: Final[Mapping[str, Callable[[str], bool]]] = {
    "account numbers": _is_account,
    "card numbers": _is_card,
    "telephone numbers": lambda text: 7 <= len(re.findall(r"\d", text)) <= 15 and not _DATE.fullmatch(text),
    "IP addresses": lambda text: all(int(part) < 256 for part in text.split(".")),
    "IPv6 addresses": _is_address_of_v6,
}
