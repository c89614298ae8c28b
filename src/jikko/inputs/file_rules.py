"""Rules for the files that an input, or an app, allows. Source: docs/dify-behaviour.md, “Files of a request”."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from jikko.dsl.start_variables import StartVariable
from jikko.errors import InvalidParam
from jikko.values import Json


class FileRules(Struct, frozen=True):
    """Which files are allowed."""

    types: frozenset[str]
    """Empty for all."""
    extensions: frozenset[str]
    """For files of type ``custom``: lower case, with the dot. Empty for none."""
    methods: frozenset[str]
    """Empty for all."""

    def allow(self, declared: str, extension: str, method: str) -> bool:
        """Whether a file that the request calls a ``declared`` one may be given. Files of nodes always may."""
        if method == "tool_file":
            return True
        listed = not self.types or declared in self.types
        if not listed and "custom" not in self.types:
            return False
        if (declared == "custom" or not listed) and not self._has_extension(extension):
            return False
        return not self.methods or method in self.methods

    def _has_extension(self, extension: str) -> bool:
        normal = _normal_extension(extension)
        return bool(normal) and normal in self.extensions


def rules_of_input(variable: StartVariable) -> FileRules:
    """What an input of type ``file`` or ``file-list`` allows."""
    return FileRules(
        frozenset(variable.allowed_file_types),
        frozenset(map(_normal_extension, variable.allowed_file_extensions)),
        frozenset(variable.allowed_file_upload_methods),
    )


def rules_of_upload(upload: Mapping[str, Any] | None) -> FileRules | None:
    """What ``upload_settings`` allow; ``None`` for everything."""
    if upload is None:
        return None
    return FileRules(
        frozenset(_texts(upload.get("allowed_file_types"))),
        frozenset(map(_normal_extension, _texts(upload.get("allowed_file_extensions")))),
        frozenset(_texts(upload.get("allowed_file_upload_methods"))),
    )


def upload_settings(features: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The settings of ``file_upload``; ``None`` if it is off.
    ``features``: as ``dsl.repair`` leaves them: the old switch for images is in the general form."""
    upload = features.get("file_upload")
    return upload if isinstance(upload, Mapping) and upload.get("enabled") else None


def check_numbers(files: Sequence[Mapping[str, Json]], upload: Mapping[str, Any]) -> None:
    """Raise ``InvalidParam`` if there are more files than ``upload_settings`` allow."""
    limit = upload.get("number_limits")
    if not isinstance(limit, int) or isinstance(limit, bool) or limit <= 0:
        return
    if sum(file["type"] == "image" for file in files) > limit:
        raise InvalidParam(f"Number of image files exceeds the maximum limit {limit}")
    if len(files) > limit:
        raise InvalidParam(f"Number of files exceeds the maximum limit {limit}")


def _normal_extension(extension: str) -> str:
    plain = extension.strip().lower().lstrip(".")
    return f".{plain}" if plain else ""


def _texts(value: Json) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
