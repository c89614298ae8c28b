"""Messages of a tool, folded into the outputs of its node. Source: docs/dify-behaviour.md, “Tool outputs”."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit
from uuid import uuid4

from jikko.nodes.contract import Context
from jikko.nodes.files.file_content import fetched
from jikko.ports.files.file_types import extension_for, mime_type_of, stated_type
from jikko.ports.http import HttpFailure
from jikko.ports.node_ports import ValueLimits
from jikko.ports.stores.blob_store import FileTooLarge
from jikko.ports.tools import (
    BlobMessage,
    FileMessage,
    ImageMessage,
    JsonMessage,
    LinkMessage,
    LogMessage,
    TextMessage,
    Tool,
    ToolCall,
    ToolFailure,
    ToolMessage,
    VariableMessage,
)
from jikko.values import MAX_DEPTH, Json, encode_json, is_too_deep, type_of

MAX_MESSAGES: Final = 100_000
"""What a tool may say in one call, in messages."""
_TOO_DEEP: Final = "it said something that is nested too deeply"


def tool_call(ctx: Context, tool: Tool, parameters: Mapping[str, Json]) -> ToolCall:
    run = ctx.run
    return ToolCall(
        tool=tool,
        parameters=parameters,
        app_id=run.app_id,
        run_id=run.run_id,
        end_user_id=run.end_user_id,
        user=run.user,
        key=ctx.idempotency_key,
        depth=ctx.depth,
    )


class ToolBounds:
    """Adds up what one call of a tool node, or of an agent, says."""

    def __init__(self, limits: ValueLimits) -> None:
        self._limits = limits
        self._messages = self._size = self._bytes = self._files = 0

    def take(self, message: ToolMessage) -> None:
        """Count one message. Raises ``ToolFailure`` if it is nested too deeply, or the tool now says too much."""
        self._messages += 1
        if self._messages > MAX_MESSAGES:
            raise ToolFailure(f"it said more than {MAX_MESSAGES} things in one call")
        match message:
            case TextMessage(text):
                self.spend(len(text))
            case LinkMessage(url):
                self.spend(len(url))
            case JsonMessage(value, None):
                self._spend_value(value)
            case JsonMessage(value, str(text)):
                self._spend_json(value, text)
            case VariableMessage(_, value, stream):
                if stream and isinstance(value, str):
                    self.spend(len(value))
                else:
                    self._spend_value(value)
            case BlobMessage(content):
                self._count_file()
                self.spend_bytes(len(content))
            case ImageMessage() | FileMessage():
                self._count_file()

    def spend(self, characters: int) -> None:
        """Count characters. Raises as ``take`` does."""
        self._size += characters
        if self._size > self._limits.max_tool_text:
            raise ToolFailure(
                f"it said more than {self._limits.max_tool_text} characters (the limit is set by JIKKO_TOOL_MAX_TEXT)"
            )

    def spend_bytes(self, count: int) -> None:
        """Count the bytes of a file. Raises as ``take`` does."""
        self._bytes += count
        if self._bytes > self._limits.max_tool_files:
            raise ToolFailure(
                f"its files have more than {self._limits.max_tool_files} bytes (the limit is set by "
                "JIKKO_TOOL_MAX_FILES)"
            )

    @asynccontextmanager
    async def time_for_files(self, since: float) -> AsyncIterator[None]:
        """Time to fetch and store files. ``since``: The call's begin, by the loop's clock. Raises ``ToolFailure``."""
        try:
            async with asyncio.timeout_at(since + self._limits.tool_seconds) as deadline:
                yield
        except TimeoutError:
            if not deadline.expired():
                raise
            raise ToolFailure(
                f"its {self._files} files were not stored within {self._limits.tool_seconds:g} s of its call (the "
                "limit is set by JIKKO_TOOL_SECONDS)"
            ) from None

    def _count_file(self) -> None:
        self._files += 1
        if self._files > self._limits.max_tool_file_count:
            raise ToolFailure(
                f"it made more than {self._limits.max_tool_file_count} files (the limit is set by "
                "JIKKO_TOOL_FILE_COUNT)"
            )

    def _spend_value(self, value: Json) -> None:
        try:
            text = encode_json(value).decode()
        except RecursionError:
            raise ToolFailure(_TOO_DEEP) from None
        self._spend_json(value, text)

    def _spend_json(self, value: Json, text: str) -> None:
        # To look is only worth it where there are enough brackets.
        if text.count("[") + text.count("{") > MAX_DEPTH and is_too_deep(value):
            raise ToolFailure(_TOO_DEEP)
        self.spend(len(text))


class ToolOutputs:
    """Collects the messages of one call. Texts are shown as they come."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._bounds = ToolBounds(ctx.ports.limits)
        self._texts: list[str] = []
        self._json: list[Json] = []
        self._files: list[BlobMessage | ImageMessage | FileMessage] = []
        self._variables: dict[str, Json] = {}
        self._streamed: dict[str, list[str]] = {}
        self._unshown: list[tuple[str, str]] = []
        self._showing: asyncio.Handle | None = None

    def take(self, message: ToolMessage) -> None:
        """Take one message. Raises ``ToolFailure``: the tool says more than it may."""
        self._bounds.take(message)
        match message:
            case TextMessage(text):
                self._say(text)
            case LinkMessage(url):
                self._say(f"Link: {url}\n")
            case JsonMessage(value):
                # An object or a list that is empty says nothing.
                if value or not isinstance(value, (dict, list)):
                    self._json.append(value)
            case VariableMessage(name, value, stream):
                self._variable(name, value, stream=stream)
            case BlobMessage() | ImageMessage() | FileMessage():
                self._files.append(message)
            case LogMessage():
                pass

    async def outputs(self, since: float) -> dict[str, Json]:
        """The outputs, with files stored now. ``since``: When the call began, by the event loop's clock.

        Raises ``ToolFailure``: a file is too large, or the files take too long.
        """
        async with self._bounds.time_for_files(since):
            files = [file for message in self._files if (file := await self._stored(message)) is not None]
        self.close()
        for name, text in (*self._unshown, ("text", "")):
            self._ctx.say(name, text, soon=True)
        for name, pieces in self._streamed.items():
            self._variables[name] = "".join(pieces)
        return {"text": "".join(self._texts), "files": files, "json": self._json or [{"data": []}], **self._variables}

    def close(self) -> None:
        """Show nothing more by itself."""
        if self._showing is not None:
            self._showing.cancel()

    def flush(self) -> None:
        if self._showing is not None:
            self._showing.cancel()
            self._show_all()

    def _show(self, name: str, text: str) -> None:
        """Show a piece of text in this turn of the loop: with what else is said in it, or with the end of the node."""
        self._unshown.append((name, text))
        if self._showing is None:
            self._showing = asyncio.get_running_loop().call_soon(self._show_all)

    def _show_all(self) -> None:
        self._showing = None
        *pieces, last = self._unshown
        self._unshown.clear()
        for piece in pieces:
            self._ctx.say(*piece, soon=True)
        self._ctx.say(*last)

    def _say(self, text: str) -> None:
        self._texts.append(text)
        self._show("text", text)

    def _variable(self, name: str, value: Json, *, stream: bool) -> None:
        if stream and isinstance(value, str):
            self._streamed.setdefault(name, []).append(value)
            self._show(name, value)
            return
        self._variables[name] = value
        if type_of(value) in ("file", "array[file]"):
            # As recorded: what is shown of it is the object, not a link to the file.
            self._show(name, _as_object(value))

    async def _stored(self, message: BlobMessage | ImageMessage | FileMessage) -> Json | None:
        match message:
            case FileMessage(file):
                return dict(file)
            case BlobMessage():
                return await stored_blob(self._ctx, message)
            case ImageMessage(url):
                return await self._fetched(url)

    async def _fetched(self, url: str) -> Json | None:
        limit = self._ctx.ports.limits.max_http_file
        try:
            answer = await fetched(self._ctx.ports.http, url, app_id=self._ctx.run.app_id, max_bytes=limit)
        except HttpFailure as failure:
            self._say(f"Failed to download image: {failure}")
            return None
        mime_type = stated_type(answer.header("content-type")) or mime_type_of(urlsplit(url).path)
        self._bounds.spend_bytes(len(answer.body))
        return await stored_blob(self._ctx, BlobMessage(answer.body, mime_type or "image/png"))


async def stored_blob(ctx: Context, message: BlobMessage) -> dict[str, Json]:
    """Store a file of a tool. Raises ``ToolFailure``: it is too large."""
    try:
        return await ctx.ports.files.make(
            message.content,
            app_id=ctx.run.app_id,
            end_user_id=ctx.run.end_user_id,
            name=message.filename or f"{uuid4().hex}{extension_for(message.mime_type)}",
            mime_type=message.mime_type,
        )
    except FileTooLarge as error:
        raise ToolFailure(f"a file of it is too large: {error}") from None


def _as_object(value: Json) -> str:
    """A file, or a list of some, as text that shows every field."""
    if isinstance(value, list):
        return "\n".join(f"- {item}" for item in value)
    return json.dumps(value, ensure_ascii=False, indent=2)
