"""One child of the fork server, as the server sees it."""

import asyncio
import contextlib
import socket
import time
from dataclasses import dataclass
from typing import Final

from jikko.ports.sandbox import SendForProgram
from jikko.sandbox.asking import MARK, MAX_BODY, MAX_TEXT, answered
from jikko.sandbox.wire import BROKEN, HEAD, MAX_BLOCK, NOT_BEGUN, REPLY_SLACK, BadReply

_EXIT_SECONDS: Final = 2.0
"""Until the fork server has told how a child ended that closed its connection. A busy machine takes its time for that;
a program that closes the connection and lives on is ended then."""
_CHUNK_BYTES: Final = 1 << 18


class ChildFailed(Exception):
    """A child failed, and not its program. The message is the error that it reports.

    A program may forge it, and is then run once more at most: not if it had a request made.
    """

    def __init__(self, error: bytes, *, has_begun: bool) -> None:
        self.has_begun = has_begun
        """Whether the program may have had effects."""
        super().__init__(error.decode("utf-8", "replace"))


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended."""

    signal: int
    """The signal that killed it, or 0."""
    code: int
    """The exit code, unless killed."""
    cpu_seconds: float
    memory_bytes: int
    """The most memory that it had of its own."""


@dataclass(frozen=True, slots=True)
class ChildReply:
    """What a child answered. Text and block come from a process that may have been taken over."""

    text: bytes
    """For ``wire.parse_reply``."""
    block: bytes


@dataclass(slots=True, eq=False)
class Child:
    """A locked process that waits for one job."""

    process_id: int
    connection: socket.socket
    kind: str
    """The kind of job that it is warm for. It can do the others too, a millisecond slower."""
    ended: asyncio.Future[Ended | None]
    """Set when it has ended; ``None`` when the fork server ended first and nothing is known."""
    has_begun_to_answer: bool = False
    """Whether some of its answer was read."""
    has_asked: bool = False
    """Whether it had a request made: it may have changed something outside."""
    seconds_asking: float = 0.0
    """How long it has waited for answers to its requests, without the one under way."""
    asking_since: float | None = None
    """Since when, on the monotonic clock, it waits for one; ``None`` while it does not."""

    @property
    def has_answered(self) -> bool:
        """Whether its answer has begun to come, be it that its end of the connection is closed.

        One that has before it has a job cannot do any.
        """
        if self.has_begun_to_answer:
            return True
        try:
            self.connection.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    async def exchange(self, job: bytes, *, output_bytes: int, send: SendForProgram | None = None) -> ChildReply:
        """Send the job, make the requests that it asks for, and read the reply.

        Args:
            job: What ``wire.pack`` made.
            output_bytes: How large the result may be, as JSON.
            send: Makes the requests.

        Raises:
            ChildFailed: It reports that it failed itself.
            EOFError: It ended, or closed its connection, without a whole reply.
            BadReply: It announced more than it may send.
        """
        loop = asyncio.get_running_loop()
        # When it closed before it read all, it may still have answered.
        with contextlib.suppress(ConnectionError):
            await loop.sock_sendall(self.connection, job)
        received = bytearray()
        while True:
            text, block = await self._receive(received, output_bytes)
            for mark in (NOT_BEGUN, BROKEN):
                if text.startswith(mark):
                    raise ChildFailed(text[len(mark) :], has_begun=mark == BROKEN or self.has_asked)
            if not text.startswith(MARK):
                return ChildReply(text, block)
            self.has_asked = True
            self.asking_since = time.monotonic()
            answer = await answered(text, block, send)
            self.seconds_asking += time.monotonic() - self.asking_since
            self.asking_since = None
            self.has_begun_to_answer = False
            with contextlib.suppress(ConnectionError):
                await loop.sock_sendall(self.connection, answer)

    async def _receive(self, received: bytearray, output_bytes: int) -> tuple[bytes, bytes]:
        """One message: its text and its block.

        Args:
            received: What was read and not used; what is left over stays in it.
        """
        loop = asyncio.get_running_loop()
        needed = HEAD.size
        text_length = -1
        while len(received) < needed or text_length < 0:
            if len(received) < needed:
                try:
                    chunk = await loop.sock_recv(self.connection, _CHUNK_BYTES)
                except ConnectionError:
                    chunk = b""
                if not chunk:
                    raise EOFError
                self.has_begun_to_answer = True
                received += chunk
            if text_length < 0 and len(received) >= HEAD.size:
                text_length, block_length = HEAD.unpack_from(received)
                asks = block_length > MAX_BLOCK
                if text_length > max(output_bytes + REPLY_SLACK, MAX_TEXT) or block_length > MAX_BODY:
                    raise BadReply("announced a reply larger than its output limit")
                needed = HEAD.size + text_length + block_length
        text_end = HEAD.size + text_length
        text, block = bytes(received[HEAD.size : text_end]), bytes(received[text_end:needed])
        del received[:needed]
        if not text.startswith(MARK) and (asks or text_length > output_bytes + REPLY_SLACK):
            raise BadReply("announced a reply larger than its output limit")
        if text.startswith(MARK) and text_length > MAX_TEXT:
            raise BadReply("asked for a request whose address and headers are too long")
        return text, block

    async def wait_ended(self, seconds: float = _EXIT_SECONDS) -> Ended | None:
        """How it ended after it closed its connection, or ``None`` if it lives on for so long."""
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.shield(self.ended)
        except TimeoutError:
            return None
