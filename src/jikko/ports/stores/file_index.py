"""Index of files, without their content."""

from collections.abc import Set
from typing import Final, Literal, TypeAlias

import msgspec
from msgspec import Struct

Origin: TypeAlias = Literal["upload", "node"]


class StoredFile(msgspec.Struct, frozen=True, kw_only=True):
    """Immutable metadata of a file."""

    id: str
    app_id: str
    end_user_id: str
    """Owner: the user who uploaded it, or in whose run it was made. No other user may use it."""
    name: str
    """Name given by the user; any characters but slashes. At most about 200."""
    size: int
    """Bytes."""
    extension: str
    """In lower case and without the dot; ``""`` if the name has none."""
    mime_type: str
    digest: str
    """Hexadecimal SHA-256 of the content: the key of the blob."""
    created_at: float
    """Seconds since the Unix epoch."""
    origin: Origin = "upload"


class Expired(msgspec.Struct, frozen=True):
    """Files removed from the index."""

    files: int
    orphans: list[str]
    """Digests without a file: their content can be removed."""


class Kept(Struct, frozen=True):
    """Expired files to keep."""

    ids: Set[str] = frozenset()
    owners: Set[tuple[str, str]] = frozenset()
    """Pairs of app and end user whose files all stay."""

    def has(self, file_id: str, app_id: str, end_user_id: str) -> bool:
        return file_id in self.ids or (app_id, end_user_id) in self.owners


NOTHING_KEPT: Final = Kept()


class FileTotals(Struct, frozen=True):
    files: int
    bytes: int
    """Size of all files; shared content counts for each."""
