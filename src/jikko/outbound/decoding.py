"""Collects the body of an answer, decompressed and never more than it may be."""

import zlib
from collections.abc import Iterator
from typing import Final

from jikko.ports.http import HttpFailure

ACCEPTED: Final = "gzip, deflate"
"""The value of Accept-Encoding: what ``BodyCollector`` can decompress."""

_ANY_HEADER: Final = 32 + zlib.MAX_WBITS
"""zlib finds out by itself whether it is gzip or zlib data."""
_SLACK: Final = 65_536
"""What compressed data may be larger than its content, in bytes."""
_MAX_EMPTY_MEMBERS: Final = 100
"""Compressed members in a row that hold nothing. Each is some 20 bytes, and takes as long as thousands of others."""
_STEP: Final = 262_144
"""Bytes that are decompressed at a time, so that a bomb is noticed before it is in memory."""


class BodyCollector:
    """Takes the body as it comes from the network.

    The limit holds for the decompressed content. A few kilobytes can decompress to gigabytes, so output is taken from
    the decompressor in steps.
    """

    def __init__(self, encoding: str, limit: int) -> None:
        """``encoding``: The Content-Encoding header. Raises ``HttpFailure`` if it cannot be read. ``limit``: Bytes."""
        self._limit = limit
        self._content = bytearray()
        """In one: parts of a byte or two would each take twenty times as much."""
        self._received = 0
        names = [name.strip().lower() for name in encoding.split(",")]
        names = [name for name in names if name not in ("", "identity")]
        if len(names) > 1 or any(name not in ("gzip", "x-gzip", "deflate") for name in names):
            raise HttpFailure(
                f"The answer is compressed by {encoding[:60]!r}, which was not asked for and cannot be read.",
                kind="protocol",
            )
        self._inflater = _Inflater() if names else None

    def feed(self, chunk: bytes) -> Iterator[None]:
        """Take the next piece, in steps of at most 256 KiB of content, between which others may have the event loop.
        Raises ``HttpFailure``: the body is too large, or broken.
        """
        self._received += len(chunk)
        if self._inflater is None:
            self._keep(chunk)
            return
        if self._received > self._limit + _SLACK:
            raise self._too_large()
        for piece in self._inflater.inflate(chunk):
            self._keep(piece)
            yield

    def content(self) -> bytes:
        """The whole body, at its end. Raises ``HttpFailure``: the compressed data has no end."""
        if self._inflater is not None and self._received and not self._inflater.complete:
            raise HttpFailure("The answer breaks off: its compressed data is not complete.", kind="protocol")
        return bytes(self._content)

    def _keep(self, piece: bytes) -> None:
        if len(self._content) + len(piece) > self._limit:
            raise self._too_large()
        self._content += piece

    def _too_large(self) -> HttpFailure:
        limit = f"{self._limit / 1_048_576:.2f} MB" if self._limit >= 1_048_576 else f"{self._limit} bytes"
        return HttpFailure(f"The answer is larger than {limit}.", kind="too_large")


class _Inflater:
    """Decompresses gzip, zlib and bare deflate data, distinguished by their first bytes."""

    def __init__(self) -> None:
        self._engine = zlib.decompressobj(_ANY_HEADER)
        self._begun = False
        self._empty = 0
        """Members in a row that held nothing."""

    @property
    def complete(self) -> bool:
        return self._engine.eof

    def inflate(self, data: bytes) -> Iterator[bytes]:
        """The content in steps; a caller that has enough stops iterating."""
        while data:
            if self._engine.eof:
                # Several gzip members may follow each other; anything else behind the end is padding.
                if not data.startswith(b"\x1f\x8b"):
                    break
                self._engine = zlib.decompressobj(_ANY_HEADER)
            piece = self._step(data)
            self._empty = 0 if piece else self._empty + self._engine.eof
            if self._empty > _MAX_EMPTY_MEMBERS:
                raise _broken()
            yield piece
            data = self._engine.unused_data if self._engine.eof else self._engine.unconsumed_tail

    def _step(self, data: bytes) -> bytes:
        try:
            piece = self._engine.decompress(data, _STEP)
        except zlib.error:
            if self._begun:
                raise _broken() from None
            # What servers call deflate is often the bare data, without the header that the standard asks for.
            self._engine = zlib.decompressobj(-zlib.MAX_WBITS)
            try:
                piece = self._engine.decompress(data, _STEP)
            except zlib.error:
                raise _broken() from None
        self._begun = True
        return piece


def _broken() -> HttpFailure:
    return HttpFailure("The answer cannot be decompressed: its compressed data is broken.", kind="protocol")
