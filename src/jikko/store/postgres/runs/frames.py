"""The log of a run as frames: each append is compressed by itself, so that ending a run reads and joins nothing here.

A log is the byte ``FRAMES`` and the frames behind each other; a frame is its length (4 bytes, the highest first) and
what ``event_codec.compress`` makes of the events of one append.
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
"""Bytes that are compressed or read on the event loop."""


async def framed(events: bytes) -> bytes:
    """The frame of a JSON array of events. A long one is compressed in a thread."""
    return _framed(events) if len(events) <= _SHORT else await asyncio.to_thread(_framed, events)


def _framed(events: bytes) -> bytes:
    return frame_of(compress(events))


def frame_of(piece: bytes) -> bytes:
    """The frame of what ``compress`` has made."""
    return _LENGTH.pack(len(piece)) + piece


async def events_of(frames: Sequence[bytes], *, start: int, end: int, first: int, most: int = 0) -> list[Event]:
    """The events of frames from position ``first`` on. Raises ``DamagedLog``: they are no frames, or the log does not
    end there.

    Args:
        frames: Frames, each alone or several behind each other.
        start: The position of the first event in them.
        end: How many events the whole log has.
        most: About how many bytes of JSON to decode, of those from ``first`` on. 0: all.
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
    """The events from position ``first`` on, up to what is damaged."""
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
    # Pieces may be missing; without the first, no position is known.
    if start == 0 and not (events and isinstance(events[0], RunStarted)):
        return []
    return events[first - start :] if first >= start else []


def whole_log(log: bytes, end: int) -> bytes:
    """The events of a run that has ended, as one JSON array. Blocks for a long one. Raises ``DamagedLog``: it is no
    log, or has more or fewer.

    Args:
        log: As the database has it.
        end: How many events it has.
    """
    if log[:1] != FRAMES:
        raise DamagedLog(f"format {log[:1].hex() or 'missing'} is not known")
    whole = join([decompress(piece) for piece in _pieces([log[1:]])])
    if (found := len(decode_known_events(whole))) != end:
        raise DamagedLog(f"it has {found} events, not {end}")
    return whole
