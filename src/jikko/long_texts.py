"""Encoding of long texts in JSON, in chunks, between which the event loop runs other tasks.

A text of 12 MB of line breaks or quotes takes 35 ms to encode, and an event may contain several, or one several times.
So the value is encoded with short placeholders, which are then replaced by the encoded texts.
"""

import asyncio
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from json.encoder import encode_basestring
from operator import attrgetter
from typing import Annotated, Any, Final, NewType

import msgspec
from msgspec import Meta

from jikko.events import (
    AgentLogged,
    ContainerStarted,
    Event,
    NodeAttempted,
    NodeFinished,
    NodeStarted,
    ReasoningChunk,
    RoundFinished,
    RoundStarted,
    RunFinished,
    RunStarted,
    StepRecorded,
    TextChunk,
    TextReplaced,
)
from jikko.values import Json, encode_json

LONG_TEXT: Final = 1 << 18
"""Characters of a chunk, and the length from which texts are split: 1 to 2 ms of encoding."""
IS_LONG: Final = slice(LONG_TEXT, LONG_TEXT + 1)
"""Slice of a text that is empty unless the text is long. (``len`` would be a call, for each node of all runs.)"""
_MAX_INLINE_CHARACTERS: Final = 1 << 20
"""Characters of long texts that are encoded together with their value."""
_MAX_SCANNED: Final = 4000
"""Values searched for long texts, outermost first: a millisecond."""
_MAX_SEEN: Final = 16_000
"""Values of an append's events that are searched for a long text: a millisecond."""
_FEW: Final = ((8, 2, 4, 4, 2, 4, 2), (64, 16, 8), (8, 128, 8))
"""Entries of a list or an object, by depth, up to which they are not counted: a few records of conditions, wide
values, and long lists of records. 8,192 in all at most."""
_SAMPLE: Final = 64


class LongTexts:
    """Long texts of one value: a struct, or lists and objects."""

    def __init__(self, value: Any, encode: Callable[[str], bytes] | None = None) -> None:
        """``encode``: Encodes a text as JSON; by default ``encode_text``."""
        self.value = value
        self._encode = encode or encode_text
        self._places = _places(value)
        self.are_many = sum(len(text) for _, text in self._places) > _MAX_INLINE_CHARACTERS
        """Whether they take long to encode together."""
        self._mark = secrets.token_hex(16)
        self._pieces = self._encoded()
        self._parts: dict[str, list[bytes]] = {}
        """Encoded chunks, by placeholder."""

    def encode_piece(self) -> bool:
        """Encode the next chunk. Returns whether there may be more."""
        return next(self._pieces, None) is not None

    def marked(self) -> Any:
        """Return the value with placeholders for its long texts."""
        tree: dict[Any, Any] = {}
        for path, text in self._places:
            branch = tree
            for key in path[:-1]:
                branch = branch.setdefault(key, {})
            branch[path[-1]] = self._mark_of(text)
        return _with(self.value, tree) if tree else self.value

    def filled(self, marked: bytes) -> bytes:
        """Replace the placeholders in the JSON of the ``marked`` value, once all chunks are encoded."""
        found: list[bytes] = []
        for at, part in enumerate(re.split(b"(%b[0-9]+)" % self._mark.encode(), marked)):
            found += self._parts[part.decode()] if at % 2 else (part,)
        return b"".join(found)

    def _mark_of(self, text: str) -> str:
        return f"{self._mark}{id(text)}"

    def _encoded(self) -> Iterator[bool]:
        for mark, text in {self._mark_of(text): text for _, text in self._places}.items():
            parts = self._parts[mark] = []
            for begin in range(0, len(text), LONG_TEXT):
                parts.append(self._encode(text[begin : begin + LONG_TEXT])[1:-1])
                yield True


async def encode_giving_way(
    value: Any, encode: Callable[[Any], bytes] = encode_json, text: Callable[[str], bytes] | None = None
) -> bytes:
    """Encode a value as JSON, giving way to other tasks between the chunks of many long texts. ``encode``: Encodes the
    value, and may add something around it. ``text``: See ``LongTexts``."""
    texts = LongTexts(value, text)
    if not texts.are_many:
        return encode(value)
    for _ in iter(texts.encode_piece, False):
        await asyncio.sleep(0)
    return texts.filled(encode(texts.marked()))


def encode_once(value: Any) -> bytes:
    """Encode a value as JSON, and a long text that occurs several times only once."""
    texts = LongTexts(value)
    if not texts.are_many:
        return encode_json(value)
    while texts.encode_piece():
        pass
    return texts.filled(encode_json(texts.marked()))


def _short(sizes: Sequence[int]) -> Any:
    """Return the type of JSON values with short texts and few entries. ``sizes``: Most entries, outermost first."""
    kinds: Any = None | bool | int | float | Annotated[str, Meta(max_length=LONG_TEXT)]
    if not sizes:
        return kinds
    # A new type, as Python would compare the parts of all unions otherwise.
    inner: Any = NewType("_Inner", _short(sizes[1:]))  # type: ignore[misc]
    few = Meta(max_length=sizes[0])
    return kinds | Annotated[list[inner], few] | Annotated[dict[str, inner], few]


@cache
def _checked(sizes: Sequence[int]) -> Any:
    """Return a struct type of one list, of ``_short`` values."""
    kinds: Any = list[_short(sizes)]  # type: ignore[misc]
    return msgspec.defstruct("_Checked", [("values", kinds)], array_like=True)


def has_long_text(values: Sequence[Json]) -> bool:
    """Return whether the values contain a long text, within ``LongTexts``' limits."""
    # msgspec looks in C, which is enough for most runs.
    for sizes in _FEW:
        try:
            msgspec.convert((values,), _checked(sizes))
        except msgspec.ValidationError:
            continue
        return False
    return _search(values)


def _search(values: Sequence[Json]) -> bool:
    pending: list[Any] = [*values]
    left = _MAX_SEEN
    for each in pending:
        # No calls: this runs for each node of all runs.
        kind = type(each)
        if kind is str:
            if each[IS_LONG]:
                return True
        elif kind is dict:
            for key in each:
                left -= 1
                entry = each[key]
                if type(entry) is str:
                    if entry[IS_LONG]:
                        return True
                elif type(entry) is dict or type(entry) is list:
                    pending += [entry]
                if left < 0:
                    return False
        elif kind is list and not each[left:]:
            for entry in each:
                left -= 1
                if type(entry) is str:
                    if entry[IS_LONG]:
                        return True
                elif type(entry) is dict or type(entry) is list:
                    pending += [entry]
    return False


def encode_text(text: str) -> bytes:
    """Encode a text as JSON like ``encode_json``, which takes twice as long if most characters need escapes."""
    sample = text[::_SAMPLE]
    if sum(map(sample.count, '\n"\\\t\r')) * 4 > len(sample):
        return encode_basestring(text).encode("utf-8", "replace")
    return encode_json(text)


def _places(value: Any) -> list[tuple[tuple[Any, ...], str]]:
    """Return the long texts with their paths: field names, keys, and positions."""
    found: list[tuple[tuple[Any, ...], str]] = []
    left = _MAX_SCANNED
    pending: list[tuple[tuple[Any, ...], Any]] = [((), value)]
    for path, each in pending:
        size = len(each.__struct_fields__ if isinstance(each, msgspec.Struct) else each)
        if size > left:
            continue
        left -= size
        for key, entry in _entries(each):
            if isinstance(entry, str):
                if len(entry) > LONG_TEXT:
                    found.append(((*path, key), entry))
            elif isinstance(entry, (dict, list, tuple, msgspec.Struct)) and entry:
                pending.append(((*path, key), entry))
    return found


def _entries(value: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(value, dict):
        return value.items()
    if isinstance(value, (list, tuple)):
        return enumerate(value)
    return ((name, getattr(value, name)) for name in value.__struct_fields__)


def _with(value: Any, tree: Any) -> Any:
    if not isinstance(tree, dict):
        return tree
    if isinstance(value, dict):
        return {**value, **{key: _with(value[key], branch) for key, branch in tree.items()}}
    if isinstance(value, (list, tuple)):
        return [_with(entry, tree[at]) if at in tree else entry for at, entry in enumerate(value)]
    return msgspec.structs.replace(value, **{name: _with(getattr(value, name), tree[name]) for name in tree})


# Parts of events that may be long.

_PARTS: Final[Mapping[type[Event], Callable[[Any], tuple[Json, ...]]]] = {
    AgentLogged: attrgetter("data", "metadata"),
    ContainerStarted: attrgetter("inputs", "variables"),
    NodeAttempted: attrgetter("inputs", "outputs"),
    ReasoningChunk: attrgetter("said", "text"),
    RoundFinished: attrgetter("outputs", "error"),
    RoundStarted: attrgetter("variables", "title"),
    RunFinished: attrgetter("outputs", "error"),
    RunStarted: attrgetter("inputs", "system"),
    StepRecorded: attrgetter("answer", "request"),
}


def first_long(events: Sequence[Event]) -> tuple[int, LongTexts] | None:
    """Return the first event that takes long to encode: its position, and its texts."""
    told: list[Json] = []
    for event in events:
        # No calls for the most frequent ones.
        kind = type(event)
        if kind is NodeStarted:
            continue
        if kind is NodeFinished:
            told += [event.outputs, event.inputs, event.process_data]  # type: ignore[union-attr]
        elif kind is TextChunk or kind is TextReplaced:
            if event.text[IS_LONG]:  # type: ignore[union-attr]
                told += [event.text]  # type: ignore[union-attr]
        elif kind in _PARTS:
            told += _PARTS[kind](event)
    if told and has_long_text(told):
        for position, event in enumerate(events):
            texts = LongTexts(event)
            if texts.are_many:
                return position, texts
    return None
