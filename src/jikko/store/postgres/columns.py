"""Texts and ids as PostgreSQL takes them."""

from jikko.repositories.shared_sql import storable, stored_id

_IS_TEXT = b"\x00"


def text(value: str) -> str:
    """A text for a column of type ``text``, which holds neither U+0000 nor halves of characters: U+FFFD and ``?``."""
    return storable(value).replace("\0", "\ufffd")


def optional_text(value: str | None) -> str | None:
    """``text``, if there is one."""
    return None if value is None else text(value)


def id_column(value: str) -> bytes:
    """An id as it is stored: 16 bytes for a UUID in its canonical form, else a zero byte and the text."""
    stored = stored_id(value)
    if isinstance(stored, bytes):
        return stored
    raw = _IS_TEXT + text(stored).encode()
    # As long as a UUID: one more zero byte, which no text has, tells them apart.
    return raw + _IS_TEXT if len(raw) == 16 else raw
