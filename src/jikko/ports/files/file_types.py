"""File types by name and MIME type."""

import posixpath
from pathlib import Path
from typing import Final, Literal, TypeAlias, get_args

FileType: TypeAlias = Literal["image", "document", "audio", "video", "custom"]

FILE_TYPES: Final[tuple[FileType, ...]] = get_args(FileType)

UNKNOWN: Final = "application/octet-stream"

_EXTENSIONS: Final[dict[FileType, frozenset[str]]] = {
    "image": frozenset({"jpg", "jpeg", "png", "webp", "gif", "svg"}),
    "video": frozenset({"mp4", "mov", "mpeg", "webm"}),
    "audio": frozenset({"mp3", "m4a", "wav", "amr", "mpga"}),
    "document": frozenset(
        {"txt", "markdown", "md", "mdx", "pdf", "html", "htm", "xlsx", "xls", "vtt", "properties", "doc", "docx"}
        | {"csv", "eml", "msg", "ppt", "pptx", "xml", "epub"}
    ),
}
"""Source: docs/dify-behaviour.md, “File values”."""

_SAY_NOTHING: Final = frozenset(
    {UNKNOWN, "binary/octet-stream", "application/unknown", "application/x-unknown", "unknown/unknown", "*/*"}
    | {"application/binary", "application/download", "application/x-download", "application/force-download"}
)
"""MIME types of servers and clients that do not know the type, or force a download."""
_MAX_EXTENSION: Final = 16
"""Maximum length in characters of an extension outside of the table."""


_TEXTS, _OTHERS = (
    [line.split() for line in part.splitlines() if line and not line.startswith("#")]
    for part in Path(__file__).with_name("media_types.txt").read_text(encoding="ascii").split("# Other")
)
_TEXT_TYPES: Final = frozenset(row[0] for row in _TEXTS)
_MAIN_EXTENSIONS: Final = {row[0]: row[1] if row[1:] else "" for row in (*_TEXTS, *_OTHERS)}
"""Usual extension by MIME type, without its dot; ``""`` if there is none."""
_MIME_TYPES: Final = {extension: row[0] for row in reversed((*_TEXTS, *_OTHERS)) for extension in reversed(row[1:])}
"""Usual MIME type by extension, in lower case and without its dot."""


def detect_type(extension: str, mime_type: str) -> FileType:
    """Return a file's type: by its extension, else by the first part of its MIME type.

    Args:
        extension: In any case, with or without the dot; may be empty.

    Source: docs/dify-behaviour.md, “File values”.
    """
    plain = extension.lower().lstrip(".")
    for kind, extensions in _EXTENSIONS.items():
        if plain in extensions:
            return kind
    match mime_type.partition("/")[0].lower():
        case "image":
            return "image"
        case "audio":
            return "audio"
        case "video":
            return "video"
        case _:
            return "custom"


def extension_of(name: str) -> str:
    """Return a name's extension in lower case, without the dot; ``""`` if there is none."""
    return posixpath.splitext(name)[1].lstrip(".").lower()


def mime_type_of(name: str) -> str:
    """Guess the MIME type from a name; ``""`` if unknown."""
    return _MIME_TYPES.get(extension_of(name), "")


def stated_type(header: str) -> str:
    """Return the MIME type of a ``Content-Type`` in lower case, without parameters; ``""`` for a generic type such as
    ``application/octet-stream``."""
    mime_type = header.partition(";")[0].strip().lower()
    return "" if mime_type in _SAY_NOTHING else mime_type


def best_type(header: str, name: str) -> str:
    """Return the MIME type of a ``Content-Type``, else the one for the name, else ``application/octet-stream``."""
    return stated_type(header) or mime_type_of(name) or UNKNOWN


def extension_for(mime_type: str, name: str = "") -> str:
    """Return an extension with its dot: the usual one for the MIME type, else the name's, else ``.bin``."""
    known = _MAIN_EXTENSIONS.get(stated_type(mime_type))
    if known:
        return f".{known}"
    own = extension_of(name)
    return f".{own}" if own.isascii() and own.isalnum() and len(own) <= _MAX_EXTENSION else ".bin"


def is_text(mime_type: str) -> bool | None:
    """Return True if files of a MIME type are text; ``None`` if the type is unknown."""
    if mime_type in _TEXT_TYPES:
        return True
    if mime_type in _MAIN_EXTENSIONS:
        return False
    main = mime_type.partition("/")[0]
    if main in ("text", "message", "multipart"):
        return True
    return False if main in ("image", "audio", "video", "font", "model") else None
