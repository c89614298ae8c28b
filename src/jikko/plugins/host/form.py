"""The one file of a form that a plugin sends."""

from email.message import Message
from typing import Any, Final

import python_multipart
from python_multipart.exceptions import FormParserError

_FALLBACK: Final = "application/octet-stream"


class FormRefused(ValueError):
    """There is no file in a form."""


def file_in_form(body: bytes, content_type: str) -> tuple[bytes, str, str]:
    """Content, name and MIME type of the first file of a ``multipart/form-data`` body.

    Raises:
        FormRefused: It is no such body, or has no file.
    """
    described = Message()
    described["Content-Type"] = content_type
    boundary = described.get_boundary()
    if described.get_content_type() != "multipart/form-data" or not boundary:
        raise FormRefused("The body is no multipart form.")
    parts = _Parts()
    try:
        parser = python_multipart.MultipartParser(boundary.encode("latin-1"), parts.callbacks())
        parser.write(body)
        parser.finalize()
    except (FormParserError, UnicodeEncodeError) as error:
        raise FormRefused(f"The form cannot be read: {error}") from None
    for headers, content in parts.found:
        part = Message()
        for name, value in headers:
            part[name] = value
        filename = part.get_filename()
        if filename is not None:
            return content, filename, part.get_content_type() if part["Content-Type"] else _FALLBACK
    raise FormRefused("The form has no file.")


class _Parts:
    """Collects the parts of a form, as the parser finds them."""

    def __init__(self) -> None:
        self.found: list[tuple[list[tuple[str, str]], bytes]] = []
        self._headers: list[tuple[str, str]] = []
        self._name, self._value, self._content = bytearray(), bytearray(), bytearray()

    def callbacks(self) -> Any:
        """For the parser."""

        def grow(buffer: bytearray) -> Any:
            return lambda data, start, end: buffer.extend(data[start:end])

        return {
            "on_part_begin": self._begin,
            "on_header_field": grow(self._name),
            "on_header_value": grow(self._value),
            "on_header_end": self._header,
            "on_part_data": grow(self._content),
            "on_part_end": lambda: self.found.append((self._headers, bytes(self._content))),
        }

    def _begin(self) -> None:
        self._headers = []
        self._content.clear()

    def _header(self) -> None:
        self._headers.append((self._name.decode("latin-1"), self._value.decode("utf-8", "replace")))
        self._name.clear()
        self._value.clear()
