"""Requests that are forms with files."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from starlette.types import Message, Receive

from jikko.errors import BadRequest, JikkoError
from jikko.http.fields import user_named
from jikko.http.requests import Request

if TYPE_CHECKING:
    from starlette.datastructures import UploadFile

_OVERHEAD: Final = 1 << 20
"""Bytes that a form may have besides its files."""


class Form(NamedTuple):
    """What came with a form."""

    files: "list[tuple[str, UploadFile]]"
    """With the names of their fields, in their order."""
    user: str
    """``""``: it names none."""


@asynccontextmanager
async def read_form(request: Request, largest: int, too_large: JikkoError) -> AsyncIterator[Form | None]:
    """The form that a request brings, read in the block; ``None`` if it brings none.

    Args:
        largest: Bytes of the largest file that it may have.
        too_large: Raised for a body that must have a larger one.

    Raises:
        BadRequest: It cannot be read.
        InvalidParam: Its user is none, see ``user_named``.
    """
    if not (request.header(b"content-type") or "").lower().startswith("multipart/form-data"):
        yield None
        return
    limit = largest + _OVERHEAD
    announced = request.header(b"content-length") or ""
    if announced.isdigit() and int(announced) > limit:
        raise too_large
    # Fifty modules, which nothing but forms has a use for.
    from python_multipart.exceptions import MultipartParseError
    from starlette.datastructures import UploadFile
    from starlette.exceptions import HTTPException
    from starlette.formparsers import MultiPartException
    from starlette.requests import ClientDisconnect
    from starlette.requests import Request as StarletteRequest

    try:
        async with StarletteRequest(request.scope, limited(request.receive, limit, too_large)).form(
            max_files=10, max_fields=100
        ) as form:
            files = [(name, part) for name, part in form.multi_items() if isinstance(part, UploadFile)]
            user = next(iter(form.getlist("user")), None)
            yield Form(files, user_named(_storable(user)) if isinstance(user, str) else "")
    except (MultiPartException, MultipartParseError, HTTPException, ClientDisconnect, UnicodeError):
        raise BadRequest("The form cannot be read.") from None


def limited(receive: Receive, limit: int, too_large: JikkoError) -> Receive:
    """The body of a request, which may have ``limit`` bytes at most: a form that announces no length is kept on disk.

    Raises:
        JikkoError: ``too_large``, when it is received, and is larger.
    """
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
