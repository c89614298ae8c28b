"""Contents of files in variables."""

from collections.abc import Mapping
from typing import Final

from jikko.nodes.contract import Context, NodeFailure
from jikko.ports.http import HttpClient, HttpFailure, HttpResponse, OutgoingRequest, Timeouts
from jikko.ports.stores.blob_store import FileMissing
from jikko.values import Json

_MAX_REMOTE: Final = 100 << 20
"""Maximum size of a remote file."""
_TIMEOUTS: Final = Timeouts()


async def read_content(ctx: Context, file: Mapping[str, Json]) -> bytes:
    """Read a stored file of the run's end user, or a remote one. Raises ``NodeFailure`` if it is unavailable."""
    name = file.get("filename") or "file"
    url, file_id = file.get("remote_url"), file.get("related_id")
    try:
        if file.get("transfer_method") == "remote_url" and not file_id:
            if not isinstance(url, str) or not url:
                raise NodeFailure("Missing URL for remote file")
            return (await fetched(ctx.ports.http, url, app_id=ctx.run.app_id)).body
        if not isinstance(file_id, str) or not file_id:
            raise NodeFailure(f"Error downloading file: {name} names no stored file.")
        return await ctx.ports.files.read(file_id, app_id=ctx.run.app_id, end_user_id=ctx.run.end_user_id)
    except (FileMissing, HttpFailure) as failure:
        raise NodeFailure(f"Error downloading file: {name}: {failure}") from None


async def fetched(
    http: HttpClient, url: str, *, app_id: str, max_bytes: int = _MAX_REMOTE, timeouts: Timeouts = _TIMEOUTS
) -> HttpResponse:
    """Fetch a remote file. Raises ``HttpFailure``, also for an unsuccessful status."""
    answer = await http.send(
        OutgoingRequest(method="GET", url=url, max_bytes=max_bytes, app_id=app_id, timeouts=timeouts)
    )
    if not 200 <= answer.status < 300:
        raise HttpFailure(f"the server answered with status {answer.status}", kind="protocol")
    return answer
