"""Writes the body of a ``multipart/form-data`` request.

Source: what Dify 1.15 sends, by way of httpx.
"""

from collections.abc import Iterator
from typing import Final

from jikko.ports.http import Multipart

_ESCAPES: Final = str.maketrans(
    {'"': "%22", "\\": "\\\\", **{chr(code): f"%{code:02X}" for code in range(0x20) if code != 0x1B}}
)


def encode(body: Multipart) -> Iterator[bytes]:
    """The body in pieces; the contents of files are not copied."""
    for name, value in body.fields:
        disposition = f"form-data; {_quoted('name', name)}"
        yield f"--{body.boundary}\r\nContent-Disposition: {disposition}\r\n\r\n{value}\r\n".encode()
    for file in body.files:
        disposition = f"form-data; {_quoted('name', file.name)}"
        if file.filename:
            disposition += f"; {_quoted('filename', file.filename)}"
        yield (
            f"--{body.boundary}\r\nContent-Disposition: {disposition}\r\n"
            f"Content-Type: {file.content_type.translate(_ESCAPES)}\r\n\r\n"
        ).encode()
        yield file.content
        yield b"\r\n"
    yield f"--{body.boundary}--\r\n".encode()


def length(body: Multipart) -> int:
    """Bytes of the whole body."""
    return sum(map(len, encode(body)))


def _quoted(key: str, value: str) -> str:
    return f'{key}="{value.translate(_ESCAPES)}"'
