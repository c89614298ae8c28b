"""Requests that are forms with files."""

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
"""Bytes that a form may have besides its files."""
_ON_DISK_BYTES: Final = 2 << 20
"""Bytes of memory that a form takes whose files go to the disk; see ``form_parser``."""


class ReceivedForm(NamedTuple):
    """What came with a form."""

    files: "list[tuple[str, UploadFile]]"
    """With the names of their fields, in their order."""
    user: str
    """``""``: it names none."""


@asynccontextmanager
async def read_form(
    request: Request, largest: int, too_large: JikkoError, *, in_memory: bool = False
) -> AsyncIterator[ReceivedForm | None]:
    """The form that a request brings, read in the block; ``None`` if it brings none.

    Args:
        largest: Bytes of the largest file that it may have.
        too_large: Raised for a body that must have a larger one.
        in_memory: Whether its files are going to be read as a whole.

    Raises:
        BadRequest: It cannot be read.
        InvalidParam: Its user is none, see ``user_named``.
        NoRoom, BodyTooSlow: See ``with_room``.
    """
    if not is_form(request):
        yield None
        return
    async with form_of(request, largest, too_large, in_memory=in_memory) as form:
        user = next(iter(form.getlist("user")), None)
        yield ReceivedForm(files_of(form), user_named(_storable(user)) if isinstance(user, str) else "")


def is_form(request: Request) -> bool:
    """Whether a request brings a form with files, by its head."""
    return (request.header(b"content-type") or "").lower().startswith("multipart/form-data")


@asynccontextmanager
async def form_of(
    request: Request, largest: int, too_large: JikkoError, *, in_memory: bool, has_long_fields: bool = False
) -> AsyncIterator["FormData"]:
    """The form itself. For the rest see ``read_form``.
    ``has_long_fields``: whether a field may be as large as a file; else it has 8,192 bytes at most."""
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
    """The form of a body, closed behind its use. ``field_bytes``: bytes that a field may have; by default 8,192."""
    await imported("jikko.http.bodies.form_parser")
    from jikko.http.bodies.form_parser import MAX_FIELD_BYTES, parsed

    form = await parsed(request.scope, receive, field_bytes or MAX_FIELD_BYTES)
    try:
        yield form
    finally:
        await form.close()


def files_of(form: "FormData") -> "list[tuple[str, UploadFile]]":
    """The files of a form, with the names of their fields."""
    from starlette.datastructures import UploadFile

    return [(name, part) for name, part in form.multi_items() if isinstance(part, UploadFile)]


def limited(receive: Receive, limit: int, too_large: JikkoError) -> Receive:
    """The body of a request, which may have ``limit`` bytes at most: a form that announces no length is kept on disk.
    Raises ``JikkoError``: ``too_large``, when it is received, and is larger."""
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
    # Some encodings that a form may name, such as UTF-7, spell lone surrogates, which have no bytes in UTF-8.
    return user.encode("utf-8", "replace").decode("utf-8")
