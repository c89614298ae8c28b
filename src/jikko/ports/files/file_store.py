"""Files: those that users upload, and those that nodes make.

Two ports lie below: an index of what is known of each file (``file_index.py``), and a place for the bytes
(``blob_store.py``).
"""

from collections.abc import AsyncIterator
from typing import Final, Protocol

from jikko.ports.stores.file_index import NOTHING_KEPT, Kept, Origin, StoredFile
from jikko.values import Json

_REFERENCE: Final = "file-ref:"


def reference_of(file_id: str) -> str:
    """The opaque ``reference`` of a stored file. Source: docs/dify-behaviour.md, “File values”."""
    return _REFERENCE + file_id


def file_id_of(reference: str) -> str:
    """The id behind a ``reference``; a text that is none is taken for an id."""
    return reference.removeprefix(_REFERENCE)


class FileStore(Protocol):
    """Files as nodes and use cases see them: what is kept, and the urls under which it can be fetched.

    ``jikko.files.store.Files`` is the one implementation.
    """

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

    async def make(
        self, content: bytes, *, app_id: str, end_user_id: str, name: str, mime_type: str, type: str = ""
    ) -> dict[str, Json]:
        """Store a file that a node made. ``type``: ``image``, ``document``, ``audio``, ``video`` or ``custom``; ``""``
        to tell it from the name. Returns its file mapping (docs/dify-behaviour.md, “File values”), with
        ``transfer_method`` ``tool_file`` and a fresh signed url.

        Raises:
            FileTooLarge: It is larger than files of nodes may be.
            StoreUnavailable: It cannot be written.
        """

    async def find(self, file_id: str, *, app_id: str, end_user_id: str) -> StoredFile | None:
        """A file of this end user; ``None`` for every other. ``file_id`` in any case.

        The id of an end user belongs to one app (``apps.end_users``): so that is the user of this app, or of one that
        called this app as a tool.
        """

    async def use(self, file_id: str, *, app_id: str, end_user_id: str) -> StoredFile | None:
        """As ``find``, for the input of a run: the file is kept for as long as if it was stored now."""

    async def signed(self, file_id: str, *, timestamp: str, nonce: str, sign: str) -> StoredFile | None:
        """A file of any user, for a client that has its signed url.

        Args:
            timestamp, nonce, sign: As they stand in the query of the url.

        Returns:
            ``None``: the signature is not ours or has expired, or there is no such file.
        """

    async def read(self, file_id: str, *, app_id: str, end_user_id: str) -> bytes:
        """The content of a file of this end user of this app.

        Raises:
            FileMissing: There is no such file for them, or its content is gone.
            StoreUnavailable: It cannot be read.
        """

    def stream(self, file: StoredFile) -> AsyncIterator[bytes]:
        """The content in pieces.

        Raises:
            FileMissing: The content is gone.
            StoreUnavailable: It cannot be read.
        """

    def mapping(
        self, file: StoredFile, *, type: str = "", transfer_method: str = "", id: Json = None, base_url: str = ""
    ) -> dict[str, Json]:
        """The file mapping of a stored file (docs/dify-behaviour.md, “File values”), with a fresh signed url.

        Args:
            type: ``""`` to tell it from extension and MIME type.
            transfer_method: ``""`` for ``local_file`` or ``tool_file``, by the file's origin.
            base_url: What the client at hand reached this server under; ``""`` for the one that is set.
        """

    def url(self, file: StoredFile, *, base_url: str = "") -> str:
        """A fresh signed url under which the file can be fetched without a key."""

    def renewed(self, value: Json, *, base_url: str = "") -> Json:
        """The value with fresh signed urls in all mappings of stored files. What has none is handed back itself.

        Only urls that were signed here are renewed. A value nested too deeply to be walked through stays as it is.
        ``base_url``: as of ``mapping``."""

    async def any_file(self, file_id: str) -> StoredFile | None:
        """A file of whichever end user; for those who know that it may be shown."""

    def renewed_text(self, text: str, *, base_url: str = "") -> str:
        """The text with fresh urls in the place of all that were signed here."""


class OldFiles(Protocol):
    """Removes files that are old enough. ``jikko.files.store.Files`` is the one implementation."""

    async def expire(self, before: float, *, limit: int = 500, keep: Kept = NOTHING_KEPT) -> int:
        """Remove files that were neither stored nor used since a moment, at most ``limit`` at a time. Returns how many.
        Less than ``limit``: there are no more. Raises ``StoreUnavailable``: they cannot be removed.

        Args:
            before: Seconds since the Unix epoch.
            keep: Files that stay.
        """

    async def remove_of_user(self, app_id: str, end_user_id: str, *, limit: int = 500) -> int:
        """Remove files of an end user, at most ``limit`` at a time, with content that no other file has.

        Content of the last minute goes later, by ``sweep``: another request may be storing the same.

        Returns:
            As ``expire`` does.
        """

    async def sweep(self, after: str = "", *, limit: int = 1000) -> str:
        """Remove content that no file has and that is older than an hour: a crash, or ``expire``, left it behind.
        Returns the last digest that was looked at; ``""``: there are no more. Raises ``StoreUnavailable``: it cannot be
        looked through, or not be removed.

        Args:
            after: Begin behind this digest.
            limit: How many to look at, so that others may read in between.
        """
