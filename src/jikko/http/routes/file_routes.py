"""File upload and download. Source: docs/dify-behaviour.md, “File uploads”, “Files of a request”."""

from functools import partial
from typing import Annotated, Any, Final, TypeAlias

from msgspec import Meta, Struct

from jikko.apps.end_users import ANONYMOUS
from jikko.errors import Forbidden, NotFound, PayloadTooLarge, UploadRefused
from jikko.http.bodies.multipart_forms import read_form
from jikko.http.operation import AppRoute, Route
from jikko.http.request_fields import flag
from jikko.http.requests import Request
from jikko.http.responses import Response, SendableResponse, StreamResponse, encoded
from jikko.ids import is_uuid
from jikko.inputs.uploads import Download, File
from jikko.repositories.app_store import App

_Route: Final = partial(AppRoute, tag="Files")
_ANYTHING: Final = "*/*"
"""Files have their own media types."""


def _signed(path: str, *, hot: bool = False) -> Route:
    """Return the route of a signed URL, which needs no key."""
    return Route("GET", path, {200: _ANYTHING}, (400, 404), "Files", query=SignedAddress, open=True, hot=hot)


class UploadForm(Struct):
    file: Annotated[Any, Meta(extra_json_schema={"type": "string", "format": "binary"})]
    user: Annotated[str, Meta(extra_json_schema={"maxLength": 255})] = ""


_AsAttachment: TypeAlias = Annotated[str, Meta(description="true: download instead of display.")]


class Attachment(Struct):
    """Disposition of a file."""

    as_attachment: _AsAttachment = ""


class SignedAddress(Struct):
    """Query of a signed URL."""

    timestamp: Annotated[str, Meta(min_length=1, description="As in the address.")]
    nonce: Annotated[str, Meta(min_length=1, description="As in the address.")]
    sign: Annotated[str, Meta(min_length=1, description="As in the address.")]
    as_attachment: _AsAttachment = ""


@_Route("POST", "/v1/files/upload", (503,), status=201, body=UploadForm, body_media_type="multipart/form-data")
async def upload(request: Request, app: App) -> File:
    """Upload a file for the inputs of a run.

    A form with ``file`` and ``user``.
    """
    api = request.api
    # Dify's message is empty. Source: docs/dify-behaviour.md, “File uploads”.
    async with read_form(request, api.files.limits.largest, PayloadTooLarge("", code="file_too_large")) as form:
        if form is None:
            raise UploadRefused("Please upload your file.", code="no_file_uploaded")
        owner = await api.end_users.known(app.id, form.user or ANONYMOUS)
        stored = await api.files.upload(form.files, app_id=app.id, end_user_id=owner)
    return api.files.described(stored, base_url=request.base_url)


@_Route("GET", "/v1/files/{file_id}/preview", (400, 403, 404), answers={200: _ANYTHING}, ids=("file_id",))
async def preview(request: Request, app: App, asked: Attachment) -> SendableResponse:
    """Download a file of a chat message of the app."""
    api, file_id = request.api, request.path_params["file_id"]
    as_attachment = bool(asked.as_attachment) and flag(asked.as_attachment, "as_attachment")
    if not await api.conversations.uses_file(app.id, file_id):
        if await api.conversations.uses_file(None, file_id):
            raise Forbidden("Access to the requested file is denied", code="file_access_denied")
        raise NotFound("File not found in message context", code="file_not_found")
    return _sent(await api.files.preview(file_id, as_attachment=as_attachment))


@_signed("/files/{file_id}/file-preview", hot=True)
async def download(request: Request) -> SendableResponse:
    """Download a file by its signed URL, without a key."""
    file_id = request.path_params["file_id"]
    # Without datasets, their code is not imported.
    if is_uuid(file_id) and await request.api.datasets.existing() is not None:
        found = await request.api.knowledge.files.download(file_id.lower(), request.query)
        if found is not None:
            return Response(found[0], headers=found[1], media_type=b"application/octet-stream")
    return _sent(await request.api.files.download(request.path_params["file_id"], request.query))


@_signed("/files/tools/{name}")
async def download_made(request: Request) -> SendableResponse:
    """Download a file created by a node, by its signed URL."""
    file_id, _, _ = request.path_params["name"].partition(".")
    if not file_id:
        raise NotFound("File not found or signature is invalid")
    return _sent(await request.api.files.download(file_id, request.query))


def _sent(download: Download) -> SendableResponse:
    return StreamResponse(download.chunks, encoded(download.headers.items()))
