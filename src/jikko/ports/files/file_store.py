"""Files: uploads of users and output of nodes.

It is built on two ports: the index of files (``file_index.py``) and the store of their content (``blob_store.py``).
"""

from collections.abc import AsyncIterator
from typing import Final, Protocol

from jikko.ports.stores.file_index import NOTHING_KEPT, Kept, Origin, StoredFile
from jikko.values import Json

_REFERENCE: Final = "file-ref:"


def reference_of(file_id: str) -> str:
    """Return the opaque ``reference`` of a stored file. Source: docs/dify-behaviour.md, “File values”."""
    return _REFERENCE + file_id


def file_id_of(reference: str) -> str:
    """Return the id in a ``reference``; any other text counts as an id."""
    return reference.removeprefix(_REFERENCE)


class FileStore(Protocol):
    """Stored files and their signed URLs, for nodes and use cases.

    ``jikko.files.store.Files`` is the only implementation.
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
            FileTooLarge: Larger than ``max_size`` bytes.
            StoreUnavailable: It cannot be written.
        """

    async def make(
        self, content: bytes, *, app_id: str, end_user_id: str, name: str, mime_type: str, type: str = ""
    ) -> dict[str, Json]:
        """Store a file made by a node. ``type``: ``image``, ``document``, ``audio``, ``video`` or ``custom``; ``""`` to
        detect it from the name. Returns its file mapping (docs/dify-behaviour.md, “File values”), with
        ``transfer_method`` ``tool_file`` and a fresh signed URL.

        Raises:
            FileTooLarge: Over the limit for files of nodes.
            StoreUnavailable: It cannot be written.
        """

    async def find(self, file_id: str, *, app_id: str, end_user_id: str) -> StoredFile | None:
        """Find a file of this end user; ``None`` for any other. ``file_id`` in any case.

        An end user's id belongs to one app (``apps.end_users``), so this is the user of this app, or of one that called
        this app as a tool.
        """

    async def use(self, file_id: str, *, app_id: str, end_user_id: str) -> StoredFile | None:
        """As ``find``, for the input of a run: restart the file's retention period."""

    async def signed(self, file_id: str, *, timestamp: str, nonce: str, sign: str) -> StoredFile | None:
        """Find a file of any user by its signed URL.

        Args:
            timestamp, nonce, sign: From the query of the URL.

        Returns:
            ``None`` if the signature is invalid or expired, or there is no such file.
        """

    async def read(self, file_id: str, *, app_id: str, end_user_id: str) -> bytes:
        """Read a file of this end user of this app.

        Raises:
            FileMissing: The user has no such file, or its content is gone.
            StoreUnavailable: It cannot be read.
        """

    def stream(self, file: StoredFile) -> AsyncIterator[bytes]:
        """Stream the content in chunks.

        Raises:
            FileMissing: The content is gone.
            StoreUnavailable: It cannot be read.
        """

    def mapping(
        self, file: StoredFile, *, type: str = "", transfer_method: str = "", id: Json = None, base_url: str = ""
    ) -> dict[str, Json]:
        """Return a stored file's mapping (docs/dify-behaviour.md, “File values”), with a fresh signed URL.

        Args:
            type: ``""`` to detect it from extension and MIME type.
            transfer_method: ``""`` for ``local_file`` or ``tool_file``, by the file's origin.
            base_url: URL by which the client reached this server; ``""`` for the configured one.
        """

    def url(self, file: StoredFile, *, base_url: str = "") -> str:
        """Return a fresh signed URL, which needs no API key."""

    def renewed(self, value: Json, *, base_url: str = "") -> Json:
        """Return the value with fresh signed URLs in all mappings of stored files, or the same object if it has none.

        Only URLs signed here are renewed. Values nested too deeply are left unchanged. ``base_url``: See ``mapping``.
        """

    async def any_file(self, file_id: str) -> StoredFile | None:
        """Find a file of any end user. The caller checks permission."""

    def renewed_text(self, text: str, *, base_url: str = "") -> str:
        """Return the text with every URL signed here renewed."""


class OldFiles(Protocol):
    """Removes old files. ``jikko.files.store.Files`` is the only implementation."""

    async def expire(self, before: float, *, limit: int = 500, keep: Kept = NOTHING_KEPT) -> int:
        """Remove files neither stored nor used since a time, at most ``limit``. Returns how many; fewer than ``limit``
        means none is left. Raises ``StoreUnavailable`` if that fails.

        Args:
            before: Seconds since the Unix epoch.
            keep: Files to keep.
        """

    async def remove_of_user(self, app_id: str, end_user_id: str, *, limit: int = 500) -> int:
        """Remove files of an end user, at most ``limit``, with content that no other file shares.

        Content of the last minute is left to ``sweep``: another request may be storing the same. Returns as ``expire``.
        """

    async def sweep(self, after: str = "", *, limit: int = 1000) -> str:
        """Remove content without a file and older than an hour, left behind by a crash or by ``expire``. Returns the
        last digest checked, or ``""`` at the end. Raises ``StoreUnavailable`` if content cannot be listed or
        removed.

        Args:
            after: Begin after this digest.
            limit: How many to check, so that others may read in between.
        """
