"""Files that the program of a code node returned. Dify's code nodes have no such outputs."""

import base64
import binascii
from typing import Final

from jikko.nodes.context import Context
from jikko.nodes.contract import NodeFailure
from jikko.ports.files.file_types import UNKNOWN, mime_type_of
from jikko.ports.sandbox import FILE_MARK
from jikko.ports.stores.blob_store import FileTooLarge
from jikko.values import Json

FILE: Final = "file"
FILES: Final = "array[file]"
_MAX_NAME_LENGTH: Final = 200


async def keep_files(ctx: Context, value: Json, kind: str, name: str) -> Json:
    """Store what a program returned for one output.

    Args:
        kind: ``FILE`` or ``FILES``.
        name: Of the output.

    Returns:
        The file mapping, or the list of them; ``None`` stays.

    Raises:
        NodeFailure: It is no file, or too large.
    """
    if value is None:
        return None
    if kind == FILE:
        return await _keep(ctx, value, name)
    if not isinstance(value, list):
        raise _invalid(f"Output {name} is not an array.")
    limit = ctx.ports.limits.max_objects
    if len(value) > limit:
        raise _invalid(
            f"The length of output {name} must be at most {limit} elements, but is {len(value)} "
            "(set by JIKKO_MAX_OBJECTS)."
        )
    return [await _keep(ctx, item, f"{name}[{index}]") for index, item in enumerate(value)]


async def _keep(ctx: Context, value: Json, path: str) -> Json:
    match value.get(FILE_MARK) if isinstance(value, dict) else None:
        case {"filename": str(filename), "content": str(text)}:
            try:
                content = base64.b64decode(text, validate=True)
            except (binascii.Error, ValueError):
                raise _invalid(f"Output {path} is no file.") from None
        case _:
            raise _invalid(f"Output {path} is no file.")
    # What a path names is its last part, and what would not fit into a header is left out.
    filename = "".join(filter(str.isprintable, filename.replace("\\", "/").rpartition("/")[2]))[-_MAX_NAME_LENGTH:]
    filename = filename or "file.bin"
    mime_type = mime_type_of(filename) or UNKNOWN
    try:
        return await ctx.ports.files.make(
            content, app_id=ctx.run.app_id, end_user_id=ctx.run.end_user_id, name=filename, mime_type=mime_type
        )
    except FileTooLarge as error:
        raise _invalid(f"Output {path}: {error}") from None


def _invalid(message: str) -> NodeFailure:
    return NodeFailure(message, kind="OutputValidationError")
