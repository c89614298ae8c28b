"""Contents of files passed to tools."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from jikko.ports.files.file_store import FileStore
from jikko.ports.http import HttpClient, HttpFailure, OutgoingRequest, Timeouts
from jikko.ports.stores.blob_store import FileMissing
from jikko.ports.tools import ToolCall, ToolFailure
from jikko.values import Json

_MAX_REMOTE: Final = 100 << 20
"""Maximum size of a remote file."""


class FileContent(Struct, frozen=True):
    filename: str
    content: bytes
    mime_type: str


class GivenFiles(Struct, eq=False):
    """Reads the caller's stored files, and fetches remote ones through the address policy."""

    files: FileStore
    http: HttpClient
    timeouts: Timeouts
    """Per fetched file."""

    async def read(self, file: Json, parameter: str, call: ToolCall) -> FileContent:
        """Read a parameter's file (docs/dify-behaviour.md, “File values”). Raises ``ToolFailure``: not a file, missing,
        another user's, or not reachable."""
        if not isinstance(file, Mapping):
            raise ToolFailure(f"the parameter {parameter} takes a file, and was given none", reported=False)
        name, file_id, url = str(file.get("filename") or "file"), file.get("related_id"), file.get("remote_url")
        if isinstance(file_id, str) and file_id:
            try:
                content = await self.files.read(file_id, app_id=call.app_id, end_user_id=call.end_user_id)
            except FileMissing as failure:
                raise ToolFailure(f"{name}: {failure}", reported=False) from None
        elif isinstance(url, str) and url:
            content = await self._fetched(url, name, call)
        else:
            raise ToolFailure(f"{name} names no file", reported=False)
        return FileContent(name, content, str(file.get("mime_type") or "application/octet-stream"))

    async def _fetched(self, url: str, name: str, call: ToolCall) -> bytes:
        request = OutgoingRequest(
            method="GET", url=url, max_bytes=_MAX_REMOTE, app_id=call.app_id, timeouts=self.timeouts
        )
        try:
            answer = await self.http.send(request)
        except HttpFailure as failure:
            raise ToolFailure(f"{name}: {failure}", reported=False) from None
        if not 200 <= answer.status < 300:
            raise ToolFailure(f"{name}: the server answered with status {answer.status}", reported=False)
        return answer.body
