"""Files that a model made."""

from collections.abc import Iterable

from jikko.nodes.context import Context
from jikko.ports.files.file_types import extension_for
from jikko.ports.models import Media
from jikko.values import FILE_IDENTITY, Json


async def keep_media(ctx: Context, media: Iterable[Media]) -> tuple[list[Json], str]:
    """Store what a model made. Returns the file mappings, and the Markdown that shows them."""
    files: list[Json] = []
    links: list[str] = []
    for number, made in enumerate(media, 1):
        extension = extension_for(made.mime_type, made.filename)
        name = made.filename or f"{made.kind}-{number}{extension}"
        if made.url:
            file: dict[str, Json] = _elsewhere(made, name, extension)
        else:
            file = await ctx.ports.files.make(
                made.data,
                app_id=ctx.run.app_id,
                end_user_id=ctx.run.end_user_id,
                name=name,
                mime_type=made.mime_type,
                type=made.kind,
            )
        files.append(file)
        links.append(f"\n![{name}]({file['url']})")
    return files, "".join(links)


def _elsewhere(made: Media, name: str, extension: str) -> dict[str, Json]:
    return {
        "dify_model_identity": FILE_IDENTITY,
        "id": None,
        "type": made.kind,
        "transfer_method": "remote_url",
        "remote_url": made.url,
        "reference": None,
        "filename": name,
        "extension": extension,
        "mime_type": made.mime_type,
        "size": -1,
        "related_id": None,
        "url": made.url,
    }
