"""An MCP server that is a program on this machine: messages go over its standard input and output, one a line.

Imported only with the library. Its own transport takes lines of any length, and leaves the program the environment of
the server; this one does neither.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import PurePath
from typing import Any, Final

import anyio
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter

from jikko.tools.mcp.mcp_requests import without_half_pairs

_MAX_LINE_BYTES: Final = 16 << 20
"""Bytes of one message."""
_MAX_RECEIVED_BYTES: Final = 64 << 20
"""Bytes of all messages of one call."""
_EXIT_SECONDS: Final = 2.0
"""That a program has to end when its input does, and then again upon SIGTERM."""
_PASSED_VARIABLES: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ")
"""What a program sees of the environment of the server."""


class StdioServerFailed(Exception):
    """The program cannot be started, or says too much."""


@asynccontextmanager
async def stdio_streams(command: Sequence[str], env: Mapping[str, str]) -> AsyncIterator[tuple[Any, Any]]:
    """Start a program; the block ends it with all that it started. Raises ``ProgramFailed``: it does not start.

    Yields the streams that a ``ClientSession`` reads and writes.
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
        # Not the path: this may become the error of a run, whose client is not to see those of this machine.
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
        # Shielded: a call that is cancelled leaves no program behind either.
        await asyncio.shield(asyncio.create_task(_end(process)))


async def _read(lines: asyncio.StreamReader, to_session: Any, broken: list[str]) -> None:
    """Read until the program ends. Of one that says too much no more is read, and ``broken`` gets why."""
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
                    continue  # what a program prints besides
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
        # What it started and left behind; or itself, if the server ends meanwhile.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        # Private: nothing public closes a pipe out of which more would come. A warning in tests tells if it is gone.
        process._transport.close()  # type: ignore[attr-defined]
