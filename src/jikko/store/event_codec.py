"""Encoding of event logs: a JSON array per append; arrays can be joined. Finished logs are compressed.

The first byte of a compressed log is its format, so that formats can be added and old logs stay readable.
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
"""Bytes of a log decoded at a time: a few milliseconds."""
_LARGE: Final = 1 << 22
"""Bytes of events above which values are decoded one by one: they have long texts, of 24 ms each."""
_BETWEEN: Final = b'},{"event":"'
"""Separator of two events. In a text its quotes would be escaped; between values, a cut there leaves invalid JSON."""

PLAIN: Final = b"\x00"
"""Format: plain JSON."""
DEFLATE_1: Final = b"\x01"
"""Format: raw deflate with the preset dictionary ``log_dictionary_1.txt``. No longer written."""
DEFLATE_2: Final = b"\x02"
"""Format: ``DEFLATE_1`` and the CRC-32 of the JSON, 4 bytes, big-endian: detects bits flipped on the disk."""
_CHECK: Final = 4
_DICTIONARY_1 = resources.files(__package__).joinpath("log_dictionary_1.txt").read_bytes()
# The last level before lazy matching, which is much slower for little gain (docs/decisions/0002).
_LEVEL = 3
_LEAST_WINDOW: Final = 13
"""Minimum window size of deflate, as a power of two."""


class DamagedLog(Exception):
    """Bytes in the database are not an event log. The message says why."""

    readable: Sequence[Event] = ()
    """The requested events, up to the damage."""

    def of_run(self, run_id: str) -> LogDamaged:
        return LogDamaged(
            f"The log of run {run_id} is damaged: {self}. Restore a backup to read it, or retry the run: it begins "
            "again at its inputs.",
            what=str(self),
            readable=self.readable,
        )


MAX_PACKED_BYTES: Final = 1 << 20
"""Bytes of events packed together. A single event may be larger; it joins those before it, to be encoded only once."""


def pack_events(events: Sequence[Event]) -> tuple[bytes, list[int]]:
    """Encode the first events like ``encode_events``: at least one, and up to ``MAX_PACKED_BYTES``. Returns the array,
    and the size of each event in bytes."""
    packed, end = bytearray(b"["), 1
    sizes: list[int] = []
    encode_into = _ENCODER.encode_into
    for event in events:
        begin = end
        try:
            encode_into(event, packed, -1)
        except UnicodeEncodeError:
            packed[begin:] = encode_events([event])[1:-1]
        packed += b","
        end = len(packed)
        sizes.append(end - begin)
        if end > MAX_PACKED_BYTES:
            if begin > 1 and sizes[-1] <= MAX_PACKED_BYTES:
                del packed[begin:], sizes[-1]
            break  # encoding the next, maybe as large, would be wasted
    packed[-1:] = b"]"
    return bytes(packed), sizes


def encode_events(events: Sequence[Event]) -> bytes:
    """Encode events as a JSON array. NaN and infinities become ``null``; lone surrogates, invalid in UTF-8, ``?``."""
    try:
        return _ENCODER.encode(events)
    except UnicodeEncodeError:
        plain = msgspec.to_builtins(events, builtin_types=(bytes,))
        return _ENCODER.encode(without_surrogates(plain))


def decode_events(log: bytes) -> list[Event]:
    """Decode a JSON array of events, in parts if it is long, since decoding holds the GIL and blocks the event loop.
    Raises ``DamagedLog``: not an array of events."""
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
    """Decode like ``decode_events``; events of a newer version become an ``UnknownEvent``."""
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
    """Decode in parts; ``None`` if the log is damaged, which decoding as a whole reports best."""
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
    """Decode the events from a byte on. Returns them, and the start of the next. Raises ``DamagedLog``: not events."""
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
            # The separator was inside an event.
            look = cut + _PART


def _decoded(array: bytes) -> list[Event]:
    if len(array) <= _LARGE:
        return _DECODER.decode(array)
    return [msgspec.convert(_in_parts(item), Event) for item in _RAW.decode(array)]


def _in_parts(item: msgspec.Raw) -> Any:
    """Decode JSON. The GIL is released between the values of large and nested objects."""
    view = memoryview(item)
    if len(view) > _PART:
        release_gil()
    if len(view) > _LARGE and view[0] == ord("{"):
        return {name: _in_parts(value) for name, value in _FIELDS.decode(item).items()}
    return _ANY.decode(item)


def some_events(log: bytes, first: int, most: int) -> list[Event]:
    """Decode about ``most`` bytes of events from position ``first`` on. Raises ``DamagedLog``: not an array of
    events."""
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
    """Decode the first events of a damaged JSON array, up to the first invalid or unknown one."""
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
    """Concatenate JSON arrays."""
    if len(arrays) == 1:
        return arrays[0]
    return b"[" + b",".join(array[1:-1] for array in arrays if array != b"[]") + b"]"


def compress(log: bytes) -> bytes:
    """Compress the log of a finished run."""
    stream = _deflate(len(log))
    return DEFLATE_2 + stream.compress(log) + stream.flush() + zlib.crc32(log).to_bytes(_CHECK)


def _deflate(size: int) -> "zlib._Compress":
    """Return a compressor whose window and memory, which take time to allocate, suit ``size`` bytes."""
    window = min(max(size.bit_length(), _LEAST_WINDOW), zlib.MAX_WBITS)
    # Copying a larger one takes as long as loading the dictionary.
    return _AFTER_DICTIONARY.copy() if window == _LEAST_WINDOW else _deflating(window)


def _deflating(window: int) -> "zlib._Compress":
    return zlib.compressobj(_LEVEL, zlib.DEFLATED, -window, window - 7, zlib.Z_DEFAULT_STRATEGY, _DICTIONARY_1)


_AFTER_DICTIONARY: Final = _deflating(_LEAST_WINDOW)
"""Compressor with the dictionary loaded, for small logs, the usual case."""


class Compressor:
    """Compresses JSON arrays as ``compress`` does their concatenation. For one thread at a time; releases the GIL."""

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
    """Return the JSON array given to ``compress``. Raises ``DamagedLog``: damaged bytes, or an unknown format."""
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
        raise DamagedLog("its checksum does not match")
    return log


def decompress_beginning(blob: bytes) -> bytes:
    """Return the readable beginning of a damaged compressed log."""
    if blob[:1] == PLAIN:
        return blob[1:]
    if blob[:1] not in (DEFLATE_1, DEFLATE_2):
        return b""
    stream, found = zlib.decompressobj(-15, _DICTIONARY_1), bytearray()
    for at in range(1, len(blob)):
        # Byte by byte: an error must not discard the events before it.
        try:
            found += stream.decompress(blob[at : at + 1])
        except zlib.error:
            break
    return bytes(found)
