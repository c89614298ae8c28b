"""Reads typed fields from a mapping of the DSL, and notes what is wrong instead of raising."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from jikko.errors import Problem
from jikko.values import Json, Selector

_MAX_PROBLEMS: Final = 10_000
_MAX_HINTED: Final = 100
_MAX_SHOWN: Final = 60
_MAX_WORD: Final = 100


class Fields:
    """One mapping of the document, the path that leads to it, and the list that collects problems.

    Readers never raise: what is missing or of the wrong type is noted once and replaced by the default.
    """

    __slots__ = ("_written", "problems", "raw", "where")

    def __init__(
        self, where: str, raw: Mapping[str, Any], problems: list[Problem], written: Mapping[str, Any] | None = None
    ) -> None:
        """Args:
        written: The mapping as it stands in the file, if ``raw`` has other values in the place of some texts, which may
            be secrets: what problems quote is from here.
        """
        self.where = where
        self.raw = raw
        self.problems = problems
        self._written = raw if written is None else written

    def problem(self, name: str, what: str, hint: str = "", *, fatal: bool = True) -> None:
        """Note a problem with the field ``name`` (``""`` for the mapping itself).

        A file can have millions. Of those behind the first thousands only fatal ones are noted, then none.
        """
        if len(self.problems) >= (2 * _MAX_PROBLEMS if fatal else _MAX_PROBLEMS):
            return
        self.problems.append(Problem(self.at(name), what, hint, fatal))

    def at(self, name: str) -> str:
        """The path of a field; that of the mapping itself for ``""``."""
        return f"{self.where}.{name}" if self.where and name else self.where or name

    def shown(self, name: str) -> str:
        """A value as messages show it: short, whatever its size, and as it stands in the file."""
        return shown(self._written.get(name))

    def meant(self, wrong: Json, choices: tuple[str, ...] | list[str]) -> str:
        """A hint that names the most similar choice, or ``""``.

        Comparing is slow: once a file has many problems, there are no more hints.
        """
        return did_you_mean(wrong, choices) if len(self.problems) < _MAX_HINTED else ""

    def standing_at(self, where: str) -> "Fields":
        """The same mapping, as it is told of at another path."""
        return Fields(where, self.raw, self.problems, self._written)

    def get(self, name: str, default: Json = None) -> Json:
        """The raw value."""
        return self.raw.get(name, default)

    def text(self, name: str, default: str = "", *, required: bool = False) -> str:
        """A string. Numbers are accepted and written out, as people leave off quotes."""
        value = self.raw.get(name)
        if value is None:
            if required:
                self.problem(name, "is missing", "expected a text")
            return default
        if isinstance(value, str):
            return value
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return str(value)
        self.problem(name, f"is {self.shown(name)}, not a text")
        return default

    def boolean(self, name: str, default: bool = False) -> bool:
        value = self.raw.get(name)
        if value is None:
            return default
        if isinstance(value, bool):
            return value
        self.problem(name, f"is {self.shown(name)}, not true or false")
        return default

    def integer(self, name: str, default: int = 0, *, minimum: int | None = None) -> int:
        """A whole number; a text or float that is one is accepted."""
        value = self.raw.get(name)
        if value is None or value == "":
            return default
        try:
            if isinstance(value, bool) or not isinstance(value, (int, float, str)) or int(value) != float(value):
                raise ValueError
            number = int(value)
        except (ValueError, OverflowError):
            self.problem(name, f"is {self.shown(name)}, not a whole number")
            return default
        if minimum is not None and number < minimum:
            self.problem(name, f"is {self.shown(name)}, less than {minimum}")
            return default
        return number

    def choice(self, name: str, choices: tuple[str, ...], default: str) -> str:
        """One of some words."""
        value = self.raw.get(name)
        if value is None or value == "":
            return default
        if isinstance(value, str) and value in choices:
            return value
        self.problem(name, f"is {self.shown(name)}", self.meant(value, choices) or f"expected {' or '.join(choices)}")
        return default

    def selector(self, name: str, *, required: bool = False) -> Selector:
        """A pointer to a variable. An empty one (``()``) if it is missing."""
        value = self.raw.get(name)
        if value is None or value == []:
            if required:
                self.problem(name, "is missing", "expected a selector: [node id, variable]")
            return ()
        found = as_selector(value)
        if found is None:
            self.problem(name, f"is {self.shown(name)}, not a selector", "expected [node id, variable]")
            return ()
        return found

    def selectors(self, name: str) -> tuple[Selector, ...]:
        """A list of selectors. Bad ones are noted and left out."""
        found = []
        for index, value in enumerate(self.items(name)):
            selector = as_selector(value)
            if selector is None:
                self.problem(f"{name}[{index}]", f"is {shown(value)}, not a selector", "expected [node id, variable]")
            elif selector:
                found.append(selector)
        return tuple(found)

    def items(self, name: str, *, required: bool = False) -> list[Any]:
        """A list, whatever is in it."""
        value = self.raw.get(name)
        if value is None:
            if required:
                self.problem(name, "is missing", "expected a list")
            return []
        if isinstance(value, list):
            return value
        self.problem(name, f"is {self.shown(name)}, not a list")
        return []

    def mapping(self, name: str) -> "Fields":
        """A mapping, to be read in its turn. An empty one if it is missing."""
        value = self.raw.get(name)
        if value is not None and not isinstance(value, Mapping):
            self.problem(name, f"is {self.shown(name)}, not a mapping")
            value = None
        return Fields(self.at(name), value or {}, self.problems, self._written.get(name) if value else None)

    def mappings(self, name: str, *, required: bool = False) -> Iterator["Fields"]:
        """A list of mappings, each to be read in its turn. Other elements are noted and left out."""
        values = self.items(name, required=required)
        written = self._written[name] if values else []
        for index, (value, as_written) in enumerate(zip(values, written, strict=True)):
            if isinstance(value, Mapping):
                yield Fields(f"{self.at(name)}[{index}]", value, self.problems, as_written)
            else:
                self.problem(f"{name}[{index}]", f"is {shown(as_written)}, not a mapping")


def as_selector(value: Json) -> Selector | None:
    """A selector from its form in the DSL (a list of texts); ``None`` if it is none.

    Old files read ``sys.query`` and its like, and ``env.NAME``, as outputs of the start node; they are the variables
    themselves. Source: Dify 1.15, spec/nodes.md, start.
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
    """A hint that names the most similar choice, or ``""``."""
    import difflib

    word = str(wrong)
    # A name of that length is no typing error, and comparing it would take long.
    if len(word) > _MAX_WORD:
        return ""
    close = difflib.get_close_matches(word, [str(choice) for choice in choices], n=1)
    return f"did you mean {close[0]!r}?" if close else ""


def shown(value: Json) -> str:
    """A value as messages show it: short, whatever its size."""
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
