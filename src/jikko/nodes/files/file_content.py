"""Contents of files in variables."""

from collections.abc import Mapping

from jikko.nodes.contract import NodeFailure
from jikko.nodes.node_context import Context
from jikko.ports.http import HttpFailure, OutgoingRequest
from jikko.ports.stores.blob_store import FileMissing
from jikko.values import Json

MAX_REMOTE = 100 * 1024 * 1024
"""Maximum size of a remote file."""


async def read_content(ctx: Context, file: Mapping[str, Json]) -> bytes:
    """Read a stored file of the run's end user, or a remote one. Raises ``NodeFailure`` if it is unavailable."""
    name = file.get("filename") or "file"
    url, file_id = file.get("remote_url"), file.get("related_id")
    if file.get("transfer_method") == "remote_url" and not file_id:
        if not isinstance(url, str) or not url:
            raise NodeFailure("Missing URL for remote file")
        return await _fetch(ctx, url, str(name))
    if not isinstance(file_id, str) or not file_id:
        raise NodeFailure(f"Error downloading file: {name} names no stored file.")
    try:
        return await ctx.ports.files.read(file_id, app_id=ctx.run.app_id, end_user_id=ctx.run.end_user_id)
    except FileMissing as failure:
        raise NodeFailure(f"Error downloading file: {name}: {failure}") from None


async def _fetch(ctx: Context, url: str, name: str) -> bytes:
    request = OutgoingRequest(method="GET", url=url, max_bytes=MAX_REMOTE, app_id=ctx.run.app_id)
    try:
        answer = await ctx.ports.http.send(request)
    except HttpFailure as failure:
        raise NodeFailure(f"Error downloading file: {name}: {failure}") from None
    if not 200 <= answer.status < 300:
        raise NodeFailure(f"Error downloading file: {name}: the server answered with status {answer.status}.")
    return answer.body
