"""Logs of runs as frames: each append is compressed separately, so that ending a run reads and joins nothing here.

A log is the byte ``FRAMES`` and concatenated frames; a frame is its length (4 bytes, big-endian) and the events of one
append, packed by ``event_codec.compress``.
"""

import asyncio
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from jikko.events import Event, RunStarted
from jikko.store.event_codec import (
    DamagedLog,
    beginning,
    compress,
    decode_known_events,
    decompress,
    decompress_beginning,
    join,
)

FRAMES: Final = b"\x02"
_LENGTH: Final = struct.Struct(">I")
_SHORT: Final = 1 << 16
"""Maximum bytes compressed or read on the event loop."""


async def framed(events: bytes) -> bytes:
    """Return the frame of a JSON array of events. Long arrays are compressed in a thread."""
    return _framed(events) if len(events) <= _SHORT else await asyncio.to_thread(_framed, events)


def _framed(events: bytes) -> bytes:
    return frame_of(compress(events))


def frame_of(piece: bytes) -> bytes:
    """Return the frame of a result of ``compress``."""
    return _LENGTH.pack(len(piece)) + piece


async def events_of(frames: Sequence[bytes], *, start: int, end: int, first: int, most: int = 0) -> list[Event]:
    """Decode the events of frames from position ``first`` on. Raises ``DamagedLog``: not frames, or the log does not
    end there.

    Args:
        frames: Single or concatenated frames.
        start: Position of their first event.
        end: Number of events of the whole log.
        most: About how many bytes of JSON to decode, from ``first`` on. 0: all.
    """
    if sum(map(len, frames)) <= _SHORT // 8:
        return _events_of(frames, start, end, first, most)
    return await asyncio.to_thread(_events_of, frames, start, end, first, most)


def _events_of(frames: Sequence[bytes], start: int, end: int, first: int, most: int) -> list[Event]:
    events: list[Event] = []
    position, size = start, 0
    try:
        for piece in _pieces(frames):
            array = decompress(piece)
            part = decode_known_events(array)
            if position + len(part) > first:
                events += part[max(0, first - position) :]
                size += len(array)
            position += len(part)
            if 0 < most <= size:
                return events
        if position != end:
            raise DamagedLog(f"it has {position} events, not {end}")
    except DamagedLog as damage:
        damage.readable = _beginning_of(frames, start, first)
        raise
    return events


def _pieces(frames: Iterable[bytes]) -> Iterator[bytes]:
    for frame in frames:
        at = 0
        while at < len(frame):
            if at + _LENGTH.size > len(frame):
                raise DamagedLog("a frame ends too early")
            size = _LENGTH.unpack_from(frame, at)[0]
            at += _LENGTH.size
            if at + size > len(frame):
                raise DamagedLog("a frame ends too early")
            yield frame[at : at + size]
            at += size


def _beginning_of(frames: Sequence[bytes], start: int, first: int) -> list[Event]:
    """Return the events from position ``first`` on, up to the damage."""
    events: list[Event] = []
    try:
        for piece in _pieces(frames):
            try:
                events += decode_known_events(decompress(piece))
            except DamagedLog:
                events += beginning(decompress_beginning(piece))
                break
    except DamagedLog:
        pass
    # Pieces may be missing; without the first, positions are unknown.
    if start == 0 and not (events and isinstance(events[0], RunStarted)):
        return []
    return events[first - start :] if first >= start else []


def whole_log(log: bytes, end: int) -> bytes:
    """Return the events of an ended run, as one JSON array. Blocks. Raises ``DamagedLog``: not a log of this length.

    Args:
        log: As stored.
        end: Number of events.
    """
    if log[:1] != FRAMES:
        raise DamagedLog(f"format {log[:1].hex() or 'missing'} is not known")
    whole = join([decompress(piece) for piece in _pieces([log[1:]])])
    if (found := len(decode_known_events(whole))) != end:
        raise DamagedLog(f"it has {found} events, not {end}")
    return whole
