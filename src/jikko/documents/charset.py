"""Bytes to text of an unknown encoding."""

import codecs
from typing import Final

from jikko.ports.files.documents import DocumentFailure

_MARKS: Final = (
    # The longer ones first: the mark of UTF-32 begins with that of UTF-16.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WESTERN: Final = ["latin_1", "cp1252"]


def decode(content: bytes) -> str:
    """The text: by its byte order mark, as UTF-8, or by a guess. A mark at the beginning is left out.

    The guess prefers the encodings of western Europe, which is all that Dify knows for plain text; only what cannot be
    one of them is looked for among all others. Source: docs/dify-behaviour.md, “Document extractor”.
    Raises ``DocumentFailure``: it is no text.
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
