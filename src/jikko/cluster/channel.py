"""The connection between a worker and the process that started it: JSON, one message a line of text."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Final

import msgspec

from jikko.cluster.cluster_messages import Message

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
