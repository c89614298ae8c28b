"""Files that runs took or made, for the page: signed addresses of a record are over after minutes."""

from jikko.http.console.gate import Call
from jikko.http.console.queries import id_in
from jikko.http.responses import Answer, Stream, encoded


async def read_file(call: Call) -> Answer:
    """``GET files/{file_id}``: a file, as ``/v1/files/{file_id}/preview`` answers it; ``as_attachment`` to keep it.

    Raises:
        NotFound: There is no such file, or it is not kept any more.
    """
    as_attachment = call.request.query.get("as_attachment", "").lower() in ("true", "1")
    found = await call.request.api.files.preview(id_in(call, "file_id", "file"), as_attachment=as_attachment)
    return Stream(found.chunks, encoded(found.headers.items()))
