"""Tools of MCP servers, and their results. Source: docs/dify-behaviour.md, “MCP tools”."""

import asyncio
import base64
import binascii
import importlib
import importlib.util
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

from msgspec.structs import replace

from jikko.concurrency.fair_semaphore import FairSemaphore
from jikko.concurrency.json_in_pieces import TooManyElements, decode_json
from jikko.diagnostics.diagnostic import Diagnostic, Phrase
from jikko.dsl.fields import Fields
from jikko.events import Usage
from jikko.masking import masked
from jikko.ports.files.file_types import best_type
from jikko.ports.http import HttpClient
from jikko.ports.tools import (
    BlobMessage,
    Emit,
    JsonMessage,
    TextMessage,
    Tool,
    ToolCall,
    ToolFailure,
    ToolMessage,
    ToolName,
    ToolNotFound,
    VariableMessage,
)
from jikko.tools.directory import EntryTools, ToolsDirectory, no_such_tool, reported_usage
from jikko.tools.mcp.mcp_requests import TokenCache
from jikko.tools.mcp.schema import McpTool, read_tools
from jikko.tools.tools_file import Auth, McpProvider
from jikko.values import Json

_ASK_AGAIN: Final = 60.0
"""Seconds after which a server's tools are listed again, if one is missing."""


class McpTools(EntryTools):
    """``Tools`` of provider type ``mcp``. Each call has its own connection. Implements ``ToolListing``."""

    entries = McpProvider
    provider_type = "mcp"

    def __init__(
        self, directory: ToolsDirectory, http: HttpClient, *, max_bytes: int, seconds: float, streams: int = 64
    ) -> None:
        """``max_bytes``: Maximum answer, decompressed. ``seconds``: Timeout of a call. ``streams``: Concurrent calls by
        the legacy transport, each of which needs two connections."""
        super().__init__(directory)
        self._http = http
        self._tokens = TokenCache(http, time.monotonic)
        self._streams = FairSemaphore(streams)
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._asked: dict[str, tuple[McpProvider, Auth, float, Mapping[str, McpTool]]] = {}
        """Listed tools, by provider and credentials."""
        self._asking: dict[str, asyncio.Lock] = {}
        self._library: Any = None

    def known(self, name: ToolName, *, app_id: str = "") -> Tool | None:
        if not self._directory.is_current():
            return None
        provider = self._directory.provider(name, McpProvider)
        _require_library()
        if provider.apps or provider.known_tools is None:
            return None
        return _tool(name, provider.known_tools)

    async def find(self, name: ToolName, *, app_id: str = "") -> Tool:
        await self._directory.refresh()
        provider = self._directory.provider(name, McpProvider)
        _require_library()
        auth = await self._directory.credentials(provider, app_id)
        try:
            return _tool(name, await self.tools_of(provider, auth, wanted=name.tool, app_id=app_id))
        except ToolFailure as failure:
            raise _silent(provider, failure) from None

    async def call(self, call: ToolCall, emit: Emit) -> Usage | None:
        name = call.tool.name
        provider = self._directory.provider(name, McpProvider)
        auth = await self._directory.credentials(provider, call.app_id)
        library = await self._connection()
        given = call.parameters.items()
        arguments = {name: value for name, value in given if value is not None and str(value).strip()}
        async with self._session(library, provider, auth, call.app_id, self._max_bytes) as session:
            result = await library.call(session, name.tool, arguments)
        answer = result.model_dump(by_alias=True, mode="json", exclude_none=True)
        has_schema = await self._has_output_schema(provider, auth, name, call.app_id)
        async for message in messages_of(answer, has_output_schema=has_schema):
            emit(message)
        return usage_of(answer)

    async def offered(self, provider: ToolName) -> list[Tool]:
        await self._directory.refresh()
        found = self._directory.provider(provider, McpProvider)
        _require_library()
        try:
            tools = await self.tools_of(found, await self._directory.credentials(found, ""))
        except ToolFailure as failure:
            raise _silent(found, failure) from None
        return [_tool(replace(provider, tool=name), tools) for name in tools]

    async def tools_of(
        self, provider: McpProvider, auth: Auth, *, wanted: str = "", app_id: str = ""
    ) -> Mapping[str, McpTool]:
        """Return a server's tools: from the file, else listed once, and again if ``wanted`` is missing.

        Raises ``ToolFailure`` if it does not list them.
        """
        if provider.known_tools is not None:
            return provider.known_tools
        key = f"{provider.id} {hash(auth)}"
        async with self._asking.setdefault(key, asyncio.Lock()):
            known = self._asked.get(key)
            if known is not None and known[:2] == (provider, auth):
                is_old = time.monotonic() - known[2] > _ASK_AGAIN
                if wanted in known[3] or not is_old:
                    return known[3]
            library = await self._connection()
            async with self._session(library, provider, auth, app_id, library.LIST_BYTES) as session:
                listed = await library.tools_of(session)
            problems: list[Diagnostic] = []
            tools = read_tools(Fields("tools", tool, problems) for tool in listed)
            self._asked[key] = provider, auth, time.monotonic(), tools
            return tools

    @asynccontextmanager
    async def _session(
        self, library: Any, provider: McpProvider, auth: Auth, app_id: str, max_bytes: int
    ) -> AsyncIterator[Any]:
        try:
            async with AsyncExitStack() as stack:
                if provider.transport == "sse":
                    await stack.enter_async_context(self._streams.place(app_id))
                connecting = library.connected(
                    provider, auth, self._http, self._tokens, app_id=app_id, max_bytes=max_bytes, seconds=self._seconds
                )
                yield await stack.enter_async_context(connecting)
        except ToolFailure as failure:
            raise ToolFailure(masked(str(failure), (*auth.secrets, *self._tokens.texts))) from None

    async def _has_output_schema(self, provider: McpProvider, auth: Auth, name: ToolName, app_id: str) -> bool:
        tools = await self.tools_of(provider, auth, wanted=name.tool, app_id=app_id)
        tool = tools.get(name.tool)
        return tool is not None and tool.has_output_schema

    async def _connection(self) -> Any:
        """Import the module with the library in a thread: it takes half a second, in which other runs continue."""
        if self._library is None:
            self._library = await asyncio.to_thread(importlib.import_module, "jikko.tools.mcp.mcp_connection")
        return self._library


def _require_library() -> None:
    if importlib.util.find_spec("mcp") is None:
        raise ToolNotFound(Phrase("tool.mcp_library"), Phrase("remedy.install_extra", {"extra": "mcp"}))


def _silent(provider: McpProvider, failure: ToolFailure) -> ToolNotFound:
    return ToolNotFound(Phrase("tool.silent", {"provider": provider.name, "reason": str(failure)}))


def _tool(name: ToolName, tools: Mapping[str, McpTool]) -> Tool:
    found = tools.get(name.tool)
    if found is None:
        what = Phrase("tool.no_mcp_tool", {"name": name.tool})
        raise no_such_tool(what, name.provider_name or name.provider, tools)
    return Tool(name=name, parameters=found.parameters, description=found.description)


_BRACKETS: Final = (("{", "}"), ("[", "]"))
_COUNTS: Final = ("total_tokens", "prompt_tokens", "completion_tokens")


async def messages_of(result: Mapping[str, Any], *, has_output_schema: bool) -> AsyncIterator[ToolMessage]:
    """Yield the messages of a JSON result. Its error flag is ignored: a quirk of Dify.

    ``has_output_schema``: Whether the tool declares its structured content.
    """
    for content in result.get("content") or ():
        async for message in _of_content(content):
            yield message
    structured = result.get("structuredContent")
    if has_output_schema and isinstance(structured, Mapping):
        for name, value in structured.items():
            yield VariableMessage(str(name), value)


def usage_of(result: Mapping[str, Any]) -> Usage | None:
    """Return the usage of models behind the tool, if the result reports it."""
    meta = result.get("_meta")
    usage = meta.get("usage", meta) if isinstance(meta, Mapping) else None
    if not isinstance(usage, Mapping) or not any(isinstance(usage.get(name), int) for name in _COUNTS):
        return None
    return reported_usage(usage)


async def _of_content(content: Mapping[str, Any]) -> AsyncIterator[ToolMessage]:
    match content.get("type"):
        case "text":
            async for message in _of_text(str(content.get("text") or "")):
                yield message
        case "image" | "audio":
            yield _file(content.get("data"), content.get("mimeType"))
        case "resource":
            resource = content.get("resource") or {}
            if isinstance(resource.get("text"), str):
                yield TextMessage(resource["text"])
            elif resource.get("blob") is not None:
                yield _file(resource["blob"], resource.get("mimeType"), str(resource.get("uri") or ""))


async def _of_text(text: str) -> AsyncIterator[ToolMessage]:
    """Yield a text, as JSON if it is JSON."""
    value = await _parsed(text)
    match value:
        case dict():
            yield JsonMessage(value)
        case list() if all(isinstance(item, dict) for item in value):
            for item in value:
                yield JsonMessage(item)
        case list():
            yield TextMessage(str(value))
        case _:
            yield TextMessage(text)


async def _parsed(text: str) -> Json:
    stripped = text.strip()
    if not any(stripped.startswith(left) and stripped.endswith(right) for left, right in _BRACKETS):
        return None
    try:
        return await decode_json(stripped, json.loads)
    except TooManyElements as error:
        raise ToolFailure(f"a text of the server's answer has {error}") from None
    except (ValueError, RecursionError):
        return None


def _file(data: Json, mime_type: Json, uri: str = "") -> BlobMessage:
    try:
        content = base64.b64decode(data if isinstance(data, str) else "", validate=True)
    except (binascii.Error, ValueError):
        raise ToolFailure("the server sent a file that is not encoded as it should be") from None
    return BlobMessage(content, best_type(mime_type if isinstance(mime_type, str) else "", uri))
