"""Large JSON of strangers, decoded in pieces, between which others have the event loop.

A decoder that is called once for 12 MB may hold all others up for half a second. So a body is cut behind commas. Each
piece is decoded together with the brackets that are open around it, and what it holds is put where it belongs:

    body      {"a": [1, 2,              3], "b": {"c": 4}}
    decoded   [FIRST, {"a": [1, 2, LAST], LAST: 0}, LAST]
                                        [{FIRST: [FIRST, 3], "b": {"c": 4}}, LAST]

``FIRST`` stands for what came before the piece, and ``LAST`` shows which lists and objects go on behind it.

Nothing else takes long: a text is decoded at once, however long it is (2 ms for a megabyte, at most). Long numbers
count as several elements, since to write one takes time with the square of its digits.
"""

import asyncio
import re
import secrets
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, Final, TypeAlias

import msgspec

from jikko.values import MAX_DEPTH

LARGE_BYTES: Final = 1 << 18
"""Bytes up to which JSON is decoded at once: that takes 10 ms at most."""
MAX_ELEMENTS: Final = 200_000
"""Elements that arrays and objects of large JSON may have in all, unless a setting says otherwise."""
_WINDOW_BYTES: Final = 1 << 16
"""Bytes that are looked through, and decoded if there is a comma in them, at a time: about 3 ms."""
_LIST: Final = ord("[")

_IN_TEXT: Final = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_TEXTS: Final = re.compile(rb'"%b"' % _IN_TEXT.pattern, re.DOTALL)
_ENTRIES: Final = re.compile(rb'(?:(?:[^",]++|%b)*+,)*+' % _TEXTS.pattern, re.DOTALL)
"""All up to the last comma that is in no text."""
_WHOLE: Final = re.compile(rb'(?:[^"]++|%b)*+' % _TEXTS.pattern, re.DOTALL)
"""All up to a text without an end."""
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_LONG_NUMBER: Final = re.compile(rb"(?<![0-9])[0-9]{91,}+")
_PLACE: Final = re.compile(r"(?<=\(byte )\d+(?=\))")

Decode: TypeAlias = Callable[[bytes | bytearray], Any]
decode_strictly: Final[Decode] = msgspec.json.Decoder().decode


class TooManyElements(ValueError):
    """Arrays and objects have more elements than they may. The message is what there is too much of."""


async def decode_json(text: str | bytes | bytearray, decode: Decode = decode_strictly, most: int = MAX_ELEMENTS) -> Any:
    """What JSON holds.

    Args:
        decode: The decoder, which may take more than JSON is, such as ``json.loads``.
        most: Elements that arrays and objects may have in all, if it is large: commas and opening brackets. A number
            of n digits counts as n² / 8192 more.

    Raises:
        TooManyElements: It is large, and has more.
        RecursionError: It is nested too deeply: if it is large, by more than ``MAX_DEPTH`` levels.
        ValueError, msgspec.DecodeError: As the decoder does. ``(byte N)`` in the message is the place in all of it.
    """
    body = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if len(body) <= LARGE_BYTES:
        return decode(body)
    pieces = _Pieces(decode, most)
    begin = 0
    for end, structure, is_behind_comma in _windows(body):
        pieces.look_at(structure)
        if is_behind_comma:
            pieces.add(body, begin, end)
            begin = end
        await asyncio.sleep(0)
    return pieces.ended(body, begin)


def has_more_elements(body: bytes, than: int) -> bool:
    """Whether JSON has more elements of arrays and objects than a number. Takes 10 ms for a megabyte, at most."""
    return any((than := than - _elements(structure)) < 0 for _, structure, _ in _windows(body))


def _elements(structure: bytes) -> int:
    numbers = sum(len(number) ** 2 // 8192 for number in _LONG_NUMBER.findall(structure))
    return numbers + sum(map(structure.count, (b",", b"[", b"{")))


def _windows(body: bytes | bytearray) -> Iterator[tuple[int, bytes, bool]]:
    """Where each window ends, what of it is in no text, and whether it ends behind a comma that is in none."""
    at = 0
    while at < len(body):
        stop = min(at + _WINDOW_BYTES, len(body))
        end = _end(_ENTRIES, body, at, stop)
        is_behind_comma = end > at
        if not is_behind_comma:
            end = _end(_WHOLE, body, at, stop)
        yield end, _TEXTS.sub(b"", body[at:end]), is_behind_comma
        at = end
        if not is_behind_comma and end < stop:
            # A text that is longer than a window.
            at += 1
            while body[at : at + 1] != b'"' and (end := _end(_IN_TEXT, body, at, at + _WINDOW_BYTES)) > at:
                at = end
                yield at, b"", False
            at += 1


def _end(pattern: "re.Pattern[bytes]", body: bytes | bytearray, at: int, stop: int) -> int:
    found = pattern.match(body, at, stop)
    return at if found is None else found.end()


class _Pieces:
    """What was decoded by now, and which lists and objects go on."""

    def __init__(self, decode: Decode, most: int) -> None:
        self._decode = decode
        self._most = self._left = most
        mark = secrets.token_hex(16)
        self._first, self._last = f"{mark}<", f"{mark}>"
        self._open: list[Any] = [[]]
        """From the outermost, which holds the whole."""
        self._closed = 0
        """How many of them the next piece closes."""
        self._opened: list[int] = []
        """The brackets that it opens and does not close."""

    def look_at(self, structure: bytes) -> None:
        """Count what is added to the next piece, without its texts."""
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

    def add(self, body: bytes | bytearray, begin: int, end: int) -> None:
        """Decode the next piece, which ends with a comma."""
        self._decoded(body, begin, end, b"")
        if len(self._open) == 1:
            raise msgspec.DecodeError(f"JSON is malformed: trailing characters (byte {end})")

    def ended(self, body: bytes | bytearray, begin: int) -> Any:
        """Decode the last piece. Returns all that was decoded."""
        self._decoded(body, begin, len(body), b",")
        if len(self._open) > 1:
            raise msgspec.DecodeError("Input data was truncated")
        return self._open[0][0]

    def _decoded(self, body: bytes | bytearray, begin: int, end: int, comma: bytes) -> None:
        around = self._open[-1 - self._closed :]
        kinds = [ord("[") if isinstance(each, list) else ord("{") for each in around]
        first, last = self._first.encode(), self._last.encode()
        head = b"".join(b"[" if kind == _LIST else b'{"%b":' % first for kind in kinds[:-1])
        head += b'["%b",' % first if kinds[-1] == _LIST else b'{"%b":0,' % first
        behind = chain(reversed(self._opened), kinds[:1])
        tail = b",".join(b'"%b"]' % last if kind == _LIST else b'"%b":0}' % last for kind in behind)
        try:
            value = self._decode(b"".join((head, body[begin:end], comma, tail)))
        except msgspec.DecodeError as error:
            shift = begin - len(head)
            raise type(error)(
                _PLACE.sub(lambda found: str(min(int(found[0]) + shift, len(body))), str(error))
            ) from None
        self._put(value, around)

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
            # Nearly always the last: an object may have the name of its last entry twice.
            held = reversed(holder if isinstance(holder, list) else holder.values())
            self._open.append(next(each for each in held if self._goes_on(each)))
            self._unmark(self._open[-1])
        self._closed = 0
        self._opened.clear()

    def _goes_on(self, value: Any) -> bool:
        if isinstance(value, list):
            return bool(value) and value[-1] == self._last
        return isinstance(value, dict) and self._last in value

    def _unmark(self, container: Any) -> None:
        if isinstance(container, list):
            container.pop()
        else:
            del container[self._last]
