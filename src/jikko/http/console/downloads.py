"""Files that runs took or made, for the page: signed addresses of a record are over after minutes."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from jikko.http.console.gate import ConsoleRequest, VisitorRoute
from jikko.http.console.queries import id_in
from jikko.http.queries import is_on, queried
from jikko.http.responses import SendableResponse, StreamResponse, encoded


class FileAttachment(Struct):
    """How a file is sent."""

    as_attachment: Annotated[
        Any, Meta(description="true: to keep it, not to show it.", extra_json_schema={"type": "boolean"})
    ] = ""


@VisitorRoute("GET", "files/{file_id}", {200: "*/*"}, (404, 503), query=FileAttachment)
async def read_file(call: ConsoleRequest) -> SendableResponse:
    """A file of a run, as ``/v1/files/{file_id}/preview`` answers it."""
    as_attachment = is_on(queried(call.request.query, FileAttachment).as_attachment)
    found = await call.request.api.files.preview(id_in(call, "file_id", "file"), as_attachment=as_attachment)
    return StreamResponse(found.chunks, encoded(found.headers.items()))
