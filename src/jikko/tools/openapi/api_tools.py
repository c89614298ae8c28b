"""Tools of OpenAPI documents."""

import json
from collections.abc import AsyncIterator
from typing import Final

import msgspec
from msgspec.structs import replace

from jikko.concurrency.json_in_pieces import TooManyElements, decode_json, decode_strictly
from jikko.diagnostics.diagnostic import Phrase
from jikko.events import Usage
from jikko.masking import masked
from jikko.nodes.http.http_response import text_of
from jikko.ports.files.file_store import FileStore
from jikko.ports.http import HttpClient, HttpFailure, HttpResponse, OutgoingRequest, Pairs, Timeouts
from jikko.ports.tools import Emit, JsonMessage, TextMessage, Tool, ToolCall, ToolFailure, ToolMessage, ToolName
from jikko.tools.directory import EntryTools, ToolsDirectory, no_such_tool
from jikko.tools.given_files import FileContent, GivenFiles
from jikko.tools.openapi.openapi_document import RemoteOperation
from jikko.tools.openapi.request import prepare
from jikko.tools.tools_config import ApiProvider, Auth
from jikko.values import Json

_CONNECT = 10.0
_SILENCE = 60.0
_MAX_KNOWN = 1_000
"""Tools that are kept for the next call."""


class ApiTools(EntryTools):
    """``Tools`` of provider type ``api``. Implements ``ToolListing``."""

    entries = ApiProvider
    provider_type = "api"

    def __init__(
        self, directory: ToolsDirectory, http: HttpClient, files: FileStore, *, max_bytes: int, seconds: float
    ) -> None:
        """``max_bytes``: The largest answer, decompressed. ``seconds``: What one call may take."""
        super().__init__(directory)
        self._http = http
        self._max_bytes = max_bytes
        self._known: dict[ToolName, tuple[ApiProvider, Tool]] = {}
        """Tools that were asked for, each with its provider: another one is there once the file was read again."""
        self._timeouts = Timeouts(connect=_CONNECT, read=_SILENCE, write=_SILENCE, total=seconds)
        self._files = GivenFiles(files, http, self._timeouts)

    def known(self, name: ToolName, *, app_id: str = "") -> Tool | None:
        if not self._directory.is_current():
            return None
        provider = self._directory.provider(name, ApiProvider)
        # Whether the app may use it takes a look at who it is.
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
    """The headers with that of the key, which no parameter can replace."""
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
"""Characters of an answer that a message quotes."""
_EMPTY: Final = "Empty response from the tool, please check your parameters and try again."


async def messages_of(answer: HttpResponse, url: str) -> AsyncIterator[ToolMessage]:
    """The messages. ``url``: For them. Raises ``ToolFailure``: a status of failure, or too many elements."""
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
        # A list, or anything else, is only text.
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
        # Python's own takes NaN, infinities and lone surrogates, too.
        return json.loads(text)
