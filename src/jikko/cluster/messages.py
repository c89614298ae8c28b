"""What the processes of one server say to each other, and the line on which they say it.

Each worker has one line, to the process that started it, which hands on what is meant for another worker. A line
carries JSON, one message a line of text.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any, Final, TypeAlias

import msgspec

from jikko.events import FormClosed

SUPERVISOR: Final = "supervisor"
"""The name of the process that starts the workers."""
_LONGEST: Final = 256 << 20
"""Bytes of a message: a form may hold long texts."""


class Estate(msgspec.Struct, frozen=True, kw_only=True):
    """Open runs without a process to execute them, for one worker to take over."""

    left_by: str
    """The worker that died; empty: whoever is of an earlier server."""
    share: int = 0
    """Which of the parts into which the runs are divided by their ids, counted from 0 …"""
    of: int = 1
    """… and how many parts there are."""


# From the supervisor ------------------------------------------------------------------------------------------------


class Begin(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The first message to a worker."""

    name: str
    """What it is called from now on. Names begin with that of the server: see ``of_server``."""
    workers: int
    """How many there are in all."""
    settings: dict[str, Any]
    """``Settings`` as JSON."""
    files: list[str]
    """DSL files to publish."""


class Inherit(msgspec.Struct, frozen=True, tag=True):
    """Take these runs over. Answered by ``Inherited``."""

    estates: list[Estate]


class OnDuty(msgspec.Struct, frozen=True, tag=True):
    """Do from now on what one process does for all: close forms, deliver call-backs, remove what is old."""


class Gone(msgspec.Struct, frozen=True, tag=True):
    """A worker has died, or there is none of that name."""

    name: str


# From a worker ------------------------------------------------------------------------------------------------------


class Assembled(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The database is there and of the right version, the files are published."""

    said: list[str]
    """Lines to print once the server is ready."""


class Serving(msgspec.Struct, frozen=True, tag=True):
    """Requests are accepted."""


class Inherited(msgspec.Struct, frozen=True, tag=True):
    """The runs of these estates are durably this worker's: their records name it."""

    estates: list[Estate]


# Between workers ----------------------------------------------------------------------------------------------------


class Stop(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Stop a run. Answered by whether it was still to be stopped."""

    run_id: str
    error: str


class HandIn(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Hand in a form of a run. Answered by whether the run waited for it."""

    run_id: str
    closed: FormClosed


class Grown(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Tell when the durable log of a run has more than so many events, or so many seconds are over."""

    run_id: str
    count: int
    seconds: float


class Take(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Count a request by an API key. For the supervisor; answered by the seconds to wait if it is refused."""

    key: bytes


Question: TypeAlias = Stop | HandIn | Grown | Take


class Ask(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A question to another process."""

    to: str
    sender: str
    number: int
    """Chosen by the sender, for the reply."""
    question: Question


class Reply(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The answer to a question."""

    to: str
    number: int
    answer: int | None
    """``None``: the run that was asked about is not here."""


Message: TypeAlias = Begin | Inherit | OnDuty | Gone | Assembled | Serving | Inherited | Ask | Reply

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Message).decode


class Line:
    """One end of a line."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, end: socket.socket) -> "Line":
        """A line over one end of a pair of sockets."""
        return cls(*await asyncio.open_unix_connection(sock=end, limit=_LONGEST))

    def send(self, message: Message) -> None:
        """Send a message. Lost if the other side is gone."""
        if not self._writer.is_closing():
            self._writer.write(_encode(message) + b"\n")

    async def messages(self) -> AsyncIterator[Message]:
        """What the other side sends, until it is gone."""
        try:
            while text := await self._reader.readline():
                yield _decode(text)
        except (ConnectionError, asyncio.IncompleteReadError):
            return

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


def of_server(name: str, server: str) -> bool:
    """Whether a worker is, or was, one of a server."""
    return name.startswith(f"{server}/")


def server_of(name: str) -> str:
    """The server that a worker is one of."""
    return name.partition("/")[0]
