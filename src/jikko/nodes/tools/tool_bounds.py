"""Limits of the answer of a tool, by JIKKO_TOOL_MAX_TEXT, _MAX_FILES and _FILE_COUNT. Dify has no such limits."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from jikko.ports.node_ports import ValueLimits
from jikko.ports.tools import (
    BlobMessage,
    FileMessage,
    ImageMessage,
    JsonMessage,
    LinkMessage,
    TextMessage,
    ToolFailure,
    ToolMessage,
    VariableMessage,
)
from jikko.values import MAX_DEPTH, Json, encode_json, is_too_deep

MAX_MESSAGES: Final = 100_000
"""What a tool may say in one call, in messages."""
_TOO_DEEP: Final = "it said something that is nested too deeply"


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
