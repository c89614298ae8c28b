"""Tools of OpenAPI documents, and their requests. Source: docs/dify-behaviour.md, “OpenAPI tools”."""

import json
import re
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from jikko.concurrency.json_in_pieces import TooManyElements, decode_json, decode_strictly
from jikko.diagnostics.diagnostic import Phrase
from jikko.events import Usage
from jikko.lang.templates import to_text
from jikko.masking import masked
from jikko.nodes.http.http_response import text_of
from jikko.ports.files.file_store import FileStore
from jikko.ports.http import (
    FormFile,
    HttpClient,
    HttpFailure,
    HttpResponse,
    Multipart,
    OutgoingRequest,
    Pairs,
    Timeouts,
)
from jikko.ports.tools import Emit, JsonMessage, TextMessage, Tool, ToolCall, ToolFailure, ToolMessage, ToolName
from jikko.tools.directory import EntryTools, ToolsDirectory, no_such_tool
from jikko.tools.given_files import FileContent, GivenFiles
from jikko.tools.openapi.openapi_document import MAX_URL, PlacedParameter, RemoteOperation, RequestBody, filled_in
from jikko.tools.tools_file import ApiProvider, Auth
from jikko.values import Json, is_too_deep

_CONNECT = 10.0
_SILENCE = 60.0
_MAX_KNOWN = 1_000
"""Maximum number of cached tools."""


class ApiTools(EntryTools):
    """``Tools`` of provider type ``api``. Implements ``ToolListing``."""

    entries = ApiProvider
    provider_type = "api"

    def __init__(
        self, directory: ToolsDirectory, http: HttpClient, files: FileStore, *, max_bytes: int, seconds: float
    ) -> None:
        """``max_bytes``: Maximum answer, decompressed. ``seconds``: Timeout of a call."""
        super().__init__(directory)
        self._http = http
        self._max_bytes = max_bytes
        self._known: dict[ToolName, tuple[ApiProvider, Tool]] = {}
        """Cached tools with their providers, which a reload replaces."""
        self._timeouts = Timeouts(connect=_CONNECT, read=_SILENCE, write=_SILENCE, total=seconds)
        self._files = GivenFiles(files, http, self._timeouts)

    def known(self, name: ToolName, *, app_id: str = "") -> Tool | None:
        if not self._directory.is_current():
            return None
        provider = self._directory.provider(name, ApiProvider)
        # Access by app requires the app's identity.
        return None if provider.apps else self._tool(provider, name)

    async def find(self, name: ToolName, *, app_id: str = "") -> Tool:
        await self._directory.refresh()
        provider = self._directory.provider(name, ApiProvider)
        await self._directory.credentials(provider, app_id)
        return self._tool(provider, name)

    async def call(self, call: ToolCall, emit: Emit) -> Usage | None:
        name = call.tool.name
        provider = self._directory.provider(name, ApiProvider)
        auth = await self._directory.credentials(provider, call.app_id)
        operation = self._operation(provider, name)
        if operation.method in ("options", "trace"):
            raise ToolFailure(f"Invalid http method {operation.method}", reported=False)
        prepared = prepare(operation, call.parameters, await self._contents(call))
        request = OutgoingRequest(
            method=operation.method,
            url=prepared.url,
            params=(*auth.params(), *prepared.params),
            headers=_with_auth(prepared.headers, auth),
            body=prepared.body,
            timeouts=self._timeouts,
            max_bytes=self._max_bytes,
            secret_headers=frozenset({auth.name.lower()}) if auth.type == "api_key_header" else frozenset(),
            app_id=call.app_id,
        )
        try:
            answer = await self._http.send(request)
            async for message in messages_of(answer, prepared.url):
                emit(message)
        except HttpFailure as failure:
            raise ToolFailure(masked(str(failure), auth.secrets), reported=False) from None
        except ToolFailure as failure:
            raise ToolFailure(masked(str(failure), auth.secrets), reported=failure.reported) from None
        return None

    async def offered(self, provider: ToolName) -> list[Tool]:
        await self._directory.refresh()
        found = self._directory.provider(provider, ApiProvider)
        return [self._tool(found, replace(provider, tool=name)) for name in found.operations]

    def _tool(self, provider: ApiProvider, name: ToolName) -> Tool:
        known = self._known.get(name)
        if known is not None and known[0] is provider:
            return known[1]
        operation = self._operation(provider, name)
        tool = Tool(name=name, parameters=operation.parameters, description=operation.description)
        if len(self._known) >= _MAX_KNOWN:
            self._known.clear()
        self._known[name] = provider, tool
        return tool

    @staticmethod
    def _operation(provider: ApiProvider, name: ToolName) -> RemoteOperation:
        operation = provider.operations.get(name.tool)
        if operation is None:
            raise no_such_tool(Phrase("tool.missing", {"name": name.tool}), provider.name, provider.operations)
        return operation

    async def _contents(self, call: ToolCall) -> dict[str, list[FileContent]]:
        found: dict[str, list[FileContent]] = {}
        for parameter in call.tool.parameters:
            if parameter.type not in ("file", "files") or parameter.name not in call.parameters:
                continue
            value = call.parameters[parameter.name]
            listed = value if isinstance(value, list) else [value]
            found[parameter.name] = [await self._files.read(file, parameter.name, call) for file in listed]
        return found


def _with_auth(headers: Pairs, auth: Auth) -> Pairs:
    """Add the credential's header, which no parameter can override."""
    own = auth.headers()
    if not headers:
        return own
    names = {name.lower() for name, _ in own}
    kept = tuple((name, value) for name, value in headers if name.lower() not in names)
    for name, value in kept:
        if not value.isascii():
            raise ToolFailure(f"the header {name} holds characters that cannot be sent", reported=False)
    return (*own, *kept)


# What an API tool says of the answer.
#
# Source: docs/dify-behaviour.md, “OpenAPI tools”.

_GIVEN_UP: Final = frozenset({429, 500, 502, 503, 504})
_MAX_QUOTED: Final = 2000
"""Characters of an answer quoted by a message."""
_EMPTY: Final = "Empty response from the tool, please check your parameters and try again."


async def messages_of(answer: HttpResponse, url: str) -> AsyncIterator[ToolMessage]:
    """Yield the messages of an answer. ``url``: For error texts. Raises ``ToolFailure``: failed, or too large."""
    if answer.status in _GIVEN_UP:
        raise ToolFailure(f"Reached maximum retries (0) for URL {url} (status {answer.status})", reported=False)
    text = text_of(answer)
    if answer.status >= 400:
        raise ToolFailure(f"Request failed with status code {answer.status} and {text[:_MAX_QUOTED]}")
    if not answer.body:
        yield TextMessage(_EMPTY)
        return
    if "application/json" in answer.header("content-type").lower():
        value = await _parsed(text)
        # Lists and other values are only text.
        if isinstance(value, dict):
            yield JsonMessage(value, text)
    yield TextMessage(text)


async def _parsed(text: str) -> Json:
    try:
        return await decode_json(text, _decode)
    except TooManyElements as error:
        raise ToolFailure(f"The answer has {error}") from None
    except (ValueError, RecursionError):
        return None


def _decode(text: bytes | bytearray) -> Json:
    try:
        return decode_strictly(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # Python's parser accepts NaN, infinities and lone surrogates, too.
        return json.loads(text)


_MAX_ANY_OF: Final = 10
"""Maximum nesting of ``anyOf``."""


def converted_property(name: str, value: Json, schema: Mapping[str, Any]) -> Json:
    """Convert a value to its property's type; unchanged if impossible. Raises ``ToolFailure``: null for a number."""
    if isinstance(schema.get("anyOf"), list) and "type" not in schema:
        return _any_of(value, schema["anyOf"])
    kind = schema.get("type")
    if value is None and kind in ("integer", "number"):
        raise ToolFailure(f"the body property {name} is null, and a number is wanted", reported=False)
    try:
        match kind:
            case "integer" | "number" | "string":
                return _PLAIN[kind](value)
            case "boolean":
                return bool(value)
            case "object" | "array" if isinstance(value, str):
                parsed = json.loads(value)
                return value if is_too_deep(parsed) else parsed
    except (ValueError, TypeError, OverflowError, RecursionError):
        pass
    return value


def _number(value: Json) -> float | int:
    return float(value) if "." in str(value) else int(value)


_PLAIN: Final[Mapping[str, Callable[[Json], Json]]] = {"integer": int, "number": _number, "string": str}


def _any_of(value: Json, members: list[Any], level: int = 0) -> Json:
    """Convert a value to the first member type that fits."""
    for member in members:
        if not isinstance(member, Mapping):
            continue
        try:
            match member.get("type"):
                case "integer" | "number" | "string" as kind:
                    return _PLAIN[kind](value)
                case "boolean" if str(value).lower() in ("true", "1"):
                    return True
                case "boolean" if str(value).lower() in ("false", "0"):
                    return False
                case "null" if not value:
                    return None
                case None if isinstance(member.get("anyOf"), list) and level < _MAX_ANY_OF:
                    return _any_of(value, member["anyOf"], level + 1)
        except (ValueError, TypeError, OverflowError):
            continue
    return value


_MULTIPART: Final = "multipart/form-data"
_SLASHES: Final = re.compile(r"[/\\]")
_SEVERAL_SEGMENTS: Final = "/:@!$&'()*+,;="
_COOKIE: Final = "!#$%&'()*+/:<=>?@[]^`{|}"
"""Characters of a cookie value besides letters, digits and ``-._~``. Source: RFC 6265 §4.1.1."""


class Prepared(Struct, frozen=True):
    """A request without credentials."""

    url: str
    params: Pairs
    headers: Pairs
    body: bytes | Multipart | None


def prepare(operation: RemoteOperation, values: Mapping[str, Json], files: Mapping[str, list[FileContent]]) -> Prepared:
    """Build a request. Raises ``ToolFailure``: a value is missing, or cannot be sent.

    ``values``: Converted to their types. ``files``: Contents of file parameters.
    """
    given = _with_defaults(operation, values)
    url = operation.url
    params: list[tuple[str, str]] = []
    headers: list[tuple[str, str]] = []
    cookies: list[str] = []
    for parameter in operation.placed:
        value = given.get(parameter.name, "" if parameter.default is None else parameter.default)
        match parameter.place:
            case "path":
                filled = filled_in(url, parameter.name, _in_path(parameter, _text(value)))
                if filled is None:
                    raise ToolFailure(f"the address has more than {MAX_URL} characters", reported=False)
                url = filled
            case "query":
                params += _query(parameter.name, value)
            case "header":
                headers.append((parameter.name, _text(value)))
            case _:
                cookies.append(f"{parameter.name}={quote(_text(value), safe=_COOKIE, errors='replace')}")
    if _dots_in(url) != _dots_in(operation.url):
        raise ToolFailure("its parameters make a '.' or '..' of the path, which would lead elsewhere", reported=False)
    if cookies:
        headers.append(("Cookie", "; ".join(cookies)))
    if operation.body is None:
        return Prepared(url, tuple(params), tuple(headers), None)
    content_type, body = _encoded(operation.body, given, files)
    return Prepared(url, tuple(params), (*headers, ("Content-Type", content_type)), body)


def _in_path(parameter: PlacedParameter, text: str) -> str:
    """Return one path segment, or several if the document allows it. Dify's may traverse to any path of the server."""
    if any(segment in (".", "..") for segment in _SLASHES.split(text)):
        # Servers may decode it even if escaped.
        raise ToolFailure(
            f"the parameter {parameter.name} goes into a path: it cannot hold the segments '.' and '..'", reported=False
        )
    return quote(text, safe=_SEVERAL_SEGMENTS if parameter.allow_reserved else "", errors="replace")


def _dots_in(url: str) -> int:
    path = url.partition("#")[0].partition("?")[0]
    return sum(segment in (".", "..") for segment in path.split("/"))


def _with_defaults(operation: RemoteOperation, values: Mapping[str, Json]) -> dict[str, Json]:
    given = dict(values)
    for parameter in operation.parameters:
        if parameter.required and parameter.name not in given:
            if parameter.default is None:
                raise ToolFailure(f"Missing required parameter {parameter.name}", reported=False)
            given[parameter.name] = parameter.default
    return given


def _query(name: str, value: Json) -> list[tuple[str, str]]:
    if isinstance(value, list):
        return [(name, _plain(item)) for item in value]
    return [] if value == "" else [(name, _plain(value))]


def _plain(value: Json) -> str:
    """Return a value for a query, in JavaScript's form."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _text(value: Json) -> str:
    return value if isinstance(value, str) else str(value)


def _encoded(
    body: RequestBody, given: Mapping[str, Json], files: Mapping[str, list[FileContent]]
) -> tuple[str, bytes | Multipart]:
    values: dict[str, Json] = {}
    for name, schema in body.properties.items():
        if name in files:
            continue
        if name in given:
            values[name] = converted_property(name, given[name], schema)
        elif schema.get("default") is not None:
            values[name] = schema["default"]
    kind = body.media_type.partition(";")[0].strip().lower()
    if kind == "application/json":
        # ASCII-escaped, so that no text fails to be encoded.
        return body.media_type, json.dumps(values).encode()
    sent = [(name, content) for name in body.properties for content in files.get(name, ())]
    if kind == _MULTIPART and sent:
        return _multipart(values, sent)
    # Also for other types, and for multipart without a file: a quirk of Dify.
    return body.media_type, urlencode({name: _form(value) for name, value in values.items()}).encode()


def _form(value: Json) -> str:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else str(value)


def _multipart(values: Mapping[str, Any], files: list[tuple[str, FileContent]]) -> tuple[str, Multipart]:
    boundary = secrets.token_hex(16)
    fields = [
        (name, _plain(item) if not isinstance(item, dict) else to_text(item))
        for name, value in values.items()
        for item in (value if isinstance(value, list) else [value])
    ]
    sent = tuple(FormFile(name, file.filename, file.content, file.mime_type) for name, file in files)
    return f"{_MULTIPART}; boundary={quote(boundary)}", Multipart(boundary, tuple(fields), sent)
