"""Messages between the processes of one server.

Each worker has one channel, to its supervisor, which forwards what is meant for others.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any, Final, TypeAlias

import msgspec

from jikko.ports.cluster import Command, EventsAppended, Hint, OrphanedRuns, WaitingRun

SUPERVISOR: Final = "supervisor"
"""Name of the process that starts the workers."""


# From the supervisor -------------------------------------------------------------------------------------------------


class Begin(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """First message to a worker."""

    name: str
    """Its name from now on: ``server/number``."""
    workers: int
    """Total number of workers."""
    settings: dict[str, Any]
    """``Settings`` as JSON."""
    files: list[str] | None
    """DSL files to publish; ``None`` if another worker has published them."""
    drains: bool = False
    """Whether it leaves new connections to the next server when it stops; see ``serve_assembly``."""
    hands_on: bool = False
    """Whether the supervisor hands waiting runs to workers with free slots; older versions do not."""


class Members(msgspec.Struct, frozen=True, tag=True):
    """Workers that can receive messages. One that is no longer listed has died."""

    names: list[str]


class TakeOver(msgspec.Struct, frozen=True, tag=True):
    """Take over these runs. Answered by ``TookOver``."""

    orphans: list[OrphanedRuns]


class Lead(msgspec.Struct, frozen=True, tag=True):
    """Run the background jobs from now on."""


class TakeWaiting(msgspec.Struct, frozen=True, tag=True):
    """Accept a run that is waiting at another worker. Answered by ``TookWaiting``."""

    run: WaitingRun


class Measure(msgspec.Struct, frozen=True, tag=True):
    """Report metrics. Answered by ``Measured``."""


# From a worker -------------------------------------------------------------------------------------------------------


class Assembled(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The database is open and up to date, and the files are published."""

    lines: list[str]
    """Lines to print once the server is ready."""


class Serving(msgspec.Struct, frozen=True, tag=True):
    """The worker accepts requests."""


class TookOver(msgspec.Struct, frozen=True, tag=True):
    """These runs are durably this worker's: their records name it."""

    orphans: list[OrphanedRuns]


class Offer(msgspec.Struct, frozen=True, tag=True):
    """Some worker is to take over these runs."""

    orphans: OrphanedRuns


class HasRoom(msgspec.Struct, frozen=True, tag=True):
    """The worker has a free slot for one run that is waiting elsewhere, until it repeats this message."""

    is_there: bool = True
    """``False``: withdrawn."""


class TookWaiting(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The run was accepted or no longer waits; or this worker cannot accept it now."""

    run_id: str
    is_done: bool


class WithdrawWaiting(msgspec.Struct, frozen=True, tag=True):
    """Withdraw an offered run."""

    run_id: str


class Heartbeat(msgspec.Struct, frozen=True, tag=True):
    """The worker's event loop is alive."""


class Measured(msgspec.Struct, frozen=True, tag=True):
    """Metrics of the worker since its start."""

    samples: list[tuple[str, tuple[str, ...], list[float]]]
    """Name, labels, values."""


# Between workers -----------------------------------------------------------------------------------------------------


class CountRequest(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Count a request by a key. For the supervisor; answered by the seconds to wait if refused."""

    key: bytes
    per_minute: int | None = None
    """The limit. ``None``, from workers of an older version that count API keys only: the limit of these."""


class OfferWaiting(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Offer a waiting run to the other workers. For the supervisor; answered by 1, or by 0 if enough are offered."""

    run: WaitingRun


class ReadAgain(msgspec.Struct, frozen=True, tag=True):
    """Reload the operator's files. From the supervisor."""


class WorkerCall(msgspec.Struct, frozen=True, kw_only=True, tag="Request"):
    """Request to another process."""

    to: str
    sender: str
    number: int
    """Chosen by the sender, to match the reply."""
    command: Command | CountRequest | OfferWaiting | ReadAgain


class WorkerReply(msgspec.Struct, frozen=True, kw_only=True, tag="Response"):
    to: str
    number: int
    answer: int | None
    """``None``: no worker of that name, or it does not own the run."""
    grown: EventsAppended | None = None
    """New events of the run, if they were requested."""
    refused: str = ""
    """Reason of a refusal, for the sender."""


class Broadcast(msgspec.Struct, frozen=True, tag=True):
    """Hint to all workers, including the sender."""

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
"""Forms may hold long texts."""

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
        """Send a message. It is lost if the other side is gone."""
        if not self._writer.is_closing():
            self._writer.write(_encode(message) + b"\n")

    async def messages(self) -> AsyncIterator[Message]:
        """Yield the other side's messages until it is gone."""
        try:
            while text := await self._reader.readline():
                yield _decode(text)
        except (ConnectionError, asyncio.IncompleteReadError):
            return

    def close(self) -> None:
        self._writer.close()
