"""Where files are kept: those that users upload, and those that nodes make.

Two ports lie below the one that nodes and use cases see: an index of what is known of each file, and a place for the
bytes, by their SHA-256.
"""

from collections.abc import AsyncIterator, Sequence, Set
from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypeAlias

import msgspec

from jikko.values import Json

Origin: TypeAlias = Literal["upload", "node"]


class StoredFile(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one file. Never changes."""

    id: str
    app_id: str
    end_user_id: str
    """Whose file it is: who uploaded it, or in whose run it was made. Nobody else may use it."""
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


class FileMissing(Exception):
    """There is no such file for this user, or its content is gone. The message is for the user to read."""


class FileTooLarge(Exception):
    """A file is larger than it may be. Nothing was kept."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        """Bytes."""
        super().__init__(f"The file is larger than {limit} bytes.")


class Expired(msgspec.Struct, frozen=True):
    """Files that were forgotten."""

    files: int
    """How many."""
    orphans: list[str]
    """Digests that no file has any more: their content can go."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Files that stay although they are old enough to be forgotten."""

    ids: Set[str] = frozenset()
    owners: Set[tuple[str, str]] = frozenset()
    """App and end user of whom every file stays."""

    def has(self, file_id: str, app_id: str, end_user_id: str) -> bool:
        """Whether a file is among them."""
        return file_id in self.ids or (app_id, end_user_id) in self.owners


NOTHING_KEPT: Final = Kept()


class FileIndex(Protocol):
    """The metadata of files. What an implementation must do is in ``tests/contract/test_file_index.py``."""

    async def add(self, file: StoredFile) -> None:
        """Keep a file's metadata. Durable when it returns.

        Raises:
            Conflict: There is a file with that id.
            StoreUnavailable: It could not be written.
        """
        ...

    async def find(self, file_id: str) -> StoredFile | None:
        """A file of any app. ``file_id`` in any case."""
        ...

    async def listed(self, app_id: str, *, limit: int = 100) -> list[StoredFile]:
        """Files of an app, newest first."""
        ...

    async def used(self, file_id: str, at: float) -> None:
        """Note that a run takes a file as an input. Not durable yet when this returns."""
        ...

    async def expire(self, before: float, *, limit: int = 500, keep: Kept = NOTHING_KEPT) -> Expired:
        """Forget files that were neither created nor used since a moment, oldest first.

        Args:
            limit: How many at most.
            keep: Files that stay.

        Returns:
            Fewer than ``limit``: there are no more.
        """
        ...

    async def unnamed(self, digests: Sequence[str]) -> list[str]:
        """Those of some digests that no file has."""
        ...


class Blob(msgspec.Struct, frozen=True):
    """Content that was stored."""

    digest: str
    """SHA-256 in hexadecimal."""
    size: int
    """Bytes."""


class BlobStore(Protocol):
    """Content by its SHA-256. What an implementation must do is in ``tests/contract/test_blob_store.py``.

    The same content is kept once. A disk today, object storage tomorrow: nothing here needs a file system.
    """

    async def put(self, chunks: AsyncIterator[bytes], *, max_size: int | None = None) -> Blob:
        """Keep content. It is complete and durable when this returns, and not to be seen before.

        Args:
            max_size: Bytes.

        Raises:
            FileTooLarge: It is larger than ``max_size``.
            StoreUnavailable: It cannot be written.
        """
        ...

    async def get(self, digest: str) -> bytes:
        """The whole content.

        Raises:
            FileMissing: There is none with that digest.
            StoreUnavailable: It cannot be read.
        """
        ...

    def stream(self, digest: str) -> AsyncIterator[bytes]:
        """The content in pieces. Raises as ``get`` does, at the first piece."""
        ...

    async def digests(self, *, after: str = "", limit: int = 1000) -> list[str]:
        """What there is, in order: the first so many behind a digest.

        Raises:
            StoreUnavailable: It cannot be read.
        """
        ...

    async def delete(self, digests: Sequence[str], *, before: float) -> None:
        """Remove content; what is not there is skipped.

        Args:
            before: Content that was put after this moment stays: somebody may be about to refer to it. Seconds since
                the Unix epoch.
        """
        ...


class FileStore(Protocol):
    """Files as nodes and use cases see them. ``jikko.files.store.Files`` is the one implementation."""

    async def save(
        self,
        chunks: AsyncIterator[bytes],
        *,
        app_id: str,
        end_user_id: str,
        name: str,
        mime_type: str,
        max_size: int | None = None,
        origin: Origin = "upload",
    ) -> StoredFile:
        """Store a file.

        Raises:
            FileTooLarge: It is larger than ``max_size`` bytes.
            StoreUnavailable: It cannot be written.
        """
        ...

    async def make(
        self, content: bytes, *, app_id: str, end_user_id: str, name: str, mime_type: str, type: str = ""
    ) -> dict[str, Json]:
        """Store a file that a node made.

        Args:
            type: ``image``, ``document``, ``audio``, ``video`` or ``custom``; ``""`` to tell it from the name.

        Returns:
            Its file mapping (spec/variables.md §6), with ``transfer_method`` ``tool_file`` and a fresh signed url.

        Raises:
            FileTooLarge: It is larger than files of nodes may be.
            StoreUnavailable: It cannot be written.
        """
        ...

    async def find(self, file_id: str, *, app_id: str, end_user_id: str) -> StoredFile | None:
        """A file of this end user of this app; ``None`` for every other. ``file_id`` in any case."""
        ...

    async def use(self, file_id: str, *, app_id: str, end_user_id: str) -> StoredFile | None:
        """As ``find``, for the input of a run: the file is kept for as long as if it was stored now."""
        ...

    async def look_up(self, file_id: str) -> StoredFile | None:
        """A file, whoever owns it: for requests that prove their right by a signature."""
        ...

    async def read(self, file_id: str, *, app_id: str, end_user_id: str) -> bytes:
        """The content of a file of this end user of this app.

        Raises:
            FileMissing: There is no such file for them, or its content is gone.
            StoreUnavailable: It cannot be read.
        """
        ...

    def stream(self, file: StoredFile) -> AsyncIterator[bytes]:
        """The content in pieces.

        Raises:
            FileMissing: The content is gone.
            StoreUnavailable: It cannot be read.
        """
        ...

    def mapping(
        self, file: StoredFile, *, type: str = "", transfer_method: str = "", id: Json = None, base_url: str = ""
    ) -> dict[str, Json]:
        """The file mapping of a stored file (spec/variables.md §6), with a fresh signed url.

        Args:
            type: ``""`` to tell it from extension and MIME type.
            transfer_method: ``""`` for ``local_file`` or ``tool_file``, by the file's origin.
            base_url: What the client at hand reached this server under; ``""`` for the one that is set.
        """
        ...

    def url(self, file: StoredFile, *, base_url: str = "") -> str:
        """A fresh signed url under which the file can be fetched without a key."""
        ...
