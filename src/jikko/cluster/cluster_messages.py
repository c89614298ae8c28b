"""Messages between the processes of one server.

Each worker has one channel, to the supervisor that started it, which hands on what is meant for others.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any, Final, TypeAlias

import msgspec

from jikko.ports.cluster import Command, EventsAppended, Hint, OrphanedRuns, WaitingRun

SUPERVISOR: Final = "supervisor"
"""What the process that starts the workers is called."""


# From the supervisor -------------------------------------------------------------------------------------------------


class Begin(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The first message to a worker."""

    name: str
    """What it is called from now on: ``server/number``."""
    workers: int
    """How many there are in all."""
    settings: dict[str, Any]
    """``Settings`` as JSON."""
    files: list[str] | None
    """DSL files to publish; ``None`` for a worker that publishes nothing, since another has."""
    drains: bool = False
    """Whether it leaves new connections to the next server when it stops; see ``serve_assembly``."""
    hands_on: bool = False
    """Whether the supervisor hands runs that wait to workers that have room; one of an older version does not."""


class Members(msgspec.Struct, frozen=True, tag=True):
    """The workers that can get messages. One that was among them and is no more has died."""

    names: list[str]


class TakeOver(msgspec.Struct, frozen=True, tag=True):
    """Take these runs over. Answered by ``TookOver``."""

    orphans: list[OrphanedRuns]


class Lead(msgspec.Struct, frozen=True, tag=True):
    """Run the background jobs from now on."""


class TakeWaiting(msgspec.Struct, frozen=True, tag=True):
    """Take in a run that waits at another worker. Answered by ``TookWaiting``."""

    run: WaitingRun


class Measure(msgspec.Struct, frozen=True, tag=True):
    """Say what was counted so far. Answered by ``Measured``."""


# From a worker -------------------------------------------------------------------------------------------------------


class Assembled(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The database is there and of the right version, the files are published."""

    lines: list[str]
    """To be printed once the server is ready."""


class Serving(msgspec.Struct, frozen=True, tag=True):
    """Requests are accepted."""


class TookOver(msgspec.Struct, frozen=True, tag=True):
    """These runs are durably this worker's: their records name it."""

    orphans: list[OrphanedRuns]


class Offer(msgspec.Struct, frozen=True, tag=True):
    """Some worker is to take these runs over."""

    orphans: OrphanedRuns


class HasRoom(msgspec.Struct, frozen=True, tag=True):
    """The worker has a slot for a run that waits elsewhere: for one, until it says so again."""

    is_there: bool = True
    """``False``: it has none after all."""


class TookWaiting(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A run was taken in, or does not wait any more; or it cannot be taken in here, now."""

    run_id: str
    is_done: bool


class WithdrawWaiting(msgspec.Struct, frozen=True, tag=True):
    """A run is to be offered no more."""

    run_id: str


class Heartbeat(msgspec.Struct, frozen=True, tag=True):
    """The worker's event loop goes round."""


class Measured(msgspec.Struct, frozen=True, tag=True):
    """What the worker counted since its start."""

    samples: list[tuple[str, tuple[str, ...], list[float]]]
    """Name, labels, values."""


# Between workers -----------------------------------------------------------------------------------------------------


class CountRequest(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Count a request by a key. For the supervisor; answered by the seconds to wait if it is refused."""

    key: bytes
    per_minute: int | None = None
    """How many there may be. ``None``, from a worker of a version that counts API keys only: the rate of these."""


class OfferWaiting(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Offer a run that waits to the other workers. For the supervisor; answered by 1, or 0 if enough are."""

    run: WaitingRun


class ReadAgain(msgspec.Struct, frozen=True, tag=True):
    """Read the files of the operator again. From the supervisor."""


class WorkerCall(msgspec.Struct, frozen=True, kw_only=True, tag="Request"):
    """Something that another process is to do."""

    to: str
    sender: str
    number: int
    """Chosen by the sender, for the response."""
    command: Command | CountRequest | OfferWaiting | ReadAgain


class WorkerReply(msgspec.Struct, frozen=True, kw_only=True, tag="Response"):
    """What came of a request."""

    to: str
    number: int
    answer: int | None
    """``None``: there is no worker of that name, or it does not have the run."""
    grown: EventsAppended | None = None
    """What has come of the run, if that was the question."""
    refused: str = ""
    """Why it was not done, if the sender is to know."""


class Broadcast(msgspec.Struct, frozen=True, tag=True):
    """A hint to all workers, the sender too."""

    hint: Hint


Message: TypeAlias = (
    Begin
    | Members
    | TakeOver
    | Lead
    | TakeWaiting
    | Measure
    | Assembled
    | Serving
    | TookOver
    | Offer
    | HasRoom
    | TookWaiting
    | WithdrawWaiting
    | Heartbeat
    | Measured
    | WorkerCall
    | WorkerReply
    | Broadcast
)


MAX_MESSAGE_BYTES: Final = 256 << 20
"""A form may hold long texts."""

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Message).decode


class Channel:
    """One end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, end: socket.socket) -> "Channel":
        return cls(*await asyncio.open_unix_connection(sock=end, limit=MAX_MESSAGE_BYTES))

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
        self._writer.close()
