"""Earlier turns of an agent app, as messages for its model."""

from jikko.nodes.model.chat_memory import MemoryText, messages_with_calls
from jikko.ports.stores.messages import Thought


def test_each_call_of_a_conversation_has_an_id_of_its_own() -> None:
    turns = [
        MemoryText(
            "assistant",
            "はい",
            (),
            (
                Thought(
                    id=name,
                    position=1,
                    created_at=0.0,
                    tool="see;hear",
                    tool_input='{"see": {}, "hear": {}}',
                    observation='{"see": "☀", "hear": "♪"}',
                ),
            ),
        )
        for name in ("r1", "r2")
    ]

    messages = [message for turn in turns for message in messages_with_calls(turn)]
    called = [call.id for message in messages for call in message.tool_calls]
    answered = [message.tool_call_id for message in messages if message.role == "tool"]
    assert called == answered
    assert len(set(called)) == 4
