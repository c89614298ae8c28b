"""The MIME type of bytes that come without one."""

import codecs
from typing import Final

_BEGINNINGS: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
    (b"\x1f\x8b", "application/gzip"),
    (b"ID3", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"\x1aE\xdf\xa3", "video/webm"),
)
_MARKUP: Final = ((b"<!doctype html", "text/html"), (b"<html", "text/html"), (b"<svg", "image/svg+xml"))
_XML: Final = b"<?xml"
_LOOKED_AT: Final = 65_536
"""Bytes of a text that are looked at."""


def detected_type(content: bytes) -> str:
    """The MIME type of some bytes, by how they begin; ``application/octet-stream`` if unknown."""
    for beginning, mime_type in _BEGINNINGS:
        if content.startswith(beginning):
            return mime_type
    if content[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"WAVE": "audio/x-wav"}.get(content[8:12], "application/octet-stream")
    if content[4:8] == b"ftyp":
        return "video/mp4"
    start = content[:_LOOKED_AT]
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    for beginning, mime_type in _MARKUP:
        if text[: len(beginning)].lower() == beginning:
            return mime_type
    if text.startswith(_XML):
        return "text/xml"
    return "text/plain" if _is_text(start) else "application/octet-stream"


def _is_text(start: bytes) -> bool:
    if b"\0" in start:
        return False
    try:
        # The last character that is looked at may be cut off.
        codecs.getincrementaldecoder("utf-8")().decode(start, final=len(start) < _LOOKED_AT)
    except UnicodeDecodeError:
        return False
    return True
