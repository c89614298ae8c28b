"""Decompression of bodies, within a size limit."""

import zlib
from collections.abc import Iterator
from typing import Final

from jikko.ports.http import HttpFailure

ACCEPTED: Final = "gzip, deflate"
"""Accept-Encoding: what ``BodyCollector`` can decompress."""

_ANY_HEADER: Final = 32 + zlib.MAX_WBITS
"""Lets zlib detect gzip or zlib headers."""
_SLACK: Final = 65_536
"""Allowed overhead of compressed data, in bytes."""
_MAX_EMPTY_MEMBERS: Final = 100
"""Maximum consecutive empty compressed members: each is some 20 bytes, and costs as much as thousands of others."""
_STEP: Final = 262_144
"""Bytes decompressed at a time, so that a bomb is detected early."""


class BodyCollector:
    """Collects a body as it arrives.

    The limit applies to the decompressed content. A few kilobytes may expand to gigabytes, so output is taken in steps.
    """

    def __init__(self, encoding: str, limit: int) -> None:
        """``encoding``: The Content-Encoding header. ``limit``: Bytes. Raises ``HttpFailure``: unsupported."""
        self._limit = limit
        self._content = bytearray()
        """One buffer: tiny parts would take twenty times as much."""
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
        """Add a piece, in steps of at most 256 KiB of content, between which the event loop may run. Raises
        ``HttpFailure``: too large, or corrupt."""
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
        """Return the whole body, at its end. Raises ``HttpFailure`` if compressed data is truncated."""
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
    """Decompresses gzip, zlib and raw deflate, detected by the first bytes."""

    def __init__(self) -> None:
        self._engine = zlib.decompressobj(_ANY_HEADER)
        self._begun = False
        self._empty = 0
        """Consecutive empty members."""

    @property
    def complete(self) -> bool:
        return self._engine.eof

    def inflate(self, data: bytes) -> Iterator[bytes]:
        """Yield the content in steps; a caller that has enough stops iterating."""
        while data:
            if self._engine.eof:
                # gzip allows several members; anything else after the end is padding.
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
            # Servers often send raw deflate, without the zlib header that the standard requires.
            self._engine = zlib.decompressobj(-zlib.MAX_WBITS)
            try:
                piece = self._engine.decompress(data, _STEP)
            except zlib.error:
                raise _broken() from None
        self._begun = True
        return piece


def _broken() -> HttpFailure:
    return HttpFailure("The answer cannot be decompressed: its compressed data is broken.", kind="protocol")
