"""Typed access to mappings of the DSL, which collects problems instead of raising."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from jikko.diagnostics.diagnostic import Diagnostic, Phrase, Severity
from jikko.values import Json, Selector

MISSING: Final = Phrase("document.missing")
BOOLEANS: Final = dict.fromkeys(("true", "1", "t", "yes", "y", "on"), True) | dict.fromkeys(
    ("false", "0", "f", "no", "n", "off"), False
)
"""Texts that are booleans, in lower case."""
_MAX_CHOICES = 2_000
_MAX_QUESTIONS = 50


def expected(wanted: str) -> Phrase:
    """Return the remedy that states the expected value."""
    return Phrase("remedy.expected", {"wanted": wanted})


def bad_value(value: str) -> Phrase:
    """Return the problem of an unusable value. ``value``: As shown in messages."""
    return Phrase("document.value", {"value": value})


class NameSuggestions:
    """Existing names, for hints. Comparing is slow, so only the first mistakes of a file get hints."""

    def __init__(self, choices: Iterable[str]) -> None:
        self._choices = list(choices)
        self._left = _MAX_QUESTIONS if len(self._choices) <= _MAX_CHOICES else 0

    def hint(self, wrong: str) -> Phrase | None:
        if not self._left:
            return None
        self._left -= 1
        return meant(wrong, self._choices)


_MAX_PROBLEMS: Final = 10_000
_MAX_HINTED: Final = 100
_MAX_SHOWN: Final = 60
_MAX_WORD: Final = 100


class Fields:
    """One mapping of the document, with its path and the list of problems.

    Readers never raise: missing and invalid values are reported once, and replaced by defaults.
    """

    __slots__ = ("_written", "problems", "raw", "where")

    def __init__(
        self, where: str, raw: Mapping[str, Any], problems: list[Diagnostic], written: Mapping[str, Any] | None = None
    ) -> None:
        """Args:
        written: The mapping as in the file, if ``raw`` has texts replaced, perhaps by secrets: problems quote this
            one.
        """
        self.where = where
        self.raw = raw
        self.problems = problems
        self._written = raw if written is None else written

    def problem(self, name: str, what: str | Phrase, hint: str | Phrase | None = None, *, fatal: bool = True) -> None:
        """Report a problem with the field ``name`` (``""`` for the mapping itself). After thousands of problems only
        fatal ones are reported, then none."""
        if len(self.problems) >= (2 * _MAX_PROBLEMS if fatal else _MAX_PROBLEMS):
            return
        self.problems.append(problem_at(self.at(name), what, hint, fatal=fatal))

    def at(self, name: str) -> str:
        """Return the path of a field; ``""`` for the mapping itself."""
        return f"{self.where}.{name}" if self.where and name else self.where or name

    def shown(self, name: str) -> str:
        """Return a value for messages: short, and as in the file."""
        return shown(self._written.get(name))

    def meant(self, wrong: Json, choices: tuple[str, ...] | list[str]) -> Phrase | None:
        """Return a hint at the most similar choice. Comparing is slow: there are none once a file has many problems."""
        return meant(wrong, choices) if len(self.problems) < _MAX_HINTED else None

    def check_names(self, known: tuple[str, ...]) -> None:
        """Report unknown fields, with the probable or possible names."""
        for name in self.raw:
            if name not in known:
                hint = self.meant(name, known) or expected(", ".join(known))
                self.problem(str(name), Phrase("document.unknown"), hint if known else None)

    def check_url(self, url: str, name: str = "url") -> None:
        if not is_web_address(url):
            self.problem(name, bad_value(self.shown(name)), Phrase("remedy.web_address"))

    def standing_at(self, where: str) -> "Fields":
        """Return the same mapping, reported under another path."""
        return Fields(where, self.raw, self.problems, self._written)

    def get(self, name: str, default: Json = None) -> Json:
        return self.raw.get(name, default)

    def text(self, name: str, default: str = "", *, required: bool = False) -> str:
        """Return a string. Numbers are converted, as people leave out quotes."""
        value = self.raw.get(name)
        if value is None:
            if required:
                self.problem(name, MISSING, Phrase("remedy.expected_text"))
            return default
        if isinstance(value, str):
            return value
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return str(value)
        self.problem(name, Phrase("document.case_id", {"value": self.shown(name)}))
        return default

    def boolean(self, name: str, default: bool = False) -> bool:
        """Return a boolean; 0, 1 and words for true and false are accepted, as in Dify."""
        value = self.raw.get(name)
        if value is None:
            return default
        found = BOOLEANS.get(str(value).lower()) if isinstance(value, (int, str)) else None
        if found is not None:
            return found
        self.problem(name, Phrase("document.not_boolean", {"value": self.shown(name)}))
        return default

    def integer(self, name: str, default: int = 0, *, minimum: int | None = None) -> int:
        """Return an integer; integral texts and floats are accepted."""
        value = self.raw.get(name)
        if value is None or value == "":
            return default
        try:
            if isinstance(value, bool) or not isinstance(value, (int, float, str)) or int(value) != float(value):
                raise ValueError
            number = int(value)
        except (ValueError, OverflowError):
            self.problem(name, Phrase("document.not_integer", {"value": self.shown(name)}))
            return default
        if minimum is not None and number < minimum:
            self.problem(name, Phrase("document.too_small", {"value": self.shown(name), "minimum": minimum}))
            return default
        return number

    def seconds(self, name: str, default: float) -> float:
        """Return a duration: more than 0, and less than a million."""
        value = self.raw.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e6:
            self.problem(name, bad_value(self.shown(name)), Phrase("remedy.seconds"))
            return default
        return float(value)

    def choice(self, name: str, choices: tuple[str, ...], default: str) -> str:
        value = self.raw.get(name)
        if value is None or value == "":
            return default
        if isinstance(value, str) and value in choices:
            return value
        self.problem(name, bad_value(self.shown(name)), self.meant(value, choices) or expected(" or ".join(choices)))
        return default

    def selector(self, name: str, *, required: bool = False) -> Selector:
        """Return a selector, empty (``()``) if missing."""
        value = self.raw.get(name)
        if value is None or value == []:
            if required:
                self.problem(name, MISSING, Phrase("remedy.expected_selector"))
            return ()
        found = as_selector(value)
        if found is None:
            self.problem(name, Phrase("document.not_selector", {"value": self.shown(name)}), Phrase("remedy.selector"))
            return ()
        return found

    def selectors(self, name: str) -> tuple[Selector, ...]:
        """Return a list of selectors, without invalid ones."""
        found = []
        for index, value in enumerate(self.items(name)):
            selector = as_selector(value)
            if selector is None:
                self.problem(
                    f"{name}[{index}]",
                    Phrase("document.not_selector", {"value": shown(value)}),
                    Phrase("remedy.selector"),
                )
            elif selector:
                found.append(selector)
        return tuple(found)

    def items(self, name: str, *, required: bool = False) -> list[Any]:
        value = self.raw.get(name)
        if value is None:
            if required:
                self.problem(name, MISSING, Phrase("remedy.expected_list"))
            return []
        if isinstance(value, list):
            return value
        self.problem(name, Phrase("document.not_list", {"value": self.shown(name)}))
        return []

    def mapping(self, name: str) -> "Fields":
        """Return a mapping, empty if missing."""
        value = self.raw.get(name)
        if value is not None and not isinstance(value, Mapping):
            self.problem(name, Phrase("document.not_mapping", {"value": self.shown(name)}))
            value = None
        return Fields(self.at(name), value or {}, self.problems, self._written.get(name) if value else None)

    def entries(self) -> list[tuple[str, "Fields"]]:
        return [(str(name), self.mapping(name)) for name in self.raw]

    def mappings(self, name: str, *, required: bool = False) -> Iterator["Fields"]:
        """Yield a list of mappings, without other elements."""
        values = self.items(name, required=required)
        written = self._written[name] if values else []
        for index, (value, as_written) in enumerate(zip(values, written, strict=True)):
            if isinstance(value, Mapping):
                yield Fields(f"{self.at(name)}[{index}]", value, self.problems, as_written)
            else:
                self.problem(f"{name}[{index}]", Phrase("document.not_mapping", {"value": shown(as_written)}))


def problem_at(
    where: str,
    what: str | Phrase,
    hint: str | Phrase | None = None,
    *,
    fatal: bool = True,
    line: int = 0,
    column: int = 0,
) -> Diagnostic:
    """Return a problem of a document at a path. ``what``, ``hint``: A plain text is the same in every language.

    ``fatal``: Whether it prevents the import; otherwise it is a warning.
    """
    said = what if isinstance(what, Phrase) else Phrase("document.verbatim", {"text": what})
    if isinstance(hint, str):
        hint = Phrase("remedy.verbatim", {"text": hint}) if hint else None
    severity: Severity = "error" if fatal else "warning"
    return Diagnostic(said.code, said.params, where=where, severity=severity, remedy=hint, line=line, column=column)


def is_web_address(url: str) -> bool:
    """Return whether a text is an HTTP URL."""
    try:
        parts = urlsplit(url)
        # Reading the port validates it.
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def as_selector(value: Json) -> Selector | None:
    """Convert a list of texts to a selector; ``None`` if it is not one.

    Old files refer to ``sys.query`` and the like, and to ``env.NAME``, as outputs of the start node; they become the
    variables themselves. Source: docs/dify-behaviour.md, “Start node”.
    """
    if not isinstance(value, (list, tuple)) or not all(
        isinstance(part, (str, int)) and not isinstance(part, bool) for part in value
    ):
        return None
    parts = tuple(str(part) for part in value)
    if len(parts) > 1 and parts[1].startswith(("sys.", "env.")):
        return (*parts[1].split(".", 1), *parts[2:])
    return parts


def did_you_mean(wrong: Json, choices: tuple[str, ...] | list[str]) -> str:
    """Return a hint at the most similar choice, or ``""``."""
    hint = meant(wrong, choices)
    return "" if hint is None else hint.text()


def meant(wrong: Json, choices: tuple[str, ...] | list[str]) -> Phrase | None:
    """Return a hint at the most similar choice, if there is one."""
    import difflib

    word = str(wrong)
    # A name of that length is not a typing error, and slow to compare.
    if len(word) > _MAX_WORD:
        return None
    close = difflib.get_close_matches(word, [str(choice) for choice in choices], n=1)
    return Phrase("remedy.did_you_mean", {"name": repr(close[0])}) if close else None


def shown(value: Json) -> str:
    """Return a value for messages: short, whatever its size."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case list() | tuple():
            return "a list"
        case Mapping():
            return "a mapping"
        case str() if len(value) > _MAX_SHOWN:
            return repr(value[:_MAX_SHOWN]) + "..."
        case _:
            return repr(value)
