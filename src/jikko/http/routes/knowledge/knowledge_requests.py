"""Requests to the knowledge API: authentication, paging and file uploads."""

import json
import re
from collections.abc import Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from msgspec import Meta, Struct
from msgspec.structs import asdict, replace

from jikko.concurrency.json_in_pieces import TooManyElements, decode_json
from jikko.errors import InvalidParam, JikkoError, PayloadTooLarge, Unauthorized, UnsupportedMediaType, UploadRefused
from jikko.http.bodies.multipart_forms import files_of, form_of, is_form
from jikko.http.operation import DeclaredHandler, DeclaredRoute, Operation, ids_in
from jikko.http.requests import Request, api_key
from jikko.http.responses import Response, SendableResponse, deleted
from jikko.inputs.uploads import checked_name, shortened, the_file
from jikko.knowledge.documents import NewSource, source_of
from jikko.knowledge.files import is_readable
from jikko.knowledge.service import Knowledge
from jikko.values import is_too_deep

if TYPE_CHECKING:
    from starlette.datastructures import UploadFile


class DatasetRoute(DeclaredRoute, frozen=True, kw_only=True):
    """Route with a dataset key (``dataset-…``), as a decorator of its handler."""

    tag: str = "Knowledge"
    key: Literal["app", "apps", "dataset", "console"] = "dataset"
    lists_are: ClassVar[type[JikkoError]] = InvalidParam
    nothing: ClassVar[tuple[str, Callable[[], Response]]] = "*/*", deleted

    def __call__(self, handler: DeclaredHandler) -> Operation:
        """Make the operation, which first checks the key, and then that a dataset in the path exists. (Dify)"""
        route, answered = self.declared(handler)

        @wraps(handler)
        async def guarded(request: Request) -> SendableResponse:
            if not await knowledge_of(request).keys.open(api_key(request)):
                raise Unauthorized("Access token is invalid")
            if dataset_id := request.path_params.get("dataset_id"):
                await knowledge_of(request).datasets.get(dataset_id)
            return await answered(request, request)

        return Operation(handler=guarded, **asdict(replace(route, ids=ids_in(route.path))))


def knowledge_of(request: Request) -> Knowledge:
    return request.api.knowledge


_WHOLE = re.compile(r"[+-]?[0-9]{1,9}")
_LIMIT = 20


class Paged(Struct):
    """Page of a list; for the limits see ``lenient_page`` and the others."""

    page: Annotated[Any, Meta(description="Default 1.", extra_json_schema={"type": "integer"})] = None
    limit: Annotated[Any, Meta(description="Default 20, at most 100.", extra_json_schema={"type": "integer"})] = None
    keyword: Annotated[str, Meta(description="Part of the name or text.")] = ""


def lenient_page(query: Mapping[str, str]) -> tuple[int, int]:
    """Return page and limit unchecked: lists of datasets and documents echo them as they come. (Dify)
    Raises ``InvalidParam``: not an integer."""
    return _number(query, "page", 1), _number(query, "limit", _LIMIT)


def rows_of(limit: int) -> int:
    """Return the rows of a page: at most 100, and 20 for a limit below 1. (Dify)"""
    return min(limit, 100) if limit > 0 else _LIMIT


def strict_page(query: Mapping[str, str]) -> tuple[int, int]:
    """Return page and limit of segments. Non-numbers count as missing. (Dify)
    Raises ``InvalidParam``: one is below 1."""
    page, limit = query.get("page", ""), query.get("limit", "")
    number, size = int(page) if _WHOLE.fullmatch(page) else 1, int(limit) if _WHOLE.fullmatch(limit) else _LIMIT
    if number < 1 or size < 1:
        raise InvalidParam("page and limit: must be at least 1")
    return number, size


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if _WHOLE.fullmatch(text) is None:
        raise InvalidParam(f"{name}: must be a whole number")
    return int(text)


async def sent_file(request: Request, *, required: bool = True) -> tuple[Any, dict[str, Any]]:
    """Return the file of a form, and its field ``data``, which is checked first.

    Args:
        required: Whether the file is required.

    Raises:
        UploadRefused: ``no_file_uploaded``, ``too_many_files`` (under several names) or ``filename_not_exists_error``.
        PayloadTooLarge: ``file_too_large``; or ``data`` has too many elements.
        UnsupportedMediaType: ``unsupported_file_type``.
        InvalidParam: ``data`` is not a JSON object.
    """
    if not is_form(request):
        if required:
            raise UploadRefused("Send the file as a part of a form (multipart/form-data).", code="no_file_uploaded")
        return None, await request.json(lists_are=InvalidParam)
    most = request.api.files.limits.max_other
    async with form_of(request, most, _too_large(most), in_memory=True, has_long_fields=True) as form:
        text = next(iter(form.getlist("data")), None)
        data = await _data(text if isinstance(text, str) else "", max(1, request.api.settings.max_elements))
        return await _source(files_of(form), most, required), data


async def _source(files: "list[tuple[str, UploadFile]]", most: int, required: bool) -> NewSource | None:
    if not required and all(name != "file" for name, _ in files):
        return None
    part = the_file(files)
    name = shortened(checked_name(part.filename or ""))
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
        raise InvalidParam("data: is not JSON") from None
    if not isinstance(value, dict) or is_too_deep(value):
        raise InvalidParam("data: must be a JSON object")
    return value


def _too_large(most: int) -> PayloadTooLarge:
    return PayloadTooLarge(
        f"The file is larger than {most} bytes (the limit is set by JIKKO_UPLOAD_OTHER).", code="file_too_large"
    )
