"""Wire format of messages between members over NATS.

A request may exceed a NATS message, so it is sent in parts: a byte that says whether more follow, 16 bytes that
identify the request, then its JSON. Unknown messages, from other versions, are treated as absent.
"""

import secrets
from collections import OrderedDict
from typing import Final, TypeVar

import msgspec

from jikko.ports.cluster import Answer, Command, Hint, OrphanedRuns, ServerState, WaitingRun

T = TypeVar("T")

_MORE, _LAST = b"+", b"."
_ID: Final = 16
_HEAD: Final = 1 + _ID
_ROOM: Final = 4096
"""Bytes of a message reserved for NATS."""
_UNFINISHED: Final = 64
"""Limit of incomplete requests; the oldest is dropped."""


class Left(msgspec.Struct, frozen=True, tag=True):
    """A member has exited in order."""


class Announcement(msgspec.Struct, frozen=True):
    """Message to all members."""

    sender: str
    content: Hint | Left


class MemberHeartbeat(msgspec.Struct, frozen=True):
    count: int
    """Number of earlier ones."""
    seconds: float
    """Timeout after which it counts as dead."""
    version: str
    """Of Jikko."""
    state: ServerState | None = None
    """``None`` from earlier versions and commands."""


_command: msgspec.json.Decoder[Command] = msgspec.json.Decoder(Command)
_announcement = msgspec.json.Decoder(Announcement)
_heartbeat = msgspec.json.Decoder(MemberHeartbeat)
_orphans = msgspec.json.Decoder(OrphanedRuns)
_waiting = msgspec.json.Decoder(WaitingRun)
_answer: msgspec.json.Decoder[Answer] = msgspec.json.Decoder(Answer)


def to_parts(command: Command, largest: int) -> list[bytes]:
    """Encode a request. ``largest``: Bytes of a NATS message."""
    body, name = msgspec.json.encode(command), secrets.token_bytes(_ID)
    size = max(1024, largest - _ROOM)
    pieces = [body[begin : begin + size] for begin in range(0, len(body), size)]
    return [(_LAST if piece is pieces[-1] else _MORE) + name + piece for piece in pieces]


class Parts:
    """Reassembles requests."""

    def __init__(self) -> None:
        self._begun: OrderedDict[bytes, list[bytes]] = OrderedDict()

    def add(self, part: bytes) -> Command | None:
        """Add a part. Returns the request if it was the last. Raises ``ValueError``: unknown to this version."""
        mark, name, piece = part[:1], part[1:_HEAD], part[_HEAD:]
        if mark == _MORE:
            self._begun.setdefault(name, []).append(piece)
            if len(self._begun) > _UNFINISHED:
                self._begun.popitem(last=False)
            return None
        body = b"".join([*self._begun.pop(name, []), piece])
        return _command.decode(body)


def to_answer(answer: Answer) -> bytes:
    return msgspec.json.encode(answer)


def answer_of(body: bytes | None) -> Answer:
    """Decode an answer. ``None``: no answer, or the run is not there."""
    return None if body is None else _read(_answer, body)


def announcement(body: bytes) -> Announcement | None:
    """Decode an announcement, or return ``None`` if this version does not know it."""
    return _read(_announcement, body)


def heartbeat(body: bytes) -> MemberHeartbeat | None:
    """Decode a heartbeat, or return ``None`` if this version does not know it."""
    return _read(_heartbeat, body)


def orphans_of(body: bytes) -> OrphanedRuns | None:
    """Decode a queue entry, or return ``None`` if this version does not know it."""
    return _read(_orphans, body)


def waiting_of(body: bytes) -> WaitingRun | None:
    """Decode an offered run, or return ``None`` if this version does not know it."""
    return _read(_waiting, body)


def _read(decoder: "msgspec.json.Decoder[T]", body: bytes) -> T | None:
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
