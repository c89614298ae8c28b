"""Reads forms with files, with a bounded part of them in memory.

Imports fifty modules, for which nothing but forms has a use.
"""

from contextlib import aclosing
from typing import Final

from python_multipart.exceptions import MultipartParseError
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect
from starlette.requests import Request as StarletteRequest
from starlette.types import Receive, Scope

from jikko.errors import BadRequest

MAX_FIELD_BYTES: Final = 8192
"""Of a field, where none is long."""
_MAX_FILES: Final = 10
_MAX_FIELDS: Final = 100
_FIRST_FILE_BYTES: Final = 1 << 20
_OTHER_FILE_BYTES: Final = 8192
"""Bytes of a file in memory, behind which it is on the disk. Nearly all forms have one."""


class _Parser(MultiPartParser):
    """Has little of all files but the first in memory."""

    spool_max_size = _FIRST_FILE_BYTES

    def on_headers_finished(self) -> None:
        super().on_headers_finished()
        if self._current_files:
            self.spool_max_size = _OTHER_FILE_BYTES


async def parsed(scope: Scope, receive: Receive, max_field: int = MAX_FIELD_BYTES) -> FormData:
    """The form, to be closed behind its use. It takes 2 MiB of memory at most, unless fields may be longer.
    ``max_field``: bytes that a field may have. Raises ``BadRequest``: it cannot be read."""
    request = StarletteRequest(scope, receive)
    try:
        async with aclosing(request.stream()) as stream:
            return await _Parser(
                request.headers, stream, max_files=_MAX_FILES, max_fields=_MAX_FIELDS, max_part_size=max_field
            ).parse()
    except (MultiPartException, MultipartParseError, HTTPException, ClientDisconnect, UnicodeError):
        raise BadRequest("The form cannot be read.") from None
