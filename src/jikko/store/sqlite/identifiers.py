"""How an id is stored: in 16 bytes where it is a UUID, which saves more than half of its 36 characters."""

from typing import TypeAlias

StoredId: TypeAlias = bytes | str


def stored_id(text: str) -> StoredId:
    """16 bytes for a UUID in its canonical, lower-case form; any other text stays as it is."""
    if len(text) == 36:
        digits = text.replace("-", "")
        if len(digits) == 32 and text[8] == text[13] == text[18] == text[23] == "-":
            try:
                raw = bytes.fromhex(digits)
            except ValueError:
                return text
            # Upper case is not canonical: it would come back changed.
            if raw.hex() == digits:
                return raw
    return text


def id_text(stored: StoredId) -> str:
    """The text that ``stored_id`` was given."""
    if isinstance(stored, str):
        return stored
    digits = stored.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
