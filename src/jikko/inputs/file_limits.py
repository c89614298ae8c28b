"""How large uploaded files may be."""

from typing import Final

from msgspec import Struct

from jikko.ports.files.file_types import detect_type

_MEBIBYTE: Final = 1024 * 1024


class FileLimits(Struct, frozen=True, kw_only=True):
    """How large uploaded files may be. The defaults are Dify's. Source: docs/dify-behaviour.md, “File uploads”."""

    max_image: int = 10 * _MEBIBYTE
    """Bytes of an uploaded image; so are the next three."""
    max_video: int = 100 * _MEBIBYTE
    max_audio: int = 50 * _MEBIBYTE
    max_other: int = 15 * _MEBIBYTE
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
