"""File store: an index, content-addressed storage, signed URLs, and file mappings among the values of runs.

Source: docs/dify-behaviour.md, “File values”.
"""

import re
import time
from collections.abc import AsyncIterator
from typing import Final

from msgspec import Struct

from jikko.files.signing_keys import UrlSigner
from jikko.ids import new_id
from jikko.ports.clock import Clock
from jikko.ports.files.file_store import reference_of
from jikko.ports.files.file_types import best_type, detect_type, extension_for, extension_of
from jikko.ports.stores.blob_store import BlobStore, FileMissing
from jikko.ports.stores.file_index import NOTHING_KEPT, Kept, Origin, StoredFile
from jikko.repositories.file_index import FileIndex
from jikko.values import FILE_IDENTITY, Json, is_file


def stored_mapping(
    file: StoredFile,
    signer: UrlSigner,
    *,
    type: str = "",
    transfer_method: str = "",
    id: Json = None,
    base_url: str = "",
) -> dict[str, Json]:
    """Return the mapping of a stored file, with a fresh URL."""
    url = signer.url(file, base_url)
    method = transfer_method or ("tool_file" if file.origin == "node" else "local_file")
    remote: dict[str, Json] = {"local_file": "", "remote_url": url}
    return {
        "dify_model_identity": FILE_IDENTITY,
        "id": id,
        "type": type or detect_type(file.extension, file.mime_type),
        "transfer_method": method,
        "remote_url": remote.get(method),
        "reference": reference_of(file.id),
        "filename": file.name,
        "extension": f".{file.extension}",
        "mime_type": file.mime_type,
        "size": file.size,
        "related_id": file.id,
        "url": url,
    }


def resign(value: Json, signer: UrlSigner, base_url: str = "") -> Json:
    """See ``FileStore.renewed``."""
    try:
        return _walk(value, signer, base_url)
    except RecursionError:
        return value


_SIGNED: Final = re.compile(
    r"https?://[^\s()<>\"'`]*?/files/(?:tools/)?([0-9a-f]{8}-[0-9a-f-]{27})[^\s()<>\"'`?]*"
    r"\?timestamp=\d+&nonce=[0-9a-f]+&sign=[A-Za-z0-9_%=-]+"
)


def resign_text(text: str, signer: UrlSigner, base_url: str = "") -> str:
    """See ``FileStore.renewed_text``."""
    if "&sign=" not in text:
        return text
    return _SIGNED.sub(lambda found: signer.renewed(found[0], found[1], base_url) or found[0], text)


def _walk(value: Json, signer: UrlSigner, base_url: str) -> Json:
    match value:
        case dict():
            if is_file(value):
                return _resigned(value, signer, base_url)
            changed = {key: _walk(item, signer, base_url) for key, item in value.items()}
            return changed if any(changed[key] is not value[key] for key in value) else value
        case list():
            items = [_walk(item, signer, base_url) for item in value]
            return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
        case _:
            return value


def _resigned(file: dict[str, Json], signer: UrlSigner, base_url: str) -> dict[str, Json]:
    url, file_id = file.get("url"), file.get("related_id")
    if not isinstance(url, str) or not isinstance(file_id, str):
        return file
    fresh = signer.renewed(url, file_id, base_url)
    if fresh is None:
        return file
    # A stored copy of a remote file has its URL twice.
    return {**file, "url": fresh, "remote_url": fresh if file.get("remote_url") == url else file.get("remote_url")}


_MAX_MADE: Final = 100 * 1024 * 1024


class Files(Struct, eq=False):
    """``FileStore`` and ``OldFiles``."""

    index: FileIndex
    blobs: BlobStore
    signer: UrlSigner
    max_made: int = _MAX_MADE
    """Maximum size of a file made by a node. Source: docs/dify-behaviour.md, “File uploads”."""
    clock: Clock = time.time

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
        # Content first: an index entry without content would be an error, content without one only wastes space.
        blob = await self.blobs.put(chunks, max_size=max_size)
        file = StoredFile(
            id=new_id(),
            app_id=app_id,
            end_user_id=end_user_id,
            name=name,
            size=blob.size,
            extension=extension_of(name),
            mime_type=mime_type,
            digest=blob.digest,
            created_at=self.clock(),
            origin=origin,
        )
        await self.index.add(file)
        return file

    async def make(
        self, content: bytes, *, app_id: str, end_user_id: str, name: str, mime_type: str, type: str = ""
    ) -> dict[str, Json]:
        mime_type = best_type(mime_type, name)
        if not extension_of(name):
            # Dify's files of tools always have a suffix, with which their URLs end.
            name += extension_for(mime_type)
        file = await self.save(
            _whole(content),
            app_id=app_id,
            end_user_id=end_user_id,
            name=name,
            mime_type=mime_type,
            max_size=self.max_made,
            origin="node",
        )
        return self.mapping(file, type=type)

    async def find(self, file_id: str, *, app_id: str, end_user_id: str) -> StoredFile | None:
        file = await self.index.find(file_id)
        # End users belong to one app. A workflow called as a tool shares the files of its caller.
        return file if file is not None and file.end_user_id == end_user_id else None

    async def signed(self, file_id: str, *, timestamp: str, nonce: str, sign: str) -> StoredFile | None:
        if not self.signer.accepts(file_id, timestamp=timestamp, nonce=nonce, sign=sign):
            return None
        return await self.index.find(file_id)

    async def read(self, file_id: str, *, app_id: str, end_user_id: str) -> bytes:
        file = await self.find(file_id, app_id=app_id, end_user_id=end_user_id)
        if file is None:
            raise FileMissing(f"No file {file_id}.")
        return await self.blobs.get(file.digest)

    def stream(self, file: StoredFile) -> AsyncIterator[bytes]:
        return self.blobs.stream(file.digest)

    def mapping(
        self, file: StoredFile, *, type: str = "", transfer_method: str = "", id: Json = None, base_url: str = ""
    ) -> dict[str, Json]:
        return stored_mapping(file, self.signer, type=type, transfer_method=transfer_method, id=id, base_url=base_url)

    def url(self, file: StoredFile, *, base_url: str = "") -> str:
        return self.signer.url(file, base_url)

    def renewed(self, value: Json, *, base_url: str = "") -> Json:
        return resign(value, self.signer, base_url)

    async def any_file(self, file_id: str) -> StoredFile | None:
        return await self.index.find(file_id)

    def renewed_text(self, text: str, *, base_url: str = "") -> str:
        return resign_text(text, self.signer, base_url)

    async def use(self, file_id: str, *, app_id: str, end_user_id: str) -> StoredFile | None:
        file = await self.find(file_id, app_id=app_id, end_user_id=end_user_id)
        if file is not None:
            await self.index.used(file.id, self.clock())
        return file

    async def expire(self, before: float, *, limit: int = 500, keep: Kept = NOTHING_KEPT) -> int:
        expired = await self.index.expire(before, limit=limit, keep=keep)
        await self._remove(expired.orphans)
        return expired.files

    async def remove_of_user(self, app_id: str, end_user_id: str, *, limit: int = 500) -> int:
        forgotten = await self.index.forget_of_user(app_id, end_user_id, limit=limit)
        await self.blobs.delete(forgotten.orphans, before=self.clock() - 60)
        return forgotten.files

    async def sweep(self, after: str = "", *, limit: int = 1000) -> str:
        digests = await self.blobs.digests(after=after, limit=limit)
        await self._remove(await self.index.unnamed(digests))
        return digests[-1] if digests else ""

    async def _remove(self, digests: list[str]) -> None:
        # An hour of grace: an upload may have stored the same content just now, before its index entry.
        await self.blobs.delete(digests, before=self.clock() - 3600)


async def _whole(content: bytes) -> AsyncIterator[bytes]:
    yield content
