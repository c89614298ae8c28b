"""Uploading and fetching files. Source: Dify 1.15, spec/service-api.md §6."""

from typing import Annotated, Any

from msgspec import Meta, Struct
from python_multipart.exceptions import MultipartParseError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect
from starlette.requests import Request as StarletteRequest
from starlette.types import Message, Receive

from jikko.apps.end_users import ANONYMOUS
from jikko.errors import BadRequest, Forbidden, NotFound, PayloadTooLarge, UploadRefused
from jikko.http.auth import authenticated
from jikko.http.fields import user_named
from jikko.http.requests import Request
from jikko.http.responses import Answer, Stream, encoded, json_response
from jikko.inputs.uploads import Download


class UploadForm(Struct):
    """The parts of an upload."""

    file: Annotated[Any, Meta(extra_json_schema={"type": "string", "format": "binary"})]
    user: Annotated[str, Meta(extra_json_schema={"maxLength": 255})] = ""


_FORM_OVERHEAD = 1 << 20
"""Bytes that a form may have besides its file."""


async def upload(request: Request) -> Answer:
    """``POST /v1/files/upload``: a form with ``file`` and ``user``."""
    api, app = request.api, await authenticated(request)
    if not (request.header(b"content-type") or "").lower().startswith("multipart/form-data"):
        raise UploadRefused("Please upload your file.", code="no_file_uploaded")
    limit = api.file_limits.largest + _FORM_OVERHEAD
    announced = request.header(b"content-length") or ""
    if announced.isdigit() and int(announced) > limit:
        raise _too_large()
    try:
        async with StarletteRequest(request.scope, _limited(request.receive, limit)).form(
            max_files=10, max_fields=100
        ) as form:
            parts = [(name, part) for name, part in form.multi_items() if isinstance(part, UploadFile)]
            user = form.get("user")
            name = user_named(_storable(user)) if isinstance(user, str) else ""
            owner = await api.end_users.known(app.id, name or ANONYMOUS)
            stored = await api.files.upload(parts, app_id=app.id, end_user_id=owner)
    except (MultiPartException, MultipartParseError, HTTPException, ClientDisconnect, UnicodeError):
        raise BadRequest("The form cannot be read.") from None
    return json_response(api.files.described(stored, base_url=request.base_url), 201)


async def preview(request: Request) -> Answer:
    """``GET /v1/files/{file_id}/preview``: a file of a message of the app."""
    api, app = request.api, await authenticated(request)
    file_id = request.path_params["file_id"]
    if not await api.conversations.uses_file(app.id, file_id):
        if await api.conversations.uses_file(None, file_id):
            raise Forbidden("Access to the requested file is denied", code="file_access_denied")
        raise NotFound("File not found in message context", code="file_not_found")
    as_attachment = request.query.get("as_attachment", "").lower() in ("true", "1")
    return _sent(await api.files.preview(file_id, as_attachment=as_attachment))


async def download(request: Request) -> Answer:
    """``GET /files/{file_id}/file-preview``: a file by its signed address, without a key."""
    return _sent(await request.api.files.download(request.path_params["file_id"], request.query))


async def download_made(request: Request) -> Answer:
    """``GET /files/tools/{name}``: a file that a node made, by its signed address."""
    file_id, _, _ = request.path_params["name"].partition(".")
    if not file_id:
        raise NotFound("File not found or signature is invalid")
    return _sent(await request.api.files.download(file_id, request.query))


def _limited(receive: Receive, limit: int) -> Receive:
    """The body of a request, which may have ``limit`` bytes at most: a form that announces no length is kept on disk.

    Raises:
        PayloadTooLarge: When it is received, and is larger.
    """
    size = 0

    async def received() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > limit:
            raise _too_large()
        return message

    return received


def _too_large() -> PayloadTooLarge:
    # Dify's message is empty. Source: spec/observed.md.
    return PayloadTooLarge("", code="file_too_large")


def _storable(user: str) -> str:
    # Some encodings that a form may name, such as UTF-7, spell lone surrogates, which have no bytes in UTF-8.
    return user.encode("utf-8", "replace").decode("utf-8")


def _sent(download: Download) -> Answer:
    return Stream(download.chunks, encoded(download.headers.items()))
