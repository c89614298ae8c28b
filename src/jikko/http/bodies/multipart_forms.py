"""Multipart forms with files."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from starlette.types import Message, Receive

from jikko.concurrency.run_in_thread import imported
from jikko.errors import JikkoError
from jikko.http.bodies.reading import announced_bytes, with_room
from jikko.http.request_fields import user_named
from jikko.http.requests import Request

if TYPE_CHECKING:
    from starlette.datastructures import FormData, UploadFile

_OVERHEAD: Final = 1 << 20
"""Bytes of a form beyond its files."""
_ON_DISK_BYTES: Final = 2 << 20
"""Memory for a form whose files go to disk; see ``form_parser``."""


class ReceivedForm(NamedTuple):
    """Contents of a form."""

    files: "list[tuple[str, UploadFile]]"
    """Files with their field names, in order."""
    user: str
    """``""`` if missing."""


@asynccontextmanager
async def read_form(
    request: Request, largest: int, too_large: JikkoError, *, in_memory: bool = False
) -> AsyncIterator[ReceivedForm | None]:
    """Read the request's form for the block; ``None`` if it is not a form.

    Args:
        largest: Limit of a file in bytes.
        too_large: Raised for a body that must contain a larger file.
        in_memory: Whether files will be read whole.

    Raises:
        BadRequest: Malformed.
        InvalidParam: Invalid user, see ``user_named``.
        NoRoom, BodyTooSlow: See ``with_room``.
    """
    if not is_form(request):
        yield None
        return
    async with form_of(request, largest, too_large, in_memory=in_memory) as form:
        user = next(iter(form.getlist("user")), None)
        yield ReceivedForm(files_of(form), user_named(_storable(user)) if isinstance(user, str) else "")


def is_form(request: Request) -> bool:
    """Return whether the request's headers announce a multipart form."""
    return (request.header(b"content-type") or "").lower().startswith("multipart/form-data")


@asynccontextmanager
async def form_of(
    request: Request, largest: int, too_large: JikkoError, *, in_memory: bool, has_long_fields: bool = False
) -> AsyncIterator["FormData"]:
    """Read the raw form. See ``read_form``.
    ``has_long_fields``: Whether a field may be as large as a file; otherwise 8,192 bytes."""
    limit = largest + _OVERHEAD
    size = announced_bytes(request)
    if size is None:
        size = limit
    elif size > limit:
        raise too_large
    async with AsyncExitStack() as stack:
        async with with_room(request, size if in_memory else min(size, _ON_DISK_BYTES)) as receive:
            body = limited(receive, limit, too_large)
            form = await stack.enter_async_context(parsed_form(request, body, limit if has_long_fields else None))
        yield form


@asynccontextmanager
async def parsed_form(request: Request, receive: Receive, field_bytes: int | None) -> AsyncIterator["FormData"]:
    """Parse a body, and close the form after the block. ``field_bytes``: Limit of a field; default: 8,192."""
    await imported("jikko.http.bodies.form_parser")
    from jikko.http.bodies.form_parser import MAX_FIELD_BYTES, parsed

    form = await parsed(request.scope, receive, field_bytes or MAX_FIELD_BYTES)
    try:
        yield form
    finally:
        await form.close()


def files_of(form: "FormData") -> "list[tuple[str, UploadFile]]":
    from starlette.datastructures import UploadFile

    return [(name, part) for name, part in form.multi_items() if isinstance(part, UploadFile)]


def limited(receive: Receive, limit: int, too_large: JikkoError) -> Receive:
    """Limit a body to ``limit`` bytes, also without an announced length. More raises ``too_large``."""
    size = 0

    async def received() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > limit:
            raise too_large
        return message

    return received


def _storable(user: str) -> str:
    # Some encodings of forms, such as UTF-7, can spell lone surrogates, which UTF-8 cannot encode.
    return user.encode("utf-8", "replace").decode("utf-8")
