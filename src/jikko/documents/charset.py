"""Charset detection and decoding."""

import codecs
from typing import Final

from jikko.ports.files.documents import DocumentFailure

_MARKS: Final = (
    # Longer marks first: that of UTF-32 starts with that of UTF-16.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WESTERN: Final = ["latin_1", "cp1252"]


def decode(content: bytes) -> str:
    """Decode by byte order mark, as UTF-8, or by a guess. The mark is removed.

    The guess prefers western European encodings, the only ones that Dify knows for plain text; others are tried only if
    none of these fits. Source: docs/dify-behaviour.md, “Document extractor”. Raises ``DocumentFailure`` if it is not
    text.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content.decode(encoding, "replace")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        pass
    if b"\x00" in content[:65536]:
        raise DocumentFailure("extraction.not_text")
    return content.decode(_guess(content), "replace")


def _guess(content: bytes) -> str:
    try:
        from charset_normalizer import from_bytes
    except ImportError:
        # Not installed: right for western Europe, and better than nothing elsewhere.
        return "cp1252"
    best = from_bytes(content, cp_isolation=_WESTERN).best() or from_bytes(content).best()
    return best.encoding if best is not None else "utf-8"
