"""File mappings from file objects of requests, and the rules of inputs and apps for files. Source:
docs/dify-behaviour.md, “Files of a request”. The error texts are Dify's."""

import posixpath
import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import msgspec
from msgspec import Struct
from msgspec.structs import asdict, replace

from jikko.dsl.start_variables import StartVariable
from jikko.errors import InvalidParam
from jikko.ids import is_uuid
from jikko.ports.files.file_store import FileStore, file_id_of
from jikko.ports.files.file_types import FILE_TYPES, detect_type, extension_for, mime_type_of, stated_type
from jikko.ports.http import HttpClient, HttpFailure, HttpResponse, OutgoingRequest, Timeouts
from jikko.ports.stores.file_index import StoredFile
from jikko.values import Json, remote_file


class FileRules(Struct, frozen=True):
    """Permitted files."""

    types: frozenset[str]
    """Empty: all."""
    extensions: frozenset[str]
    """For files of type ``custom``: lower case, with the dot. Empty: none."""
    methods: frozenset[str]
    """Empty: all."""

    def allow(self, declared: str, extension: str, method: str) -> bool:
        """Return whether a file declared as ``declared`` is permitted. Files made by nodes always are."""
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
    """Return the rules of an input of type ``file`` or ``file-list``."""
    return FileRules(
        frozenset(variable.allowed_file_types),
        frozenset(map(_normal_extension, variable.allowed_file_extensions)),
        frozenset(variable.allowed_file_upload_methods),
    )


def rules_of_upload(upload: Mapping[str, Any] | None) -> FileRules | None:
    """Return the rules of ``upload_settings``; ``None`` if everything is permitted."""
    if upload is None:
        return None
    return FileRules(
        frozenset(_texts(upload.get("allowed_file_types"))),
        frozenset(map(_normal_extension, _texts(upload.get("allowed_file_extensions")))),
        frozenset(_texts(upload.get("allowed_file_upload_methods"))),
    )


def upload_settings(features: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the settings of ``file_upload``; ``None`` if disabled. ``features``: After ``dsl.repair``, which converts
    the old switch for images."""
    upload = features.get("file_upload")
    return upload if isinstance(upload, Mapping) and upload.get("enabled") else None


def check_numbers(files: Sequence[Mapping[str, Json]], upload: Mapping[str, Any]) -> None:
    """Raises ``InvalidParam`` if there are more files than ``upload_settings`` allow."""
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


_METHODS: Final = ("remote_url", "local_file", "tool_file", "datasource_file")


class FileInputs:
    """Makes file mappings from file objects of requests."""

    def __init__(self, files: FileStore, http: HttpClient) -> None:
        self._files = files
        self._http = http

    async def file(
        self, raw: Json, variable: StartVariable, *, app_id: str, end_user_id: str, base_url: str = ""
    ) -> dict[str, Json]:
        """Return the file of a ``file`` input. ``base_url``: By which the client reached this server, for URLs of
        files; ``""`` for the configured one. Raises ``InvalidParam``: not a file object, no such file of this user,
        or not permitted by the variable."""
        if not isinstance(raw, Mapping):
            raise InvalidParam(f"{variable.name} in input form must be a file")
        return await self._one(raw, rules_of_input(variable), _Asker(app_id, end_user_id, base_url), strict=True)

    async def file_list(
        self, raw: Json, variable: StartVariable, *, app_id: str, end_user_id: str, base_url: str = ""
    ) -> list[dict[str, Json]]:
        """Return the files of a ``file-list`` input. Entries without a method, and remote ones without a URL, are
        dropped. Raises ``InvalidParam``: as for ``file``; or too many."""
        if not isinstance(raw, list) or not all(isinstance(item, Mapping) for item in raw):
            raise InvalidParam(f"{variable.name} in input form must be a list of files")
        if variable.max_length and len(raw) > variable.max_length:
            raise InvalidParam(f"{variable.name} in input form must be less than {variable.max_length} files")
        return await self._several(raw, rules_of_input(variable), _Asker(app_id, end_user_id, base_url), strict=False)

    async def top_level(
        self,
        raw: Json,
        features: Mapping[str, Any],
        *,
        app_id: str,
        end_user_id: str,
        base_url: str = "",
        strict: bool = True,
    ) -> list[dict[str, Json]]:
        """Return the top-level ``files`` of a request.

        Args:
            features: Of the app's document. With ``file_upload`` off, a workflow accepts any files.
            strict: Whether the declared type must equal the detected one: for workflows, not for chatflows.

        Raises:
            InvalidParam: As for ``file_list``.
        """
        if raw is None:
            return []
        if not isinstance(raw, list) or not all(isinstance(item, Mapping) for item in raw):
            raise InvalidParam("files must be a list of objects")
        upload = upload_settings(features)
        found = await self._several(raw, rules_of_upload(upload), _Asker(app_id, end_user_id, base_url), strict=strict)
        if upload is not None:
            check_numbers(found, upload)
        return found

    async def _several(
        self, raw: Sequence[Mapping[str, Json]], rules: FileRules | None, asker: "_Asker", *, strict: bool
    ) -> list[dict[str, Json]]:
        return [await self._one(item, rules, asker, strict=strict) for item in raw if _is_meant(item)]

    async def _one(
        self, raw: Mapping[str, Json], rules: FileRules | None, asker: "_Asker", *, strict: bool
    ) -> dict[str, Json]:
        method = raw.get("transfer_method")
        if not method:
            raise InvalidParam("transfer_method is required in file mapping")
        if method not in _METHODS:
            raise InvalidParam(f"{method!r} is not a valid FileTransferMethod")
        declared = raw.get("type")
        if declared and declared not in FILE_TYPES:
            raise InvalidParam(f"{declared!r} is not a valid FileType")
        if method == "remote_url" and not _text(raw, "upload_file_id", "reference", "related_id"):
            made = await self._remote(raw, declared, asker, strict=strict)
        else:
            made = await self._stored(raw, method, declared, asker, strict=strict)
        if rules is not None and not rules.allow(declared or "custom", made["extension"], made["transfer_method"]):
            raise InvalidParam(f"File validation failed for file: {made['filename']}")
        return made

    async def _stored(
        self, raw: Mapping[str, Json], method: str, declared: str | None, asker: "_Asker", *, strict: bool
    ) -> dict[str, Json]:
        if method in ("tool_file", "datasource_file"):
            file = await self._made(raw, method, asker)
        else:
            file = await self._uploaded(raw, asker)
        kind = _resolved(detect_type(file.extension, file.mime_type), declared, strict=strict)
        return self._files.mapping(
            file,
            type=kind,
            transfer_method="tool_file" if method == "datasource_file" else method,
            id=raw.get("id"),
            base_url=asker.base_url,
        )

    async def _uploaded(self, raw: Mapping[str, Json], asker: "_Asker") -> StoredFile:
        file_id = file_id_of(_text(raw, "upload_file_id", "reference", "related_id"))
        if not file_id:
            raise InvalidParam("Invalid upload file id")
        if not is_uuid(file_id):
            raise InvalidParam("Invalid upload file id format")
        file = await self._files.use(file_id, app_id=asker.app_id, end_user_id=asker.end_user_id)
        if file is None or file.origin != "upload":
            # The same for a missing file and one of another user: ids must not be probed.
            raise InvalidParam("Invalid upload file")
        return file

    async def _made(self, raw: Mapping[str, Json], method: str, asker: "_Asker") -> StoredFile:
        name = "ToolFile" if method == "tool_file" else "DatasourceFile"
        file_id = file_id_of(_text(raw, f"{method}_id", "reference", "related_id"))
        file = None
        if is_uuid(file_id):
            file = await self._files.use(file_id, app_id=asker.app_id, end_user_id=asker.end_user_id)
        if file is None or file.origin != "node":
            raise InvalidParam(f"{name} {file_id or None} not found")
        return file

    async def _remote(
        self, raw: Mapping[str, Json], declared: str | None, asker: "_Asker", *, strict: bool
    ) -> dict[str, Json]:
        url = _text(raw, "url", "remote_url")
        if not url:
            raise InvalidParam("Invalid file url")
        found = await probe(url, self._http, app_id=asker.app_id)
        kind = _resolved(detect_type(found.extension, found.mime_type), declared, strict=strict)
        return remote_file(url, kind, id=raw.get("id"), **asdict(found))


class _Asker(Struct, frozen=True):
    app_id: str
    end_user_id: str
    base_url: str


def _is_meant(raw: Mapping[str, Json]) -> bool:
    method = raw.get("transfer_method")
    return bool(method) and (method != "remote_url" or bool(_text(raw, "url", "remote_url")))


def _resolved(detected: str, declared: str | None, *, strict: bool) -> str:
    if not declared or declared == "custom":
        return detected
    if strict and declared != detected:
        raise InvalidParam("Detected file type does not match the specified type. Please verify the file.")
    return declared


def _text(raw: Mapping[str, Json], *names: str) -> str:
    """Return the first entry that is a non-empty string."""
    return next((value for name in names if isinstance(value := raw.get(name), str) and value), "")


_TIMEOUTS: Final = Timeouts(connect=5.0, read=10.0, write=10.0, total=20.0)
"""A client waits for the answer."""

_EXTENDED_NAME: Final = re.compile(r"filename\*\s*=\s*\"?([\w-]*)'[^']*'([^;\"]+)", re.IGNORECASE)
_PLAIN_NAME: Final = re.compile(r"filename\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|([^;]+))", re.IGNORECASE)

_MAX_DIGITS: Final = 18
"""Maximum digits of a size; longer ones are ignored."""


class RemoteFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file at a URL, as far as known without fetching it."""

    filename: str
    extension: str
    """With its dot."""
    mime_type: str
    size: int
    """Bytes; -1 if unknown."""


async def probe(url: str, http: HttpClient, *, app_id: str = "") -> RemoteFile:
    """Determine name, type and size of a remote file, guessing from the URL what the server omits. Raises
    ``InvalidParam``: the URL cannot be reached, or is forbidden."""
    if not url.lower().startswith(("http://", "https://")):
        raise InvalidParam(f"Invalid file url: {url[:200]!r} does not start with http:// or https://")
    filename = name_in_path(url)
    mime_type = mime_type_of(filename)
    size = -1
    answer = await _headers(url, http, app_id)
    if answer.status in (200, 206):
        named = name_in_disposition(answer.header("content-disposition")) or filename
        if named:
            filename, mime_type = named, mime_type_of(named)
        size = _size(answer)
        mime_type = mime_type or stated_type(answer.header("content-type"))
    filename = filename or f"{uuid.uuid4().hex}{extension_for(mime_type)}"
    extension = extension_for(mime_type, filename)
    return RemoteFile(filename=filename, extension=extension, mime_type=mime_type, size=size)


async def _headers(url: str, http: HttpClient, app_id: str) -> HttpResponse:
    request = OutgoingRequest(method="HEAD", url=url, timeouts=_TIMEOUTS, app_id=app_id)
    try:
        answer = await http.send(request)
        if answer.status in (405, 501):
            # One byte tells as much; a server that ignores the range is cut off by the limit.
            answer = await http.send(replace(request, method="GET", headers=(("Range", "bytes=0-0"),)))
    except HttpFailure as failure:
        if failure.kind == "too_large":
            return HttpResponse(0, (), b"")
        raise InvalidParam(f"The file at {url[:500]} cannot be reached: {failure}") from None
    return answer


def name_in_path(url: str) -> str:
    """Return the file name at the end of a URL; ``""`` if there is none."""
    try:
        path = urlsplit(url).path
    except ValueError:
        raise InvalidParam(f"Invalid file url: {url[:200]!r}") from None
    return _base(unquote(path.rpartition("/")[2]))


def name_in_disposition(header: str) -> str:
    """Return the file name in a ``Content-Disposition`` header, without folders; ``""`` if there is none."""
    extended = _EXTENDED_NAME.search(header)
    if extended:
        try:
            return _base(unquote(extended[2].strip(), encoding=extended[1] or "utf-8"))
        except (LookupError, UnicodeError):
            # Some of Python's encodings do not support error handlers.
            return _base(unquote(extended[2].strip()))
    plain = _PLAIN_NAME.search(header)
    if plain is None:
        return ""
    quoted = plain[1]
    return _base(unquote((re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain[2]).strip()))


def _base(name: str) -> str:
    base = posixpath.basename(name.replace("\\", "/"))
    return base if base.strip() else ""


def _size(answer: HttpResponse) -> int:
    # "bytes 0-0/1234" answers a request for the first byte.
    total = answer.header("content-range").rpartition("/")[2] or answer.header("content-length")
    return int(total) if total.isascii() and total.isdigit() and len(total) <= _MAX_DIGITS else -1
