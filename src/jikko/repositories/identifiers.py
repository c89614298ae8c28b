"""How ids and other texts are stored: a UUID in 16 bytes, which saves more than half of its 36 characters."""

from typing import TypeAlias

StoredId: TypeAlias = bytes | str


def storable(text: str) -> str:
    """The text with lone surrogates, which UTF-8 has no bytes for, replaced by ``?``."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def stored_id(text: str) -> StoredId:
    """16 bytes for a UUID in its canonical, lower-case form; any other text is stored as text."""
    if len(text) == 36:
        digits = text.replace("-", "")
        if len(digits) == 32 and text[8] == text[13] == text[18] == text[23] == "-":
            try:
                raw = bytes.fromhex(digits)
            except ValueError:
                return storable(text)
            # Upper case is not canonical: it would come back changed.
            if raw.hex() == digits:
                return raw
    return storable(text)


def id_text(stored: StoredId) -> str:
    """The text that ``stored_id`` was given, or ``id_column`` of PostgreSQL."""
    if isinstance(stored, str):
        return stored
    if len(stored) != 16:
        # PostgreSQL keeps a text as bytes, with a zero byte before it.
        return stored[1:].rstrip(b"\0").decode()
    digits = stored.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
