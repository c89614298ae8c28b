"""Events as the log keeps them: a JSON array per append; arrays can be joined. A finished log is compressed.

The first byte of a compressed log says how to read it, so that formats can be added and old logs stay readable.
"""

import json
import zlib
from collections.abc import Sequence
from importlib import resources
from typing import Any, Final, get_args

import msgspec

from jikko.concurrency.run_in_thread import release_gil
from jikko.errors import LogDamaged
from jikko.events import Event, UnknownEvent
from jikko.values import without_surrogates

_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(list[Event])
_EVENT: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)

_RAW = msgspec.json.Decoder(list[msgspec.Raw])
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ANY = msgspec.json.Decoder()
_KNOWN: Final = frozenset(kind.__struct_config__.tag for kind in get_args(Event))

_PART: Final = 1 << 18
"""Bytes of a log that are decoded at a time: a few milliseconds."""
_LARGE: Final = 1 << 22
"""Bytes of events, or of their values, that are decoded value by value: they have long texts, of 24 ms each."""
_BETWEEN: Final = b'},{"event":"'
"""What stands between two events. In a text its quotes would be escaped; among values it may stand, and what is cut off
there is no JSON."""

PLAIN: Final = b"\x00"
"""Format: JSON as it is."""
DEFLATE_1: Final = b"\x01"
"""Format: raw deflate with the preset dictionary ``log_dictionary_1.txt``. Read, and no longer written."""
DEFLATE_2: Final = b"\x02"
"""Format: the same, and behind it the CRC-32 of the JSON, 4 bytes, the highest first: a bit that was flipped on the
disk is noticed, and not read as another letter or digit of somebody's result."""
_CHECK: Final = 4
_DICTIONARY_1 = resources.files(__package__).joinpath("log_dictionary_1.txt").read_bytes()
# The last level before lazy matching, which takes much longer to gain little (docs/decisions/0002).
_LEVEL = 3
_LEAST_WINDOW: Final = 13
"""The power of two of bytes in which what was there before is looked for, at least."""


class DamagedLog(Exception):
    """Bytes in the database are no log of events. The message says what is wrong with them."""

    readable: Sequence[Event] = ()
    """The events that were asked for, up to the damage."""

    def of_run(self, run_id: str) -> LogDamaged:
        """What the log of a run is then."""
        return LogDamaged(
            f"The log of run {run_id} is damaged: {self}. Restore a backup to read it, or retry the run: it begins "
            "again at its inputs.",
            what=str(self),
            readable=self.readable,
        )


MAX_PACKED_BYTES: Final = 1 << 20
"""Of events that are packed together. A single event may be larger, and those before it come with it: it would be made
once more, to be written alone."""


def pack_events(events: Sequence[Event]) -> tuple[bytes, list[int]]:
    """As many of the first events as ``MAX_PACKED_BYTES`` hold, one at least, as ``encode_events`` makes them.
    Returns the array, and the bytes of each of them in it."""
    packed, end = bytearray(b"["), 1
    sizes: list[int] = []
    encode_into = _ENCODER.encode_into
    for event in events:
        if end > MAX_PACKED_BYTES:
            break  # the next one would be made for nothing, and it may be as large
        begin = end
        try:
            encode_into(event, packed, -1)
        except UnicodeEncodeError:
            packed[begin:] = encode_events([event])[1:-1]
        packed += b","
        end = len(packed)
        if end > MAX_PACKED_BYTES and sizes and end - begin <= MAX_PACKED_BYTES:
            del packed[begin:]
            break
        sizes.append(end - begin)
    packed[-1:] = b"]"
    return bytes(packed), sizes


def encode_events(events: Sequence[Event]) -> bytes:
    """A JSON array. NaN and infinities become ``null``; lone surrogates, which UTF-8 has no bytes for, ``?``."""
    try:
        return _ENCODER.encode(events)
    except UnicodeEncodeError:
        plain = msgspec.to_builtins(events, builtin_types=(bytes,))
        return _ENCODER.encode(without_surrogates(plain))


def decode_events(log: bytes) -> list[Event]:
    """The events of a JSON array.

    A long one is decoded in parts: while one is, no other thread runs, and so the event loop stands still. Raises
    ``DamagedLog``: it is none, or not of events."""
    if len(log) > 2 * _PART and (events := _decoded_in_parts(log)) is not None:
        return events
    try:
        return _DECODER.decode(log)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DamagedLog(str(error)) from error


class _Tagged(msgspec.Struct, frozen=True):
    event: str
    at: float


_TAGGED = msgspec.json.Decoder(_Tagged)


def decode_known_events(log: bytes) -> list[Event]:
    """``decode_events``, but what a newer version wrote becomes an ``UnknownEvent``."""
    try:
        return decode_events(log)
    except DamagedLog:
        try:
            return [_event(item) for item in _RAW.decode(log)]
        except (msgspec.DecodeError, UnicodeDecodeError):
            pass
        raise


def _event(item: msgspec.Raw) -> Event:
    try:
        return _EVENT.decode(item)
    except msgspec.ValidationError:
        tagged = _TAGGED.decode(item)
        if tagged.event in _KNOWN:
            raise
        return UnknownEvent(at=tagged.at, kind=tagged.event)


def _decoded_in_parts(log: bytes) -> list[Event] | None:
    """``None`` if it is damaged, which decoding it as a whole tells best."""
    events: list[Event] = []
    begin = 1
    try:
        while begin < len(log) - 1:
            part, begin = _decoded_part(log, begin)
            events += part
    except DamagedLog:
        return None
    return events


def _decoded_part(log: bytes, begin: int) -> tuple[list[Event], int]:
    """The events that begin at a byte, and at which byte others do. Raises ``DamagedLog``: they are none."""
    end = len(log) - 1
    look = begin + _PART
    while True:
        found = log.find(_BETWEEN, look, end)
        cut = found + 1 if found >= 0 else end
        try:
            return _decoded(b"[%b]" % log[begin:cut]), cut + 1
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            if cut == end:
                raise DamagedLog(str(error)) from error
            # What looked like the end of an event stands inside of one.
            look = cut + _PART


def _decoded(array: bytes) -> list[Event]:
    if len(array) <= _LARGE:
        return _DECODER.decode(array)
    return [msgspec.convert(_in_parts(item), Event) for item in _RAW.decode(array)]


def _in_parts(item: msgspec.Raw) -> Any:
    """What JSON holds. Others have the interpreter between the values of a large object, and of objects in it."""
    view = memoryview(item)
    if len(view) > _PART:
        release_gil()
    if len(view) > _LARGE and view[0] == ord("{"):
        return {name: _in_parts(value) for name, value in _FIELDS.decode(item).items()}
    return _ANY.decode(item)


def some_events(log: bytes, first: int, most: int) -> list[Event]:
    """Events of a JSON array from a position on: as many as about ``most`` bytes have. Others are not kept meanwhile.
    Raises ``DamagedLog``: it is none, or not of events."""
    found: list[Event] = []
    begin, position, size = 1, 0, 0
    while size < most and begin < len(log) - 1:
        part, end = _decoded_part(log, begin)
        if position + len(part) > first:
            found += part[max(0, first - position) :]
            size += end - begin
        position, begin = position + len(part), end
    return found


def beginning(log: bytes) -> list[Event]:
    """The first events of a JSON array that is damaged: up to the first that is none, or unknown here."""
    try:
        text = log.decode()
    except UnicodeDecodeError as error:
        text = log[: error.start].decode()
    events: list[Event] = []
    decoder, at = json.JSONDecoder(), 1
    while at < len(text):
        try:
            _, end = decoder.raw_decode(text, at)
            events.append(_EVENT.decode(text[at:end]))
        except (ValueError, RecursionError):
            break
        at = end + 1
    return events


def join(arrays: Sequence[bytes]) -> bytes:
    """One JSON array with the items of all."""
    if len(arrays) == 1:
        return arrays[0]
    return b"[" + b",".join(array[1:-1] for array in arrays if array != b"[]") + b"]"


def compress(log: bytes) -> bytes:
    """The log as it is kept for a finished run."""
    stream = _deflate(len(log))
    return DEFLATE_2 + stream.compress(log) + stream.flush() + zlib.crc32(log).to_bytes(_CHECK)


def _deflate(size: int) -> "zlib._Compress":
    """Args:
    size: Bytes that are to be compressed. What finds all of them again needs no more memory, which takes time to have.
    """
    window = min(max((len(_DICTIONARY_1) + size).bit_length(), _LEAST_WINDOW), zlib.MAX_WBITS)
    # Of a larger one the copy takes as long as the dictionary.
    return _BEHIND_DICTIONARY.copy() if window == _LEAST_WINDOW else _deflating(window)


def _deflating(window: int) -> "zlib._Compress":
    return zlib.compressobj(_LEVEL, zlib.DEFLATED, -window, window - 7, zlib.Z_DEFAULT_STRATEGY, _DICTIONARY_1)


_BEHIND_DICTIONARY: Final = _deflating(_LEAST_WINDOW)
"""Stands behind the dictionary; for small logs, which most are."""


class Compressor:
    """Makes of JSON arrays what ``compress`` makes of the one with the items of all. Each call is for any one thread:
    most of it does not hold the interpreter lock."""

    def __init__(self) -> None:
        self._stream = _deflate(1 << zlib.MAX_WBITS)
        self._parts = [DEFLATE_2]
        self._check = 0
        self._begun = False

    def add(self, array: bytes) -> None:
        if array == b"[]":
            return
        self._write(b"," if self._begun else b"[")
        self._write(memoryview(array)[1:-1])
        self._begun = True

    def end(self) -> bytes:
        self._write(b"]" if self._begun else b"[]")
        self._parts.append(self._stream.flush())
        self._parts.append(self._check.to_bytes(_CHECK))
        return b"".join(self._parts)

    def _write(self, part: bytes | memoryview) -> None:
        self._check = zlib.crc32(part, self._check)
        self._parts.append(self._stream.compress(part))


def decompress(blob: bytes) -> bytes:
    """The JSON array that ``compress`` was given.
    Raises ``DamagedLog``: the bytes are damaged, or of a format that is not known here."""
    kind, rest = blob[:1], blob[1:]
    if kind == PLAIN:
        return rest
    if kind not in (DEFLATE_1, DEFLATE_2):
        raise DamagedLog(f"format {kind.hex() or 'missing'} is not known")
    stream = zlib.decompressobj(-15, _DICTIONARY_1)
    try:
        log = stream.decompress(rest)
    except zlib.error as error:
        raise DamagedLog(str(error)) from error
    if not stream.eof:
        raise DamagedLog("the compressed bytes end too early")
    if kind == DEFLATE_2 and stream.unused_data != zlib.crc32(log).to_bytes(_CHECK):
        raise DamagedLog("its bytes are not those that were written")
    return log


def decompress_beginning(blob: bytes) -> bytes:
    """What can be read of the JSON array that ``compress`` was given, if the bytes are damaged: its beginning."""
    if blob[:1] == PLAIN:
        return blob[1:]
    if blob[:1] not in (DEFLATE_1, DEFLATE_2):
        return b""
    stream, found = zlib.decompressobj(-15, _DICTIONARY_1), bytearray()
    for at in range(1, len(blob)):
        # One by one: an error must not take the place of the events before it.
        try:
            found += stream.decompress(blob[at : at + 1])
        except zlib.error:
            break
    return bytes(found)
