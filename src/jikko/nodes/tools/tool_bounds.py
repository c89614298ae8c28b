"""How much a tool may say in one call.

Source: JIKKO_TOOL_MAX_TEXT and JIKKO_TOOL_MAX_FILES; Dify has no such limits.
"""

from typing import Final

from jikko.ports.node_ports import ValueLimits
from jikko.ports.tools import (
    BlobMessage,
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
        self._messages = self._size = self._bytes = 0

    def take(self, message: ToolMessage) -> None:
        """Count one message.

        Raises:
            ToolFailure: With it the tool says more than it may, or something that is nested too deeply.
        """
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
                self._bytes += len(content)
                if self._bytes > self._limits.max_tool_files:
                    raise ToolFailure(
                        f"its files have more than {self._limits.max_tool_files} bytes (the limit is set by "
                        "JIKKO_TOOL_MAX_FILES)"
                    )
            case _:
                pass

    def spend(self, characters: int) -> None:
        """Count characters. Raises as ``take`` does."""
        self._size += characters
        if self._size > self._limits.max_tool_text:
            raise ToolFailure(
                f"it said more than {self._limits.max_tool_text} characters (the limit is set by JIKKO_TOOL_MAX_TEXT)"
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
