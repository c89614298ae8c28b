"""Local files as inputs of a run: uploaded for its user, as by a client."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from msgspec import Struct

from jikko.apps.end_users import end_user
from jikko.dsl.start_variables import StartVariable
from jikko.errors import InvalidParam, JikkoError
from jikko.inputs.file_inputs import rules_of_input
from jikko.inputs.given import Upload
from jikko.inputs.uploads import FileService
from jikko.ports.files.file_types import UNKNOWN, detect_type, mime_type_of
from jikko.ports.stores.file_index import StoredFile
from jikko.values import Json


class _Part(Struct):
    filename: str | None
    content_type: str | None
    opened: BinaryIO

    async def read(self, size: int = -1) -> bytes:
        return self.opened.read(size)


async def uploaded(
    values: Mapping[str, Any], variables: Sequence[StartVariable], files: FileService, *, app_id: str, user: str
) -> dict[str, Json]:
    """Upload files, and return the inputs with file objects in place of each ``Upload``. Raises ``InvalidParam``, with
    a line per file that cannot be read or uploaded."""
    kinds = {variable.name: variable for variable in variables}
    problems: list[str] = []

    async def one(value: Any, variable: StartVariable) -> Any:
        if not isinstance(value, Upload):
            return value
        try:
            stored = await _stored(value.path, files, app_id, user)
        except OSError as error:
            problems.append(f"input {variable.name!r} cannot be read from {value.path}: {error.strerror or error}")
        except JikkoError as error:
            problems.append(f"input {variable.name!r} cannot be uploaded from {value.path}: {error or error.code}")
        else:
            kind = detect_type(stored.extension, stored.mime_type)
            listed = variable.allowed_file_types
            declared = "custom" if "custom" in listed and kind not in listed else kind
            if not rules_of_input(variable).allow(declared, stored.extension, "local_file"):
                problems.append(f"input {variable.name!r} cannot be {value.path}: {_expected(variable)}")
            return {"transfer_method": "local_file", "upload_file_id": stored.id, "type": declared}
        return None

    made: dict[str, Json] = {}
    for name, value in values.items():
        if isinstance(value, list):
            made[name] = [await one(item, kinds[name]) for item in value]
        else:
            made[name] = await one(value, kinds[name]) if isinstance(value, Upload) else value
    if problems:
        raise InvalidParam("\n  ".join(problems))
    return made


def _expected(variable: StartVariable) -> str:
    if variable.allowed_file_upload_methods and "local_file" not in variable.allowed_file_upload_methods:
        return "expected an http address"
    types = " or ".join(kind for kind in variable.allowed_file_types if kind != "custom")
    ends = " or ".join(variable.allowed_file_extensions) if "custom" in variable.allowed_file_types else ""
    ways = [*([f"of type {types}"] if types else []), *([f"that ends in {ends}"] if ends else [])]
    return f"expected a file {', or '.join(ways)}"


async def _stored(path: str, files: FileService, app_id: str, user: str) -> StoredFile:
    file = Path(path)
    kind = mime_type_of(file.name) or UNKNOWN
    with await asyncio.to_thread(file.open, "rb") as opened:
        part = _Part(file.name, kind, opened)
        return await files.upload([("file", part)], app_id=app_id, end_user_id=end_user(app_id, user))
