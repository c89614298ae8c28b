"""Files in prompts."""

from collections.abc import Iterable
from typing import Final, Self, cast

from msgspec import Struct

from jikko.dsl.fields import Fields
from jikko.nodes.contract import Context, NodeFailure, Variables
from jikko.nodes.files.file_content import read_content
from jikko.ports.models import Media, MediaKind
from jikko.values import UNSET, Json, Selector, is_file, type_of

_KINDS: Final = ("image", "audio", "video", "document")
_BY_ADDRESS: Final = ("image", "video")
"""Media types that providers fetch themselves."""


class Vision(Struct, frozen=True):
    """Vision settings of a node."""

    enabled: bool
    selector: Selector
    detail: str
    """``high`` or ``low``."""

    @classmethod
    def from_dsl(cls, data: Fields) -> Self:
        fields = data.mapping("vision")
        configs = fields.mapping("configs")
        return cls(
            enabled=fields.boolean("enabled"),
            selector=configs.selector("variable_selector") or ("sys", "files"),
            detail=configs.choice("detail", ("high", "low"), "high"),
        )

    def files(self, variables: Variables) -> list[Json]:
        """Return the file mappings; empty if vision is off. Raises ``NodeFailure`` if the variable holds no files."""
        if not self.enabled:
            return []
        value = variables.get(self.selector)
        if value is UNSET or value is None:
            return []
        kind = type_of(value)
        if kind == "file":
            return [value]
        if kind == "array[file]":
            return list(value)
        if kind == "array[any]":
            return []
        raise NodeFailure(
            f"{'.'.join(self.selector)} is a {kind}; the model can only be shown files.",
            kind="InvalidVariableTypeError",
        )


async def all_media(ctx: Context, files: Iterable[Json], detail: str) -> list[Media]:
    """Return files as prompt parts, without unsupported types. ``detail``: Image detail. Raises ``NodeFailure``: a
    content is gone, or cannot be fetched."""
    return [part for part in await vision_parts(ctx, files, detail) if isinstance(part, Media)]


async def vision_parts(ctx: Context, files: Iterable[Json], detail: str) -> list[str | Media]:
    """Return files as ``all_media`` does, with a text for each of an unsupported type."""
    return [
        await _media(ctx, file, detail) or f"[Unsupported file type: {file.get('filename')} ({file.get('type')})]"
        for file in files
    ]


async def _media(ctx: Context, file: Json, detail: str) -> Media | None:
    """Return a file as a prompt part, if supported: remote images and videos by URL, others by content."""
    kind = file.get("type")
    if kind not in _KINDS:
        return None
    mime_type = str(file.get("mime_type") or "application/octet-stream")
    name = str(file.get("filename") or "")
    media_kind = cast(MediaKind, kind)
    is_elsewhere = file.get("transfer_method") == "remote_url" and not file.get("related_id")
    if is_elsewhere and kind in _BY_ADDRESS:
        return Media(media_kind, mime_type, url=str(file.get("remote_url") or ""), filename=name, detail=detail)
    return Media(media_kind, mime_type, data=await read_content(ctx, file), filename=name, detail=detail)


def files_in(value: Json) -> list[Json]:
    """Return the file mappings that a value is or directly contains."""
    if is_file(value):
        return [value]
    return list(value) if isinstance(value, list) and type_of(value) == "array[file]" else []
