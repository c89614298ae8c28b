"""Node types guessed from an unread file: imported off the event loop."""

import pytest

from jikko.nodes.registry import types_in


@pytest.mark.parametrize(
    "text",
    [
        "type: llm\ntype: code",
        "{data: {type: llm}}, {data: {type: 'code'}}",
        '{"type":"llm"} {"type" : "code"}',
        '"type":\tllm\r\n\'type\': "code"\n' * 1000,
    ],
)
def test_types_are_seen_in_each_usual_notation(text: str) -> None:
    assert types_in(text.encode()) == {"llm", "code"}


@pytest.mark.parametrize("text", ['"ty\\u0070e": "llm"', "? type\n: llm", "type: &a\n  llm", "type: no-such-type", ""])
def test_others_are_imported_when_they_are_compiled(text: str) -> None:
    assert types_in(text.encode()) == set()
