"""Parser of multipart forms, with bounded memory.

It imports fifty modules that only forms need.
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
"""Default limit of a field."""
_MAX_FILES: Final = 10
_MAX_FIELDS: Final = 100
_FIRST_FILE_BYTES: Final = 1 << 20
_OTHER_FILE_BYTES: Final = 8192
"""Bytes in memory of each file after the first, before it spills to disk. Almost all forms have one file."""


class _Parser(MultiPartParser):
    """Parser that keeps little of each file but the first in memory, and refuses a form that is cut off."""

    spool_max_size = _FIRST_FILE_BYTES
    _is_open = False

    async def parse(self) -> FormData:
        form = await super().parse()
        if self._is_open:  # python_multipart reports only the parts before
            for file in self._files_to_close_on_error:
                file.close()
            raise MultiPartException("It is cut off: its last boundary is missing.")
        return form

    def on_part_begin(self) -> None:
        super().on_part_begin()
        self._is_open = True

    def on_end(self) -> None:
        self._is_open = False

    def on_headers_finished(self) -> None:
        super().on_headers_finished()
        if self._current_files:
            self.spool_max_size = _OTHER_FILE_BYTES


async def parsed(scope: Scope, receive: Receive, max_field: int = MAX_FIELD_BYTES) -> FormData:
    """Parse a form, to be closed after use. Takes at most 2 MiB of memory, unless fields may be longer.
    ``max_field``: Limit of a field in bytes. Raises ``BadRequest``: malformed."""
    request = StarletteRequest(scope, receive)
    try:
        async with aclosing(request.stream()) as stream:
            return await _Parser(
                request.headers, stream, max_files=_MAX_FILES, max_fields=_MAX_FIELDS, max_part_size=max_field
            ).parse()
    except (MultiPartException, MultipartParseError, HTTPException, ClientDisconnect, UnicodeError) as error:
        raise BadRequest(f"The form is malformed. {error.__cause__ or error}".rstrip()) from None
