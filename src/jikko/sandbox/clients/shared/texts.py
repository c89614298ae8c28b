"""Reads the text of an answer."""

import codecs
import re

_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)


def declared_charset(content_type: str) -> str | None:
    """The character set that a Content-Type names, if this Python knows it."""
    found = _CHARSET.search(content_type)
    if found is None:
        return None
    try:
        return codecs.lookup(found[1]).name
    except LookupError:
        return None


def guessed_charset(content: bytes) -> str:
    """UTF-8 if it can be, with its mark or without; else the usual one of western servers."""
    if content.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    try:
        content.decode()
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"
