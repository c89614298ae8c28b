"""Uploading and fetching files. Source: Dify 1.15, spec/service-api.md §6."""

import contextlib

from python_multipart.exceptions import MultipartParseError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Receive

from jikko.apps.end_users import ANONYMOUS
from jikko.dify import events as wire
from jikko.errors import BadRequest, NotFound, PayloadTooLarge, UploadRefused
from jikko.http.api import api_of, authenticated, base_url_of
from jikko.http.errors import JsonResponse
from jikko.http.requests import user_named
from jikko.ids import is_uuid
from jikko.inputs.uploads import Download

_FORM_OVERHEAD = 1 << 20
"""Bytes that a form may have besides its file."""


async def upload(request: Request) -> Response:
    """``POST /v1/files/upload``: a form with ``file`` and ``user``."""
    api, app = await authenticated(request)
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise UploadRefused("Please upload your file.", code="no_file_uploaded")
    limit = api.file_limits.largest + _FORM_OVERHEAD
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit:
        raise _too_large()
    try:
        async with Request(request.scope, _limited(request.receive, limit)).form(max_files=10, max_fields=100) as form:
            parts = [(name, part) for name, part in form.multi_items() if isinstance(part, UploadFile)]
            user = form.get("user")
            name = user_named(_storable(user)) if isinstance(user, str) else ""
            owner = await api.end_users.known(app.id, name or ANONYMOUS)
            stored = await api.files.upload(parts, app_id=app.id, end_user_id=owner)
    except (MultiPartException, MultipartParseError, HTTPException, ClientDisconnect, UnicodeError):
        raise BadRequest("The form cannot be read.") from None
    return JsonResponse(wire.encode(api.files.described(stored, base_url=base_url_of(api, request))), 201)


async def preview(request: Request) -> Response:
    """``GET /v1/files/{file_id}/preview``: only files of chat messages, and there are no chats."""
    await authenticated(request)
    if not is_uuid(request.path_params["file_id"]):
        raise HTTPException(404)
    raise NotFound("File not found in message context", code="file_not_found")


async def download(request: Request) -> Response:
    """``GET /files/{file_id}/file-preview``: a file by its signed address, without a key."""
    api = api_of(request)
    return _sent(await api.files.download(request.path_params["file_id"], request.query_params))


async def download_made(request: Request) -> Response:
    """``GET /files/tools/{name}``: a file that a node made, by its signed address."""
    api = api_of(request)
    file_id, _, _ = request.path_params["name"].partition(".")
    if not file_id:
        raise NotFound("File not found or signature is invalid")
    return _sent(await api.files.download(file_id, request.query_params))


def _limited(receive: Receive, limit: int) -> Receive:
    """The body of a request, as far as it has at most so many bytes: a form that announces no length is kept on disk.

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


def _sent(download: Download) -> Response:
    response = StreamingResponse(download.chunks, headers=dict(download.headers))
    with contextlib.suppress(KeyError):
        # Starlette would add a charset.
        response.headers["content-type"] = download.headers["Content-Type"]
    return response
