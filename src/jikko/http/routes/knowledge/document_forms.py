"""Files that are sent to become documents."""

import json
from typing import TYPE_CHECKING, Any

from jikko.concurrency.json_in_pieces import TooManyElements, decode_json
from jikko.errors import InvalidParam, PayloadTooLarge, UnsupportedMediaType, UploadRefused
from jikko.http.bodies.multipart_forms import files_of, form_of, is_form
from jikko.http.requests import Request
from jikko.knowledge.documents import NewSource, source_of
from jikko.knowledge.readable import is_readable
from jikko.values import is_too_deep

if TYPE_CHECKING:
    from starlette.datastructures import UploadFile


async def sent_file(request: Request, *, required: bool = True) -> tuple[Any, dict[str, Any]]:
    """The file of a form, and its part ``data``.

    Args:
        required: Whether there has to be a file.

    Raises:
        UploadRefused: ``no_file_uploaded``, ``too_many_files`` (under several names) or ``filename_not_exists_error``.
        PayloadTooLarge: ``file_too_large``; or ``data`` has too many elements.
        UnsupportedMediaType: ``unsupported_file_type``.
        InvalidParam: ``data`` is not a JSON object, or the body is JSON in place of a form.
    """
    if not is_form(request):
        if required and "json" in (request.header(b"content-type") or "").lower():
            raise InvalidParam("file: is required, as a part of a form (multipart/form-data)")
        if required:
            raise UploadRefused("Please upload your file.", code="no_file_uploaded")
        return None, await request.json(lists_are=InvalidParam)
    most = request.api.files.limits.max_other
    async with form_of(request, most, _too_large(most), in_memory=True, has_long_fields=True) as form:
        data = next(iter(form.getlist("data")), None)
        source = await _source(files_of(form), most, required)
        return source, await _data(data if isinstance(data, str) else "", max(1, request.api.settings.max_elements))


async def _source(files: "list[tuple[str, UploadFile]]", most: int, required: bool) -> NewSource | None:
    part = next((part for name, part in files if name == "file"), None)
    if part is None:
        if required:
            raise UploadRefused("Please upload your file.", code="no_file_uploaded")
        return None
    if len({name for name, _ in files}) > 1:
        # Of several of one name the first counts. Source: docs/dify-behaviour.md, “File uploads”.
        raise UploadRefused("Only one file is allowed.", code="too_many_files")
    name = (part.filename or "").replace("\x00", "").encode("utf-8", "replace").decode()
    if not name:
        raise UploadRefused("The specified filename does not exist.", code="filename_not_exists_error")
    if "/" in name or "\\" in name:
        raise InvalidParam("Filename contains invalid characters")
    if not is_readable(name):
        raise UnsupportedMediaType(f"Files such as {name!r} cannot be read as documents.", code="unsupported_file_type")
    content = await part.read(most + 1)
    if len(content) > most:
        raise _too_large(most)
    return source_of(name, content, (part.content_type or "").partition(";")[0].strip().lower())


async def _data(text: str, max_elements: int) -> dict[str, Any]:
    if not text:
        return {}
    try:
        value = await decode_json(text, json.loads, max_elements)
    except TooManyElements as error:
        raise PayloadTooLarge(f"data has {error} (the limit is set by JIKKO_MAX_ELEMENTS).") from None
    except (ValueError, RecursionError):
        raise InvalidParam("data: is no JSON") from None
    if not isinstance(value, dict) or is_too_deep(value):
        raise InvalidParam("data: must be a JSON object")
    return value


def _too_large(most: int) -> PayloadTooLarge:
    return PayloadTooLarge(
        f"The file is larger than {most} bytes (the limit is set by JIKKO_UPLOAD_OTHER).", code="file_too_large"
    )
