"""What an API tool says of the answer.

Source: Dify 1.15, spec/tools.md §2.
"""

import json
from collections.abc import AsyncIterator
from typing import Final

import msgspec

from jikko.concurrency.json_in_pieces import TooManyElements, decode_json, decode_strictly
from jikko.nodes.http.http_response import text_of
from jikko.ports.http import HttpResponse
from jikko.ports.tools import JsonMessage, TextMessage, ToolFailure, ToolMessage
from jikko.values import Json

_GIVEN_UP: Final = frozenset({429, 500, 502, 503, 504})
_MAX_QUOTED: Final = 2000
"""Characters of an answer that a message quotes."""
_EMPTY: Final = "Empty response from the tool, please check your parameters and try again."


async def messages_of(answer: HttpResponse, url: str) -> AsyncIterator[ToolMessage]:
    """The messages of the tool.

    Args:
        url: What was asked, for messages.

    Raises:
        ToolFailure: The status says that the request failed, or the answer has too many elements.
    """
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
