"""Contents of files passed to tools."""

from collections.abc import Mapping

from msgspec import Struct

from jikko.nodes.files.file_content import fetched
from jikko.ports.files.file_store import FileStore
from jikko.ports.http import HttpClient, HttpFailure, Timeouts
from jikko.ports.stores.blob_store import FileMissing
from jikko.ports.tools import ToolCall, ToolFailure
from jikko.values import Json


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
        try:
            if isinstance(file_id, str) and file_id:
                content = await self.files.read(file_id, app_id=call.app_id, end_user_id=call.end_user_id)
            elif isinstance(url, str) and url:
                content = (await fetched(self.http, url, app_id=call.app_id, timeouts=self.timeouts)).body
            else:
                raise ToolFailure(f"{name} names no file", reported=False)
        except (FileMissing, HttpFailure) as failure:
            raise ToolFailure(f"{name}: {failure}", reported=False) from None
        return FileContent(name, content, str(file.get("mime_type") or "application/octet-stream"))
