"""Puts files together that a plugin sends in pieces."""

import base64
import binascii
from typing import Any

import msgspec

from jikko.plugins.process.wire import PluginFailure


class _Piece(msgspec.Struct):
    id: str
    sequence: int
    total_length: int
    blob: str
    end: bool = False


class _Blob:
    def __init__(self, total: int) -> None:
        self.total = total
        self.next = 0
        self.content = bytearray()


class Blobs:
    """The files of one call. Pieces come in order, each file once."""

    def __init__(self, longest: int) -> None:
        """Args:
        longest: Bytes that a file may have.
        """
        self._longest = longest
        self._open: dict[str, _Blob] = {}
        self._done: set[str] = set()

    def take(self, message: Any) -> bytes | None:
        """Take a piece.

        Returns:
            The file, if it is whole now.

        Raises:
            PluginFailure: The piece does not fit.
        """
        try:
            piece = msgspec.convert(message, _Piece)
            content = base64.b64decode(piece.blob, validate=True)
        except (msgspec.ValidationError, binascii.Error, ValueError) as error:
            raise _wrong(f"a piece of a file that cannot be read ({error})") from None
        if piece.id in self._done:
            raise _wrong(f"a piece of the file {piece.id[:40]!r}, which was complete")
        blob = self._open.setdefault(piece.id, _Blob(piece.total_length))
        # Old SDKs count the end as a piece of its own, without content.
        if piece.sequence != blob.next or piece.total_length != blob.total:
            raise _wrong(f"the pieces of the file {piece.id[:40]!r} out of order")
        blob.next += 1
        blob.content += content
        if max(len(blob.content), piece.total_length) > self._longest:
            raise PluginFailure("PluginProtocol", f"The plugin sends a file of more than {self._longest} bytes.")
        if len(blob.content) > blob.total or (piece.end and len(blob.content) != blob.total):
            raise _wrong(f"{len(blob.content)} bytes of the file {piece.id[:40]!r}, said to have {blob.total}")
        if not piece.end:
            return None
        del self._open[piece.id]
        self._done.add(piece.id)
        return bytes(blob.content)


def _wrong(what: str) -> PluginFailure:
    return PluginFailure("PluginProtocol", f"The plugin sends {what}.")
