"""What kind of file something is, by its name and MIME type."""

import mimetypes
import posixpath
from typing import Final, Literal, TypeAlias, get_args

FileType: TypeAlias = Literal["image", "document", "audio", "video", "custom"]

FILE_TYPES: Final[tuple[FileType, ...]] = get_args(FileType)

_EXTENSIONS: Final[dict[FileType, frozenset[str]]] = {
    "image": frozenset({"jpg", "jpeg", "png", "webp", "gif", "svg"}),
    "video": frozenset({"mp4", "mov", "mpeg", "webm"}),
    "audio": frozenset({"mp3", "m4a", "wav", "amr", "mpga"}),
    "document": frozenset(
        {"txt", "markdown", "md", "mdx", "pdf", "html", "htm", "xlsx", "xls", "vtt", "properties", "doc", "docx"}
        | {"csv", "eml", "msg", "ppt", "pptx", "xml", "epub"}
    ),
}
"""Source: Dify 1.15, spec/variables.md §6."""


def detect_type(extension: str, mime_type: str) -> FileType:
    """The type of a file: by its extension, else by the first half of its MIME type.

    Args:
        extension: In any case, with or without the dot; may be empty.

    Source: Dify 1.15, spec/variables.md §6.
    """
    plain = extension.lower().lstrip(".")
    for kind, extensions in _EXTENSIONS.items():
        if plain in extensions:
            return kind
    match mime_type.partition("/")[0].lower():
        case "image":
            return "image"
        case "video":
            return "video"
        case "audio":
            return "audio"
        case _:
            return "custom"


def extension_of(name: str) -> str:
    """The extension of a file name: lower case, without the dot; ``""`` if there is none."""
    return posixpath.splitext(name)[1].lstrip(".").lower()


def mime_type_of(name: str) -> str:
    """The MIME type that a name suggests; ``""`` if it suggests none."""
    return _tables().guess_type(name)[0] or ""


def extension_for(mime_type: str) -> str:
    """The usual extension of a MIME type, with its dot; ``""`` if there is none."""
    return _tables().guess_extension(mime_type) or ""


def _tables() -> mimetypes.MimeTypes:
    # Not the module's functions: they read tables of the machine, and answers would differ from machine to machine.
    return mimetypes.MimeTypes()
