"""Round trip of tool and model messages in plugins' format."""

import pytest

from jikko.plugins.host.prompt import message_of, messages_json, request_of, to_plugin
from jikko.plugins.process.call import InvocationMessage
from jikko.ports.models import FunctionCall, Media, PromptMessage
from jikko.ports.tools import (
    BlobMessage,
    ImageMessage,
    JsonMessage,
    LinkMessage,
    LogMessage,
    TextMessage,
    ToolMessage,
    VariableMessage,
)


@pytest.mark.parametrize(
    "message",
    [
        TextMessage("晴れ 🌤\ue000"),
        LinkMessage("https://example.org/a"),
        ImageMessage("https://example.org/a.png"),
        JsonMessage({"温度": [1, None, 2.5]}),
        VariableMessage("name", {"a": 1}, True),
        VariableMessage("name", "piece", False),
        LogMessage(id="2", label="look", parent_id="1", status="error", error="no", data={"a": 1}, metadata={"b": 2}),
        LogMessage(id="1", label="look", status="start"),
    ],
    ids=lambda message: type(message).__name__,
)
def test_what_a_tool_says_reaches_a_plugin_that_calls_it_as_it_was(message: ToolMessage) -> None:
    written = to_plugin(message)
    assert written is not None
    assert message_of(InvocationMessage(**written)) == message


def test_content_of_files_is_not_handed_to_plugins_that_call_tools() -> None:
    assert to_plugin(BlobMessage(b"x", "text/plain", "a.txt")) is None


def test_a_chat_reaches_a_plugin_as_it_was_and_comes_back_from_it() -> None:
    said = (
        PromptMessage("system", ("Be brief.",)),
        PromptMessage(
            "user",
            (
                "これは？",
                Media("image", "image/png", data=b"\x89PNG", filename="山.png", detail="low"),
                Media("document", "application/pdf", url="https://example.org/a.pdf", filename="a.pdf"),
            ),
        ),
        PromptMessage(
            "assistant", ("見る",), (FunctionCall("c1", "look", '{"at": "山"}'), FunctionCall("c2", "t", "{}"))
        ),
        PromptMessage("tool", ("高い",), tool_call_id="c1"),
    )
    asked = {"provider": "p", "model": "m", "prompt_messages": messages_json(said)}
    assert request_of(asked, app_id="a", run_id="r", key="k").messages == said
