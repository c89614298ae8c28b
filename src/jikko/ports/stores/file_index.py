"""The index of files, without their content."""

from collections.abc import Set
from typing import Final, Literal, TypeAlias

import msgspec
from msgspec import Struct

Origin: TypeAlias = Literal["upload", "node"]


class StoredFile(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one file. Never changes."""

    id: str
    app_id: str
    end_user_id: str
    """Whose file it is: who uploaded it, or in whose run it was made. No other user may use it."""
    name: str
    """As the user named it; any characters but slashes. At most about 200."""
    size: int
    """Bytes."""
    extension: str
    """In lower case and without the dot; ``""`` if the name has none."""
    mime_type: str
    digest: str
    """SHA-256 of the content, in hexadecimal: the key of the blob."""
    created_at: float
    """Seconds since the Unix epoch."""
    origin: Origin = "upload"


class Expired(msgspec.Struct, frozen=True):
    """Files that were forgotten."""

    files: int
    """How many."""
    orphans: list[str]
    """Digests that no file has any more: their content can go."""


class Kept(Struct, frozen=True):
    """Files that stay although they are old enough to be forgotten."""

    ids: Set[str] = frozenset()
    owners: Set[tuple[str, str]] = frozenset()
    """App and end user of whom every file stays."""

    def has(self, file_id: str, app_id: str, end_user_id: str) -> bool:
        """Whether a file is among them."""
        return file_id in self.ids or (app_id, end_user_id) in self.owners


NOTHING_KEPT: Final = Kept()


class FileTotals(Struct, frozen=True):
    """How much there is."""

    files: int
    bytes: int
    """Of all files; content that several have counts for each."""
