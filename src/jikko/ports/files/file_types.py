"""Types of files, by name and MIME type."""

import posixpath
from typing import Final, Literal, TypeAlias, get_args

from jikko.ports.files.media_types import EXTENSIONS, MIME_TYPES, TEXT_TYPES

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
"""MIME types of servers and clients that do not know, or want the file to be saved."""
_MAX_EXTENSION: Final = 16
"""Characters of an extension that is not in the table."""


def detect_type(extension: str, mime_type: str) -> FileType:
    """The type of a file: by its extension, else by the first half of its MIME type.

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
    """The extension of a file name: lower case, without the dot; ``""`` if there is none."""
    return posixpath.splitext(name)[1].lstrip(".").lower()


def mime_type_of(name: str) -> str:
    """The MIME type that a name suggests; ``""`` if it suggests none."""
    return MIME_TYPES.get(extension_of(name), "")


def stated_type(header: str) -> str:
    """The MIME type in a ``Content-Type``: lower case, without parameters; ``""`` if that says nothing about the
    content, as ``application/octet-stream`` does."""
    mime_type = header.partition(";")[0].strip().lower()
    return "" if mime_type in _SAY_NOTHING else mime_type


def best_type(header: str, name: str) -> str:
    """The MIME type in a ``Content-Type``, else the one that a name suggests, else ``application/octet-stream``."""
    return stated_type(header) or mime_type_of(name) or UNKNOWN


def extension_for(mime_type: str, name: str = "") -> str:
    """An extension for a file, with its dot: the usual one of its MIME type, else that of its name, else ``.bin``."""
    known = EXTENSIONS.get(stated_type(mime_type))
    if known:
        return f".{known}"
    own = extension_of(name)
    return f".{own}" if own.isascii() and own.isalnum() and len(own) <= _MAX_EXTENSION else ".bin"


def is_text(mime_type: str) -> bool | None:
    """Whether the content of files of a MIME type is text; ``None`` if the type is not known."""
    if mime_type in TEXT_TYPES:
        return True
    if mime_type in EXTENSIONS:
        return False
    main = mime_type.partition("/")[0]
    if main in ("text", "message", "multipart"):
        return True
    return False if main in ("image", "audio", "video", "font", "model") else None
