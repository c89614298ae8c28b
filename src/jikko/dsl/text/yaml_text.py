"""YAML parser with limits: text to plain JSON values.

Rule 1: nothing here recurses, so that no file can exhaust the stack.
Rule 2: an alias shares the value that it names, but counts like a copy: the limit applies to what a reader of the whole
value walks through, not only to what is written.

Scalars are resolved like PyYAML's safe loader (YAML 1.1), which Dify uses, except that everything stays JSON: dates,
binary data and integers of more than 64 bits remain texts.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import yaml
from msgspec import Struct

from jikko.diagnostics.diagnostic import Phrase
from jikko.values import Json

_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_HINTS: Final = (
    ("cannot start any token", "remedy.yaml_token"),
    ("mapping values are not allowed", "remedy.yaml_colon"),
    ("could not find expected ':'", "remedy.yaml_no_colon"),
    ("did not find expected alphabetic", "remedy.yaml_alias"),
    ("did not find expected key", "remedy.yaml_key"),
    ("did not find expected '-' indicator", "remedy.yaml_list"),
)
_OPEN_QUOTE: Final = "found unexpected end of stream"
_NO_TEXT: Final = re.compile(r"[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters forbidden in YAML. Source: YAML 1.1, 5.1."""
_MAX_DOUBTS: Final = 20


class LoadLimits(Struct, frozen=True):
    max_bytes: int = 10 * 1024 * 1024
    """Maximum size of the text. Source: docs/dify-behaviour.md, “File format and import”."""
    max_depth: int = 100
    """Maximum nesting of mappings and lists."""
    max_values: int = 2_000_000
    """Maximum number of keys, values, lists and units of 16 characters, with aliases counted as copies."""


class YamlProblem(Exception):
    """The text is invalid."""

    def __init__(self, what: str | Phrase, hint: str | Phrase = "", *, line: int = 0, column: int = 0) -> None:
        self.what = what if isinstance(what, Phrase) else Phrase("document.verbatim", {"text": what})
        super().__init__(self.what.text())
        self.hint = hint
        self.line = line
        """From 1; 0 if not about one place. Likewise ``column``."""
        self.column = column


def parse(text: str, limits: LoadLimits, doubts: list[YamlProblem] | None = None) -> Json:
    """Parse a YAML document; ``None`` if empty. Raises ``YamlProblem``, also beyond a limit.

    ``doubts``: Collects probable mistakes: duplicate keys, of which the last counts.
    """
    try:
        return _read(as_yaml(text), limits, [] if doubts is None else doubts)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what: str | Phrase = Phrase("document.not_yaml", {"reason": error.problem or error.context or ""})
        if error.problem == _OPEN_QUOTE and error.context_mark is not None:
            # Its start, rather than the end of the file.
            mark, what = error.context_mark, Phrase("document.open_quote")
        hint: str | Phrase = next((Phrase(hint) for sign, hint in _HINTS if sign in str(error)), "")
        raise YamlProblem(
            what, hint, line=mark.line + 1 if mark else 0, column=mark.column + 1 if mark else 0
        ) from None
    except (yaml.reader.ReaderError, UnicodeEncodeError) as error:
        found = _NO_TEXT.search(text)
        if found is None:
            what = f"has characters that YAML does not allow: {getattr(error, 'reason', error)}"
            raise YamlProblem(what, "is it a text file?") from None
        line, column = text.count("\n", 0, found.start()) + 1, found.start() - text.rfind("\n", 0, found.start())
        what = f"has the character {found[0]!a}, which YAML does not allow"
        raise YamlProblem(what, "remove it; is it a text file?", line=line, column=column) from None


def _read(text: str, limits: LoadLimits, doubts: list[YamlProblem]) -> Json:
    loader = _LOADER(text)
    builder = _Builder(limits, doubts)
    handlers: Mapping[type, Callable[[Any], None]] = {
        yaml.ScalarEvent: builder.scalar,
        yaml.AliasEvent: builder.alias,
        yaml.MappingStartEvent: builder.open,
        yaml.SequenceStartEvent: builder.open,
        yaml.MappingEndEvent: builder.close,
        yaml.SequenceEndEvent: builder.close,
        yaml.DocumentStartEvent: builder.document,
    }
    try:
        next_event = loader.get_event
        while (event := next_event()) is not None:
            handler = handlers.get(type(event))
            if handler is not None:
                handler(event)
    finally:
        loader.dispose()
    return builder.root


class _Frame:
    __slots__ = ("anchor", "before", "has_key", "height", "key", "merged", "value")

    def __init__(self, value: Any, anchor: str | None, before: int) -> None:
        self.value = value
        self.anchor = anchor
        self.before = before
        """Number of values counted before it."""
        self.height = 0
        """Its nesting depth."""
        self.has_key = False
        self.key: Any = None
        self.merged: list[Any] = []
        """Values of the mapping's ``<<`` keys."""


class _Builder:
    def __init__(self, limits: LoadLimits, doubts: list[YamlProblem]) -> None:
        self.root: Json = None
        self._limits = limits
        self._doubts = doubts
        self._documents = 0
        self._stack: list[_Frame] = []
        self._anchors: dict[str, tuple[Json, int, int] | None] = {}
        """Value, count and depth; ``None`` until it is complete."""
        self._count = 0
        # Interned: keys and enumerations repeat thousands of times.
        self._known: dict[str, Any] = {}

    def document(self, event: Any) -> None:
        self._documents += 1
        if self._documents > 1:
            raise _problem(event, "has more than one YAML document", "the file has a second '---'")

    def scalar(self, event: Any) -> None:
        tag = event.tag
        if tag is None and event.implicit[0]:
            text = event.value
            if text in self._known:
                value = self._known[text]
            else:
                value = plain(text)
                if len(text) < 64:
                    self._known[text] = value
        elif tag is None or tag == "!":
            value = event.value
        elif tag in SCALAR_TAGS:
            value = tagged(tag, event.value)
        else:
            raise _unknown_tag(event)
        count = 1 + len(event.value) // 16
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, count, 0)
        self._add(value, count, 0, event)

    def alias(self, event: Any) -> None:
        if event.anchor not in self._anchors:
            what = Phrase("document.not_yaml", {"reason": f"found undefined alias {event.anchor!r}"})
            raise _problem(event, what, Phrase("remedy.yaml_alias"))
        anchored = self._anchors[event.anchor]
        if anchored is None:
            raise _problem(event, f"refers to itself by the alias {event.anchor!r}")
        value, count, height = anchored
        self._check_depth(len(self._stack) + height, event)
        self._add(value, count, height, event)

    def open(self, event: Any) -> None:
        if event.tag not in (None, "!") and event.tag not in COLLECTION_TAGS:
            raise _unknown_tag(event)
        self._check_depth(len(self._stack) + 1, event)
        if self._stack and isinstance(self._stack[-1].value, dict) and not self._stack[-1].has_key:
            raise _problem(event, "has a list or mapping as a key", "a key that begins with '{' or '[' needs quotes")
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        self._stack.append(_Frame({} if type(event) is yaml.MappingStartEvent else [], event.anchor, self._count))

    def close(self, event: Any) -> None:
        frame = self._stack.pop()
        if frame.merged:
            self._merge(frame)
        if frame.anchor is not None:
            count = self._count - frame.before + 1
            self._anchors[frame.anchor] = (frame.value, count, frame.height + 1)
        self._add(frame.value, 1, frame.height + 1, event)

    def _check_depth(self, depth: int, event: Any) -> None:
        if depth > self._limits.max_depth:
            raise _problem(event, f"is nested deeper than {self._limits.max_depth} levels")

    def _add(self, value: Any, count: int, height: int, event: Any) -> None:
        self._count += count
        if self._count > self._limits.max_values:
            raise _problem(event, f"has more than {self._limits.max_values} values, with what its aliases repeat")
        if not self._stack:
            self.root = None if value is MERGE else value
            return
        frame = self._stack[-1]
        if height > frame.height:
            frame.height = height
        if isinstance(frame.value, list):
            frame.value.append("<<" if value is MERGE else value)
        elif not frame.has_key:
            frame.key = value if value is MERGE else _as_key(value, event)
            frame.has_key = True
            if frame.key in frame.value and len(self._doubts) < _MAX_DOUBTS:
                hint = "the last one holds: remove the others"
                self._doubts.append(_problem(event, f"the key {frame.key[:60]!r} is here a second time", hint))
        else:
            frame.has_key = False
            if frame.key is MERGE:
                merged = value if isinstance(value, list) else [value]
                if not all(isinstance(mapping, dict) for mapping in merged):
                    raise _problem(event, "has a '<<' key that names no mapping")
                frame.merged.extend(merged)
            else:
                frame.value[frame.key] = "<<" if value is MERGE else value

    def _merge(self, frame: _Frame) -> None:
        own = frame.value
        frame.value = {}
        for mapping in reversed(frame.merged):
            frame.value.update(mapping)
        frame.value.update(own)


def _as_key(value: Any, event: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (list, dict)):
        raise _problem(event, "has a list or mapping as a key")
    # As in Dify's JSON column: true, null, 1.
    return json.dumps(value)


def _unknown_tag(event: Any) -> YamlProblem:
    what = f"has the tag {event.tag!r}, which is not allowed"
    return _problem(event, what, "a text that begins with '!' needs quotes")


def _problem(event: Any, what: str | Phrase, hint: str | Phrase = "") -> YamlProblem:
    return YamlProblem(what, hint, line=event.start_mark.line + 1, column=event.start_mark.column + 1)


CORE: Final = "tag:yaml.org,2002:"
SCALAR_TAGS: Final = frozenset(
    CORE + name for name in ("null", "bool", "int", "float", "str", "timestamp", "binary", "merge", "value")
)
COLLECTION_TAGS: Final = frozenset(CORE + name for name in ("map", "seq", "set", "omap", "pairs"))
MERGE: Final = object()
"""The key ``<<``, which merges the entries of its mapping."""

_RESOLVERS: Final[dict[str, Any]] = yaml.SafeLoader.yaml_implicit_resolvers
_TRUE: Final = frozenset({"yes", "true", "on"})
_MAX_NUMBER: Final = 400
"""Maximum characters. Longer ones exceed 64 bits, and "1:1:1:..." would take quadratic time."""


def plain(text: str) -> Any:
    """Resolve an unquoted scalar; ``MERGE`` for ``<<``."""
    for tag, pattern in _RESOLVERS.get(text[:1], ()):
        if pattern.match(text):
            return _construct(tag, text)
    return text


def tagged(tag: str, text: str) -> Any:
    """Resolve a scalar with an explicit tag of ``SCALAR_TAGS``; the text if it does not fit."""
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


_ESCAPE: Final = re.compile(r"\\(?:u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})|.)", re.IGNORECASE)


def as_yaml(text: str) -> str:
    """Return the text itself, unless it is JSON that YAML would reject."""
    if not text.lstrip().startswith(("{", "[")) or ("\t" not in text and r"\ud" not in text.lower()):
        return text
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return text
    return _ESCAPE.sub(_character, text).replace("\t", " ")


def _character(escape: re.Match[str]) -> str:
    first, second = escape.groups()
    if first is None:
        return escape[0]
    return (bytes.fromhex(first) + bytes.fromhex(second)).decode("utf-16-be")
