"""Large JSON bodies: their long texts are decoded in slices, between which others have the event loop.

A decoder that is called once for 8 MB holds everybody up for 15 ms. What is large in a body is nearly always a text or
a few; without those the rest is small.
"""

import asyncio
import secrets
from typing import Any, Final

import msgspec

_decode = msgspec.json.Decoder().decode
SLICE_BYTES: Final = 1 << 18
"""Bytes of a text that are decoded at once: half a millisecond."""
_LONG_BYTES: Final = 1 << 17
"""From which on a text is long."""
_MAX_QUOTES: Final = 4096
"""Quotes that are looked at. A body with more consists of short texts, or of one that is full of them."""
_MAX_BACKSLASHES: Final = 64
"""In a row; behind more nothing is cut."""
_CONTINUATION_BYTES: Final = 3
"""Of a character of UTF-8, behind its first, at most."""
_PAIR: Final = 12
"""Bytes of the longest that must not be cut: two escapes that stand for one character."""


class _NotInSlices(Exception):
    """It is decoded as a whole, which also tells best what is wrong with it."""


async def decode_large(body: bytes | bytearray) -> tuple[Any, bytes | bytearray]:
    """What a large body holds, and what of it is no long text: all of its brackets are in there.

    Raises:
        msgspec.DecodeError, UnicodeDecodeError, RecursionError: As decoders do.
    """
    try:
        return await _in_slices(body)
    except (_NotInSlices, msgspec.DecodeError, UnicodeDecodeError):
        await asyncio.sleep(0)
        return _decode(body), body


async def _in_slices(body: bytes | bytearray) -> tuple[Any, bytes | bytearray]:
    places = _long_texts(body)
    mark = secrets.token_hex(16)
    pieces: list[bytes | bytearray] = []
    at, texts = 0, dict[str, str]()
    for begin, end in places:
        name = f"{mark}{len(texts)}"
        pieces += (body[at:begin], name.encode())
        texts[name] = await _text(body, begin, end)
        at = end
    rest = b"".join((*pieces, body[at:]))
    if not texts or len(rest) > SLICE_BYTES:
        raise _NotInSlices
    value = _decode(rest)
    if _put_in(texts, value) != len(texts):
        raise _NotInSlices  # one of them is a key, or all of the body
    return value, rest


def _long_texts(body: bytes | bytearray) -> list[tuple[int, int]]:
    """Where the contents of long texts begin and end."""
    found, at, quotes = [], 0, 0
    while (begin := body.find(b'"', at)) >= 0:
        end = begin
        while True:
            end = body.find(b'"', end + 1)
            quotes += 1
            if end < 0 or quotes > _MAX_QUOTES:
                raise _NotInSlices
            if _backslashes(body, begin + 1, end) % 2 == 0:
                break
        if end - begin > _LONG_BYTES:
            found.append((begin + 1, end))
        at = end + 1
    return found


def _backslashes(body: bytes | bytearray, begin: int, end: int) -> int:
    """How many of them stand right before ``end``."""
    before = body[max(begin, end - _MAX_BACKSLASHES) : end]
    count = len(before) - len(before.rstrip(b"\\"))
    if count == _MAX_BACKSLASHES:
        raise _NotInSlices
    return count


async def _text(body: bytes | bytearray, begin: int, end: int) -> str:
    parts: list[str] = []
    while begin < end:
        cut = end if end - begin <= SLICE_BYTES else _cut(body, begin, begin + SLICE_BYTES)
        parts.append(_decode(b'"%b"' % bytes(body[begin:cut])))
        begin = cut
        await asyncio.sleep(0)
    return "".join(parts)


def _cut(body: bytes | bytearray, begin: int, end: int) -> int:
    """The last place up to ``end`` where a text can be cut: not within a character, nor within an escape."""
    latest = end
    while body[end] & 0xC0 == 0x80:
        if latest - end == _CONTINUATION_BYTES:
            raise _NotInSlices  # no UTF-8: there may be no place before it
        end -= 1
    escape = body.rfind(b"\\", end - _PAIR, end)
    if escape < 0:
        return end
    # The first of several in a row begins an escape.
    escape -= _backslashes(body, begin, escape)
    if body[escape + 1 : escape + 3] in (b"ud", b"uD") and body[escape + 3 : escape + 4] in b"cdefCDEF":
        # The second half of a pair, which begins with the first.
        escape -= 6
        if body[escape : escape + 2] != b"\\u" or _backslashes(body, begin, escape):
            raise _NotInSlices
    return escape


def _put_in(texts: dict[str, str], value: Any) -> int:
    """Put texts where their names stand in lists and objects. Returns how many were."""
    count, pending = 0, [value]
    while pending:
        holder = pending.pop()
        entries = holder.items() if isinstance(holder, dict) else enumerate(holder) if isinstance(holder, list) else ()
        for place, item in entries:
            if isinstance(item, (dict, list)):
                pending.append(item)
            elif isinstance(item, str) and item in texts:
                holder[place] = texts[item]
                count += 1
    return count
