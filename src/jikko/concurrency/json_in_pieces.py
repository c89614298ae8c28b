"""Incremental decoding of large untrusted JSON, which yields to the event loop between pieces.

Decoding 12 MB in one call may block the loop for half a second. So the body is cut after commas. Each piece is decoded
together with the brackets that are open around it, and its content is moved to where it belongs:

    body      {"a": [1, 2,              3], "b": {"c": 4}}
    decoded   [FIRST, {"a": [1, 2, LAST], LAST: 0}, LAST]
                                        [{FIRST: [FIRST, 3], "b": {"c": 4}}, LAST]

``FIRST`` stands for what precedes the piece; ``LAST`` marks the lists and objects that continue after it.

A string longer than a window is decoded in parts, too; a short placeholder stands for it in its piece. Long numbers
count as several elements, since writing one takes time quadratic in its digits.
"""

import asyncio
import re
import secrets
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from jikko.values import MAX_DEPTH

LARGE_BYTES: Final = 1 << 18
"""Largest size in bytes that is decoded at once: at most 10 ms."""
MAX_ELEMENTS: Final = 200_000
"""Default limit of array and object elements in large JSON, in total."""
_WINDOW_BYTES: Final = 1 << 16
"""Bytes scanned at a time, and decoded if they contain a comma: about 3 ms."""
_LIST: Final = ord("[")
_QUOTE: Final = ord('"')

_IN_TEXT: Final = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_TEXTS: Final = re.compile(rb'"%b"' % _IN_TEXT.pattern, re.DOTALL)
_ENTRIES: Final = re.compile(rb'(?:(?:[^",]++|%b)*+,)*+' % _TEXTS.pattern, re.DOTALL)
"""Everything up to the last comma outside of strings."""
_WHOLE: Final = re.compile(rb'(?:[^"]++|%b)*+' % _TEXTS.pattern, re.DOTALL)
"""Everything up to an unterminated string."""
_PART: Final = re.compile(rb'(?:[^"\\]++|\\(?:u[0-9a-fA-F]{4}|[^u]))*+', re.DOTALL)
"""Part of a string that splits no escape."""
_LOW_SURROGATE: Final = re.compile(rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_LONG_NUMBER: Final = re.compile(rb"(?<![0-9])[0-9]{91,}+")
_PLACE: Final = re.compile(r"(?<=\(byte )\d+(?=\))")

Decode: TypeAlias = Callable[[bytes | bytearray], Any]
decode_strictly: Final[Decode] = msgspec.json.Decoder().decode


class TooManyElements(ValueError):
    """Arrays and objects exceed the limit of elements. The message names the excess."""


async def decode_json(text: str | bytes | bytearray, decode: Decode = decode_strictly, most: int = MAX_ELEMENTS) -> Any:
    """Decode JSON, yielding to the loop if it is large.

    Args:
        decode: Decoder, which may accept a superset of JSON, such as ``json.loads``.
        most: Limit of elements of large JSON: its commas and opening brackets. A number of n digits counts as n² / 8192
            more.

    Raises:
        TooManyElements: Large JSON exceeds ``most``.
        RecursionError: Nested too deeply; large JSON by more than ``MAX_DEPTH`` levels.
        ValueError, msgspec.DecodeError: From the decoder. ``(byte N)`` in the message counts from the start of the
            body.
    """
    body = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if len(body) <= LARGE_BYTES:
        return decode(body)
    pieces = _Pieces(decode, most, body)
    for window in _windows(body):
        if window.is_text:
            pieces.add_text(window)
        else:
            pieces.look_at(window.structure)
            if window.ends_after_comma:
                pieces.add(window.end)
        await asyncio.sleep(0)
    return pieces.ended()


def has_more_elements(body: bytes, than: int) -> bool:
    """Return whether JSON has more than ``than`` elements. At most 10 ms per megabyte."""
    return any((than := than - _elements(window.structure)) < 0 for window in _windows(body))


def _elements(structure: bytes) -> int:
    numbers = sum(len(number) ** 2 // 8192 for number in _LONG_NUMBER.findall(structure))
    return numbers + sum(map(structure.count, (b",", b"[", b"{")))


class _Window(NamedTuple):
    begin: int
    end: int
    structure: bytes = b""
    """Its characters outside of strings."""
    ends_after_comma: bool = False
    """Whether it ends after a comma outside of strings."""
    is_text: bool = False
    """Whether it is part of one string."""


def _windows(body: bytes | bytearray) -> Iterator[_Window]:
    at = 0
    while at < len(body):
        stop = min(at + _WINDOW_BYTES, len(body))
        end = _end(_ENTRIES, body, at, stop)
        ends_after_comma = end > at
        if not ends_after_comma:
            end = _end(_WHOLE, body, at, stop)
        yield _Window(at, end, _TEXTS.sub(b"", body[at:end]), ends_after_comma)
        at = end
        if not ends_after_comma and end < stop:
            # A string longer than a window.
            at += 1
            while at < len(body) and body[at] != _QUOTE:
                end = _end_of_part(body, at)
                yield _Window(at, end, is_text=True)
                at = end
            at += 1


def _end_of_part(body: bytes | bytearray, at: int) -> int:
    """Return where a string may be cut: not within an escape, a character or a surrogate pair. Outside of strings any
    place will do."""
    stop = min(at + _WINDOW_BYTES, len(body))
    end = _end(_PART, body, at, stop)
    if end == at:
        return stop
    for _ in range(3):
        if end < len(body) and body[end] & 0xC0 == 0x80:
            end -= 1
    low = _LOW_SURROGATE.match(body, end)
    return end if low is None else low.end()


def _end(pattern: "re.Pattern[bytes]", body: bytes | bytearray, at: int, stop: int) -> int:
    found = pattern.match(body, at, stop)
    return at if found is None else found.end()


class _Pieces:
    """Decoded content so far, and the lists and objects still open."""

    def __init__(self, decode: Decode, most: int, body: bytes | bytearray) -> None:
        self._decode = decode
        self._body = body
        self._begin = 0
        """Start of the undecoded rest: the next piece, or what follows its last long string."""
        self._before: list[tuple[int, bytes | bytearray]] = []
        """Content of the next piece before that, with its positions."""
        self._texts: dict[str, list[str]] = {}
        """Long strings of the next piece, in parts, by placeholder."""
        self._text_end = -1
        self._most = self._left = most
        self._mark = mark = secrets.token_hex(16)
        self._first, self._last = f"{mark}<", f"{mark}>"
        self._open: list[Any] = [[]]
        """Open containers, outermost first; the first holds the whole."""
        self._closed = 0
        """Number of open containers that the next piece closes."""
        self._opened: list[int] = []
        """Brackets that the next piece opens and does not close."""

    def look_at(self, structure: bytes) -> None:
        """Count the brackets and commas of the next piece."""
        self._left -= _elements(structure)
        for bracket in structure.translate(None, _NOT_BRACKETS):
            if bracket in b"[{":
                self._opened.append(bracket)
                if len(self._open) - 1 - self._closed + len(self._opened) > MAX_DEPTH:
                    raise RecursionError(f"nested by more than {MAX_DEPTH} levels")
            elif self._opened:
                self._opened.pop()
            else:
                self._closed += 1
        if self._left < 0:
            raise TooManyElements(f"more than {self._most} elements of arrays and objects")

    def add_text(self, part: _Window) -> None:
        """Decode part of a long string of the next piece."""
        if part.begin != self._text_end:
            mark = f"{self._mark}{len(self._texts)}"
            self._before += (self._begin, self._body[self._begin : part.begin]), (part.begin, mark.encode())
            self._texts[mark] = []
        parts = next(reversed(self._texts.values()))
        parts.append(
            self._decoded([(part.begin, b'"'), (part.begin, self._body[part.begin : part.end]), (part.end, b'"')])
        )
        self._begin = self._text_end = part.end

    def add(self, end: int) -> None:
        """Decode the next piece, which ends with a comma."""
        self._add(end, b"")
        if len(self._open) == 1:
            raise msgspec.DecodeError(f"JSON is malformed: trailing characters (byte {end})")

    def ended(self) -> Any:
        """Decode the last piece and return the result."""
        self._add(len(self._body), b",")
        if len(self._open) > 1:
            raise msgspec.DecodeError("Input data was truncated")
        return self._open[0][0]

    def _add(self, end: int, comma: bytes) -> None:
        around = self._open[-1 - self._closed :]
        kinds = [ord("[") if isinstance(each, list) else ord("{") for each in around]
        first, last = self._first.encode(), self._last.encode()
        head = b"".join(b"[" if kind == _LIST else b'{"%b":' % first for kind in kinds[:-1])
        head += b'["%b",' % first if kinds[-1] == _LIST else b'{"%b":0,' % first
        behind = chain(reversed(self._opened), kinds[:1])
        tail = b",".join(b'"%b"]' % last if kind == _LIST else b'"%b":0}' % last for kind in behind)
        begin = self._before[0][0] if self._before else self._begin
        piece = [(begin, head), *self._before, (self._begin, self._body[self._begin : end]), (end, comma + tail)]
        value = self._decoded(piece)
        if self._texts:
            value = _with_texts(value, {mark: "".join(parts) for mark, parts in self._texts.items()})
            self._before.clear()
            self._texts.clear()
        self._begin = end
        self._put(value, around)

    def _decoded(self, parts: list[tuple[int, bytes | bytearray]]) -> Any:
        """Decode parts together. Each has a position in the body, or replaces what is there."""
        try:
            return self._decode(b"".join(part for _, part in parts))
        except msgspec.DecodeError as error:
            raise type(error)(_PLACE.sub(lambda found: str(self._place(parts, int(found[0]))), str(error))) from None

    def _place(self, parts: list[tuple[int, bytes | bytearray]], at: int) -> int:
        for begin, part in parts:
            if at < len(part):
                return min(begin + at, len(self._body))
            at -= len(part)
        return len(self._body)

    def _put(self, value: Any, around: list[Any]) -> None:
        for container in around:
            if isinstance(container, list):
                inner = value[0]
                container += value[1:]
            else:
                inner = value.pop(self._first)
                container.update(value)
            value = inner
        if self._closed:
            del self._open[-self._closed :]
        self._unmark(self._open[-1])
        for _ in self._opened:
            holder = self._open[-1]
            # Nearly always the last entry: an object may repeat the name of its last entry.
            held = reversed(holder if isinstance(holder, list) else holder.values())
            self._open.append(next(each for each in held if self._is_incomplete(each)))
            self._unmark(self._open[-1])
        self._closed = 0
        self._opened.clear()

    def _is_incomplete(self, value: Any) -> bool:
        if isinstance(value, list):
            return bool(value) and value[-1] == self._last
        return isinstance(value, dict) and self._last in value

    def _unmark(self, container: Any) -> None:
        if isinstance(container, list):
            container.pop()
        else:
            del container[self._last]


def _with_texts(value: Any, texts: dict[str, str]) -> Any:
    """Replace placeholders in a value by their strings."""
    match value:
        case str():
            return texts.get(value, value)
        case list():
            return [_with_texts(item, texts) for item in value]
        case dict():
            return {texts.get(name, name): _with_texts(item, texts) for name, item in value.items()}
        case _:
            return value
