"""Messages between members of a cluster over NATS, as bytes.

A request may be longer than NATS takes in one message, so it goes in parts: a byte that says whether more come, 16 that
name the request, then its JSON. What a member does not understand, since it is of another version, it does not have.
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
"""Bytes of a message that are left for what NATS adds."""
_UNFINISHED: Final = 64
"""Requests whose last part has not come yet; the oldest is forgotten."""


class Left(msgspec.Struct, frozen=True, tag=True):
    """A member has ended in good order."""


class Announcement(msgspec.Struct, frozen=True):
    """To all members."""

    sender: str
    content: Hint | Left


class MemberHeartbeat(msgspec.Struct, frozen=True):
    """A member lives."""

    count: int
    """How many it has sent before."""
    seconds: float
    """After which it counts as gone if it says no more."""
    version: str
    """Of Jikko."""
    state: ServerState | None = None
    """``None``: of an earlier version, or a command."""


_command: msgspec.json.Decoder[Command] = msgspec.json.Decoder(Command)
_announcement = msgspec.json.Decoder(Announcement)
_heartbeat = msgspec.json.Decoder(MemberHeartbeat)
_orphans = msgspec.json.Decoder(OrphanedRuns)
_waiting = msgspec.json.Decoder(WaitingRun)
_answer: msgspec.json.Decoder[Answer] = msgspec.json.Decoder(Answer)


def to_parts(command: Command, largest: int) -> list[bytes]:
    """A request. ``largest``: bytes that NATS takes in one message."""
    body, name = msgspec.json.encode(command), secrets.token_bytes(_ID)
    size = max(1024, largest - _ROOM)
    pieces = [body[begin : begin + size] for begin in range(0, len(body), size)]
    return [(_LAST if piece is pieces[-1] else _MORE) + name + piece for piece in pieces]


class Parts:
    """Puts requests together."""

    def __init__(self) -> None:
        self._begun: OrderedDict[bytes, list[bytes]] = OrderedDict()

    def add(self, part: bytes) -> Command | None:
        """One more part. Returns the request if that was its last.
        Raises ``ValueError``: what came is no request that this version knows."""
        mark, name, piece = part[:1], part[1:_HEAD], part[_HEAD:]
        if mark == _MORE:
            self._begun.setdefault(name, []).append(piece)
            if len(self._begun) > _UNFINISHED:
                self._begun.popitem(last=False)
            return None
        body = b"".join([*self._begun.pop(name, []), piece])
        return _command.decode(body)


def to_answer(answer: Answer) -> bytes:
    """The answer to a request."""
    return msgspec.json.encode(answer)


def answer_of(body: bytes | None) -> Answer:
    """What was answered; ``None``: nothing, or that the run is not there."""
    return None if body is None else _read(_answer, body)


def announcement(body: bytes) -> Announcement | None:
    """What was sent to all members; ``None``: nothing that this version knows."""
    return _read(_announcement, body)


def heartbeat(body: bytes) -> MemberHeartbeat | None:
    """What a member says of itself; ``None``: nothing that this version knows."""
    return _read(_heartbeat, body)


def orphans_of(body: bytes) -> OrphanedRuns | None:
    """An entry of the queue; ``None``: nothing that this version knows."""
    return _read(_orphans, body)


def waiting_of(body: bytes) -> WaitingRun | None:
    """A run that is offered; ``None``: nothing that this version knows."""
    return _read(_waiting, body)


def _read(decoder: "msgspec.json.Decoder[T]", body: bytes) -> T | None:
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
