"""Data of people in the cases of test files, replaced by stand-ins. Pure functions."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

_CJK: Final = r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_PATTERNS: Final[Mapping[str, str]] = {
    # Words of languages without blanks may stand before an address.
    "e-mail addresses": rf"(?:(?![{_CJK}])[\w.%+-]){{1,64}}@[A-Za-z0-9-]{{1,63}}(?:\.[A-Za-z0-9-]{{1,63}}){{1,8}}",
    "account numbers": r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b",
    "card numbers": r"(?<![\w.+-])[2-6](?:[ -]?\d){12,18}(?![\w-])",
    "IP addresses": r"(?<![\w.-])(?:\d{1,3}\.){3}\d{1,3}(?![\w-]|\.\d)",
    "telephone numbers": r"(?<![A-Za-z0-9_.:+-])"
    r"(?:(?:\+|00?)[1-9(][\d /()-]{4,18}\d|\(?\d{3}\)?[ -]\d{3}-\d{4})(?![A-Za-z0-9_]|[-:.]\d)",
}
_DATE: Final = re.compile(r"\d{1,2}[-/ ]\d{1,2}[-/ ](?:\d{2}|\d{4})(?:[ -].*)?")


class Redaction:
    """Replaces e-mail addresses, numbers of telephones, accounts and cards, IP addresses, and further texts.

    What is the same has the same stand-in, in whatever letters, so that a workflow still finds it where it was.
    """

    def __init__(self, hidden: Iterable[str] = ()) -> None:
        """``hidden``: the further texts, such as names."""
        self.counts: Counter[str] = Counter()
        """How many different ones there are of each kind."""
        texts = sorted((text for text in hidden if text), key=len, reverse=True)
        named = {"texts to hide": "|".join(f"(?i:{re.escape(text)})" for text in texts)} if texts else {}
        self._kinds = {kind: re.compile(pattern) for kind, pattern in {**named, **_PATTERNS}.items()}
        self._any = re.compile("|".join(each.pattern for each in self._kinds.values()))
        self._known: dict[tuple[str, str], str] = {}

    def of(self, value: Any) -> Any:
        """A value of JSON without data of people. Numbers stay as they are, and so do paths of files (``@PATH``)."""
        if isinstance(value, str):
            is_path = value.startswith("@") and not value.startswith("@@")
            return value if is_path else self._any.sub(self._stand_in, value)
        if isinstance(value, list):
            return [self.of(each) for each in value]
        if isinstance(value, Mapping):
            return {self.of(key): self.of(each) for key, each in value.items()}
        return value

    def case(self, case: Mapping[str, Any]) -> dict[str, Any]:
        """A case of a test file. Names of nodes, inputs and files stay as they are."""
        found = dict(case)
        for part in ("inputs", "mocks", "forms"):
            if part in case:
                found[part] = {name: self.of(value) for name, value in case[part].items()}
        if "turns" in case:
            found["turns"] = [self.case(turn) | {"say": self.of(turn["say"])} for turn in case["turns"]]
        if "expect" in case:
            named = {"path": case["expect"]["path"]}
            found["expect"] = {name: self.of(value) for name, value in case["expect"].items()} | named
        return found

    def _stand_in(self, found: re.Match[str]) -> str:
        text = found[0]
        # What looks like a card may be a telephone.
        kinds = (kind for kind, each in self._kinds.items() if each.fullmatch(text) and _CHECKS.get(kind, bool)(text))
        if not (kind := next(kinds, "")):
            return text
        key = kind, re.sub(r"[ /()-]", "", text).casefold()
        if key not in self._known:
            self.counts[kind] += 1
            self._known[key] = _made_up(kind, text, self.counts[kind])
        return self._known[key]


def _made_up(kind: str, text: str, number: int) -> str:
    match kind:
        case "e-mail addresses":
            return f"person{number}@example.com"
        case "IP addresses":
            return f"192.0.2.{number % 256}"
        case "texts to hide":
            return f"hidden{number}"
    digits = iter(str(number).rjust(len(re.findall(r"\d", text)), "0"))
    # Of an account the first two letters are those of a country.
    return re.sub(r"\d", lambda _: next(digits), text[:2] + re.sub("[A-Z]", "X", text[2:]))


def _is_card(text: str) -> bool:
    digits = [int(digit) for digit in reversed(text) if digit.isdigit()]
    return sum(sum(divmod(digit * (1 + place % 2), 10)) for place, digit in enumerate(digits)) % 10 == 0


def _is_account(text: str) -> bool:
    compact = text.replace(" ", "")
    return int("".join(str(int(each, 36)) for each in compact[4:] + compact[:4])) % 97 == 1


def _is_telephone(text: str) -> bool:
    return 7 <= len(re.findall(r"\d", text)) <= 15 and not _DATE.fullmatch(text)


def _is_address(text: str) -> bool:
    return all(int(part) < 256 for part in text.split("."))


_CHECKS: Final[Mapping[str, Callable[[str], bool]]] = {
    "account numbers": _is_account,
    "card numbers": _is_card,
    "telephone numbers": _is_telephone,
    "IP addresses": _is_address,
}
