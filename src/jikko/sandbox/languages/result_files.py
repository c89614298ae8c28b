"""Files that a Python program returns: figures, pictures and bytes, as JSON."""

import base64
import io
from collections.abc import Sequence
from typing import Any, Final

from jikko.sandbox.languages.failure import RESULT_ERROR, ProgramFailed

_MARK: Final = "jikko_file"
_BEGINNINGS: Final = (
    (b"\x89PNG\r\n", ".png"),
    (b"\xff\xd8\xff", ".jpg"),
    (b"GIF8", ".gif"),
    (b"%PDF-", ".pdf"),
    (b"PK\x03\x04", ".zip"),
    (b"<svg", ".svg"),
)


def with_files(result: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """The result with JSON in the place of its files.

    Args:
        names: Which entries are files, or lists of them. ``None`` stays, and one that is missing is left out.

    Raises:
        ProgramFailed: A value is no file.
    """
    return {name: _of(value, name) if name in names else value for name, value in result.items()}


def _of(value: Any, name: str) -> Any:
    if value is None:
        return None
    if isinstance(value, (list, tuple)):
        return [None if each is None else _file(each, f"{name}-{number}") for number, each in enumerate(value, 1)]
    return _file(value, name)


def _file(value: Any, name: str) -> dict[str, Any]:
    filename = ""
    if isinstance(value, dict) and "content" in value:
        filename = str(value.get("filename") or value.get("name") or "")
        value = value["content"]
    content, extension = _content(value, name)
    text = base64.b64encode(content).decode()
    return {_MARK: {"filename": filename or f"{name}{extension}", "content": text}}


def _content(value: Any, name: str) -> tuple[bytes, str]:
    """The content, and what the name of the file is to end with."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _known(bytes(value))
    if isinstance(value, io.BytesIO):
        return _known(value.getvalue())
    if isinstance(value, io.StringIO):
        value = value.getvalue()
    if isinstance(value, str):
        return _text(value)
    if hasattr(value, "savefig"):
        # A figure of matplotlib, or its module `pyplot`, which has a current one.
        return _saved(value.savefig, "png")
    figure: Any = getattr(value, "figure", None)
    if hasattr(figure, "savefig"):
        return _saved(figure.savefig, "png")
    if hasattr(value, "save") and hasattr(value, "mode"):
        # A picture of Pillow.
        return _saved(value.save, (getattr(value, "format", None) or "png").lower())
    raise ProgramFailed(
        f"the output {name} is a file, and {type(value).__name__} is none: return bytes, a BytesIO, a figure, "
        'a picture or {"filename": …, "content": …}',
        RESULT_ERROR,
    )


def _saved(save: Any, kind: str) -> tuple[bytes, str]:
    buffer = io.BytesIO()
    save(buffer, format=kind)
    return buffer.getvalue(), f".{kind}"


def _text(value: str) -> tuple[bytes, str]:
    head, comma, _ = value[:100].partition(",")
    if comma and head.startswith("data:") and head.endswith(";base64"):
        return _known(base64.b64decode(value[len(head) + 1 :]))
    return value.encode("utf-8", "replace"), ".txt"


def _known(content: bytes) -> tuple[bytes, str]:
    extension = next((extension for start, extension in _BEGINNINGS if content.startswith(start)), "")
    if not extension and content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        extension = ".webp"
    return content, extension or ".bin"
