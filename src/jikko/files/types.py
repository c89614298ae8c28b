"""What kind of file something is, and how large files of a kind may be."""

import mimetypes
import posixpath
from dataclasses import dataclass
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

_MEBIBYTE: Final = 1024 * 1024


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


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLimits:
    """How large files may be. The defaults are Dify's. Source: Dify 1.15, spec/service-api.md §6.1."""

    max_image: int = 10 * _MEBIBYTE
    """Bytes of an uploaded image; so are the next three."""
    max_video: int = 100 * _MEBIBYTE
    max_audio: int = 50 * _MEBIBYTE
    max_other: int = 15 * _MEBIBYTE
    max_made: int = 100 * _MEBIBYTE
    """Bytes of a file that a node makes."""
    blocked_extensions: frozenset[str] = frozenset()
    """Extensions that cannot be uploaded: lower case, without the dot."""

    @property
    def largest(self) -> int:
        """Bytes that no upload may have more of."""
        return max(self.max_image, self.max_video, self.max_audio, self.max_other)

    def for_upload(self, extension: str) -> int:
        """Bytes that an uploaded file with this extension may have."""
        match detect_type(extension, ""):
            case "image":
                return self.max_image
            case "video":
                return self.max_video
            case "audio":
                return self.max_audio
            case _:
                return self.max_other
