"""Earlier turns of an agent app as messages. Source: docs/dify-behaviour.md, “Agents of apps without a workflow”."""

import json
from collections.abc import Iterable, Iterator

from jikko.nodes.model.chat_memory import MemoryText
from jikko.ports.models import FunctionCall, PromptMessage
from jikko.ports.stores.messages import Thought
from jikko.values import Json, json_value


def messages_with_calls(said: MemoryText) -> Iterator[PromptMessage]:
    """Yield an answer with function calls, round by round."""
    if not said.thoughts:
        yield PromptMessage("assistant", (said.text,))
    for thought in said.thoughts:
        text = thought.thought
        names = [name for name in thought.tool.split(";") if name]
        answers = _object(thought.observation)
        if not names or not answers:
            if text:
                yield PromptMessage("assistant", (text,))
            continue
        given = _object(thought.tool_input)
        calls = tuple(
            FunctionCall(f"{thought.id}_{place}", name, json.dumps(given.get(name, {}), ensure_ascii=False))
            for place, name in enumerate(names)
        )
        yield PromptMessage("assistant", (text,) if text else (), calls)
        for call in calls:
            yield PromptMessage("tool", (str(answers.get(call.name, "")),), tool_call_id=call.id)


def message_as_text(said: MemoryText) -> PromptMessage:
    """Return an answer of a ReAct agent: its rounds, and the final text."""
    rounds = list(rounds_as_text(said.thoughts))
    if not rounds:
        return PromptMessage("assistant", (said.text,))
    return PromptMessage("assistant", ("".join([*rounds, f"Final Answer: {said.text}"]),))


def rounds_as_text(thoughts: Iterable[Thought]) -> Iterator[str]:
    """Yield the rounds with tool calls, in the agent's own format."""
    for thought in thoughts:
        name, answers = thought.tool, _object(thought.observation)
        if not name or not answers:
            continue
        action = {"action_name": name, "action_input": _object(thought.tool_input).get(name)}
        yield (
            f"Thought: {thought.thought}\n\nAction: {json.dumps(action, ensure_ascii=False)}\n\n"
            f"Observation: {answers.get(name, '')}\n\n"
        )


def _object(text: str) -> dict[str, Json]:
    value = json_value(text)
    return value if isinstance(value, dict) else {}
