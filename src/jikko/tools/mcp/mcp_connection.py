"""MCP client connection, by the official library.

Imported only when a server's tool is used: the library takes half a second and 50 MB.

Parts of answers that would make the library reject the whole answer are removed: a newer or careless server may send an
unknown kind of content, or one invalid tool among many. Dify ignores such parts. Source: docs/dify-behaviour.md, “MCP
tools”.

Local programs are connected by standard input and output, one message a line. Unlike the library's own transport, this
one bounds lines, and withholds the server's environment.
"""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import PurePath
from typing import Any, Final

import anyio
import httpx2
from mcp.client.session import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp.shared.message import SessionMessage
from mcp_types import (
    CallToolRequest,
    CallToolRequestParams,
    CallToolResult,
    Implementation,
    ListToolsResult,
    PaginatedRequestParams,
    jsonrpc_message_adapter,
)
from mcp_types.methods import parse_server_result
from mcp_types.version import LATEST_HANDSHAKE_VERSION
from pydantic import ValidationError

from jikko.ports.http import HttpClient, Timeouts
from jikko.ports.tools import ToolFailure
from jikko.tools.mcp.mcp_requests import McpRequests, TokenCache, without_half_pairs
from jikko.tools.mcp.transports import PolicyTransport, sse_streams
from jikko.tools.tools_file import Auth, McpProvider

# It logs the content of unreadable messages.
logging.getLogger("mcp").setLevel(logging.CRITICAL + 1)
logging.getLogger("client").setLevel(logging.CRITICAL + 1)

_MAX_PAGES: Final = 50
_MAX_QUOTED: Final = 2000
"""Characters of a server's message quoted by an error."""
_UNREADABLE: Final = "Failed to parse JSON response"
"""Start of the library's error for an unreadable answer; many lines follow."""
MAX_TOOLS: Final = 2000
"""Maximum number of tools of a server."""
_CLOSED: Final = (anyio.ClosedResourceError, anyio.BrokenResourceError)
"""Raised by an answer that arrives while its session is closing."""
LIST_BYTES: Final = 2 << 20
"""Maximum size of one page of the tool list."""


@asynccontextmanager
async def connected(
    provider: McpProvider,
    auth: Auth,
    http: HttpClient,
    tokens: TokenCache,
    *,
    app_id: str,
    max_bytes: int,
    seconds: float,
) -> AsyncIterator[ClientSession]:
    """Open a session. It and the block raise ``ToolFailure`` if there is no usable answer."""
    try:
        async with AsyncExitStack() as stack:
            if provider.command:
                streams = await stack.enter_async_context(stdio_streams(provider.command, provider.env))
            else:
                timeouts = Timeouts(
                    connect=provider.timeout, write=provider.timeout, read=provider.sse_read_timeout, total=seconds
                )
                requests = McpRequests(
                    http=http,
                    auth=auth,
                    tokens=tokens,
                    url=provider.url,
                    timeouts=timeouts,
                    max_bytes=max_bytes,
                    app_id=app_id,
                )
                if provider.transport == "sse":
                    streams = await stack.enter_async_context(sse_streams(requests))
                else:
                    transport = PolicyTransport(requests)
                    client = httpx2.AsyncClient(transport=transport, timeout=None, trust_env=False)
                    await stack.enter_async_context(client)
                    streams = await stack.enter_async_context(streamable_http_client(provider.url, http_client=client))
            mended = await stack.enter_async_context(readable(*streams[:2]))
            session = await stack.enter_async_context(
                ClientSession(
                    *mended,
                    read_timeout_seconds=provider.sse_read_timeout + provider.timeout,
                    client_info=Implementation(name="jikko", version="1"),
                )
            )
            await session.initialize()
            yield session
    except* (ToolFailure, MCPError, StdioServerFailed, RuntimeError, ValueError, httpx2.HTTPError, *_CLOSED) as group:
        # One clause: with several, concurrent errors would be raised as a group.
        failures = group.subgroup(ToolFailure)
        if failures is not None:
            raise _first(failures) from None
        raise ToolFailure(f"Failed to connect to MCP server: {_shown(_first(group))}") from None


async def call(session: ClientSession, tool: str, arguments: dict[str, Any]) -> CallToolResult:
    """Call a tool. Structured content is not validated against the tool's declaration."""
    return await session.send_request(
        CallToolRequest(params=CallToolRequestParams(name=tool, arguments=arguments)), CallToolResult
    )


async def tools_of(session: ClientSession) -> list[dict[str, Any]]:
    """List tools: ``{name, description, inputSchema, outputSchema}``. Raises ``ToolFailure`` if there are too many."""
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    for _ in range(_MAX_PAGES):
        params = None if cursor is None else PaginatedRequestParams(cursor=cursor)
        page: ListToolsResult = await session.list_tools(params=params)
        found += (tool.model_dump(by_alias=True, mode="json", exclude_none=True) for tool in page.tools)
        if len(found) > MAX_TOOLS:
            break
        cursor = page.next_cursor
        if not cursor:
            return found
    raise ToolFailure(f"the server has more than {MAX_TOOLS} tools; name the needed ones under known_tools:")


def _shown(error: BaseException) -> str:
    """Return an error's text, truncated: a server may say anything, and the library quotes what it cannot read."""
    while not isinstance(error, ValidationError) and isinstance(error.__cause__, ValidationError):
        error = error.__cause__
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        return f"its answer does not follow the protocol: {place[:200]}: {first['msg'][:200]}"
    text = str(error)
    if text.startswith(_UNREADABLE):
        return "its answer is not a message of the protocol"
    return text[:_MAX_QUOTED]


def _first(group: BaseExceptionGroup[Any]) -> Any:
    """Return the first of concurrent errors, ignoring those that follow from another."""
    error: Any = group.split(_CLOSED)[1] or group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


_MAX_PARTS: Final = 2000
"""Maximum number of parts of an answer to repair; beyond it each must be valid."""
_LISTS: Final = {"content": "tools/call", "tools": "tools/list"}
"""Lists of parts, with the methods of their answers."""


@asynccontextmanager
async def readable(read_stream: Any, write_stream: Any) -> AsyncIterator[tuple[Any, Any]]:
    """Wrap the streams of a ``ClientSession``, removing such parts from answers."""
    to_session, mended = anyio.create_memory_object_stream[Any](0)
    task = asyncio.create_task(_mend_all(read_stream, to_session))
    try:
        yield mended, write_stream
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        to_session.close()
        mended.close()


async def _mend_all(read_stream: Any, to_session: Any) -> None:
    async with to_session:
        async for message in read_stream:
            if isinstance(message, SessionMessage):
                _mend(getattr(message.message, "result", None))
            await to_session.send(message)


def _mend(result: Any) -> None:
    if not isinstance(result, dict):
        return
    for name, method in _LISTS.items():
        parts = result.get(name)
        if isinstance(parts, list) and len(parts) <= _MAX_PARTS:
            result[name] = [part for part in map(_with_objects, parts) if _is_read(method, {name: [part]})]


def _with_objects(part: Any) -> Any:
    """Return a tool whose schemas are of objects, with only those parameters that are described by mappings; anything
    else unchanged. Some servers leave out the type."""
    if not isinstance(part, dict):
        return part
    schemas = {name: part[name] for name in ("inputSchema", "outputSchema") if isinstance(part.get(name), dict)}
    for name, schema in schemas.items():
        schemas[name] = {**schema, "type": "object"}
        if schema.get("properties") is not None:
            properties = schema["properties"]
            listed = properties if isinstance(properties, dict) else {}
            described = {key: each if isinstance(each, dict) else {} for key, each in listed.items()}
            schemas[name]["properties"] = described
    return {**part, **schemas}


def _is_read(method: str, result: dict[str, Any]) -> bool:
    try:
        parse_server_result(method, LATEST_HANDSHAKE_VERSION, result)
    except (ValidationError, RecursionError):
        return False
    return True


_MAX_LINE_BYTES: Final = 16 << 20
"""Maximum size of one message."""
_MAX_RECEIVED_BYTES: Final = 64 << 20
"""Maximum size of all messages of one call."""
_EXIT_SECONDS: Final = 2.0
"""Seconds for a program to exit after its input ends, and again after SIGTERM."""
_PASSED_VARIABLES: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ")
"""Environment variables passed to a program."""


class StdioServerFailed(Exception):
    """The program cannot be started, or sends too much."""


@asynccontextmanager
async def stdio_streams(command: Sequence[str], env: Mapping[str, str]) -> AsyncIterator[tuple[Any, Any]]:
    """Start a program for the block, then end it with its descendants. Raises ``ProgramFailed`` if it does not start.

    Yields the streams for a ``ClientSession``.
    """
    environment = {name: os.environ[name] for name in _PASSED_VARIABLES if name in os.environ} | dict(env)
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=environment,
            limit=_MAX_LINE_BYTES,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        # Without the path: this may become a run's error, and clients must not see local paths.
        raise StdioServerFailed(f"{PurePath(command[0]).name} cannot be started: {why}") from None
    assert process.stdin is not None
    assert process.stdout is not None
    to_session, read_stream = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    write_stream, from_session = anyio.create_memory_object_stream[SessionMessage](0)
    broken: list[str] = []
    reading = asyncio.create_task(_read(process.stdout, to_session, broken))
    writing = asyncio.create_task(_write(process.stdin, from_session))
    try:
        yield read_stream, write_stream
    except Exception:
        if broken:
            raise StdioServerFailed(broken[0]) from None
        raise
    finally:
        for task in (reading, writing):
            task.cancel()
        await asyncio.gather(reading, writing, return_exceptions=True)
        for stream in (to_session, read_stream, write_stream, from_session):
            stream.close()
        # Shielded: a cancelled call must not leave a program behind.
        await asyncio.shield(asyncio.create_task(_end(process)))


async def _read(lines: asyncio.StreamReader, to_session: Any, broken: list[str]) -> None:
    """Read until the program ends. If it sends too much, stop, and add the reason to ``broken``."""
    received = 0
    with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
        async with to_session:
            while True:
                try:
                    line = await lines.readline()
                except ValueError:
                    broken.append(f"it said more than {_MAX_LINE_BYTES >> 20} MiB in one message")
                    return
                received += len(line)
                if received > _MAX_RECEIVED_BYTES:
                    broken.append(f"it said more than {_MAX_RECEIVED_BYTES >> 20} MiB in one call")
                    return
                if not line:
                    return
                try:
                    message = jsonrpc_message_adapter.validate_json(without_half_pairs(line), by_name=False)
                except ValueError:
                    continue  # other output of the program
                await to_session.send(SessionMessage(message))


async def _write(program: asyncio.StreamWriter, from_session: Any) -> None:
    with contextlib.suppress(OSError, anyio.ClosedResourceError):
        async for session_message in from_session:
            text = session_message.message.model_dump_json(by_alias=True, exclude_unset=True)
            program.write(text.encode("utf-8", "replace") + b"\n")
            await program.drain()


async def _end(process: asyncio.subprocess.Process) -> None:
    assert process.stdin is not None
    with contextlib.suppress(OSError):
        process.stdin.close()
    try:
        for number in (None, signal.SIGTERM, signal.SIGKILL):
            if number is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_EXIT_SECONDS):
                    await process.wait()
                    break
    finally:
        # Left-over descendants; or the program itself, if the server is ending.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        # Private: there is no public way to close a pipe with pending data. Tests fail with a warning if it is gone.
        process._transport.close()  # type: ignore[attr-defined]
