"""The agent of an app without a workflow whose model thinks in text. The prompt is Jikko's own.

Source: docs/dify-behaviour.md, “Agents of apps without a workflow”.
"""

import json
from collections.abc import Iterable
from typing import Any, Final

from msgspec import to_builtins

from jikko.nodes.agents.app_history import rounds_as_text
from jikko.ports.agents import AgentFailure
from jikko.ports.models import Chunk, PromptMessage
from jikko.ports.stores.messages import Thought
from jikko.strategies.app_agent import AgentRound, AppAgent, as_json, labels
from jikko.strategies.react_text import Piece, ReActAction, ReactReader
from jikko.values import Json

_PROMPT: Final = """{{instruction}}

These tools can be called. Each is a JSON object with its name, what it does, and the schema of its input:

{{tools}}

Work in steps. In each step write behind "Thought:" what you think, and behind "Action:" one JSON object in a fenced \
block, with the name of a tool and its input:

Thought: what is to be done next
Action:
```
{"action": "NAME", "action_input": {"PARAMETER": "VALUE"}}
```

NAME is one of: {{tool_names}}. What the tool answers is then given to you behind "Observation:"; never write that \
yourself. As soon as you can answer, do it in this form, and call no tool any more:

Thought: I can answer now
Action:
```
{"action": "Final Answer", "action_input": "the whole answer, in the language of the question"}
```
"""
_CONTINUE: Final = "continue"
_STOP: Final = ("Observation",)


class ReAct(AppAgent):
    """One invocation."""

    async def run(self) -> None:
        """Ask and call until the model gives its final answer, or calls nothing.

        Raises:
            AgentFailure: There is no answer.
            LimitReached: The run's agents may not go on.
        """
        rounds: list[Thought] = []
        for number in range(1, self.rounds + 1):
            is_last = number == self.rounds
            one = self.round(number)
            one.tell()
            text, action = await self._asked(rounds, is_last=is_last)
            if action is None or action.is_final:
                self._answered(one, text, action)
                return
            if is_last:
                raise self.exceeded()
            await self._called(one, text.strip(), action)
            rounds.append(one.thought)

    async def _asked(self, rounds: list[Thought], *, is_last: bool) -> tuple[str, ReActAction | None]:
        """What the model says, and the last of its actions."""
        reader, said, actions = ReactReader(), [""], list[ReActAction]()

        def take(pieces: Iterable[Piece]) -> None:
            for piece in pieces:
                if isinstance(piece, ReActAction):
                    actions.append(piece)
                else:
                    said.append(piece)
                    self.say(piece)

        shown = 0

        def show(chunk: Chunk) -> None:
            nonlocal shown
            shown += len(chunk.text)
            take(reader.feed(chunk.text))

        completion = await self.ask(self._messages(rounds, is_last=is_last), show, stop=_STOP)
        take(reader.feed(completion.text[shown:]))
        take(reader.finish())
        for action in actions:
            _check(action)
        return "".join(said), actions[-1] if actions else None

    def _answered(self, one: AgentRound, text: str, action: ReActAction | None) -> None:
        """Clients are not told of the last thought."""
        if action is None:
            one.tell(thought=text.strip(), is_over=True, is_told=False)
            self.end(text)
            return
        final = action.input if isinstance(action.input, str) else json.dumps(action.input, ensure_ascii=False)
        self.say(final)
        given = as_json({action.name: action.input})
        one.tell(thought=text.strip() + final, tool_input=given, is_over=True, is_told=False)
        self.end(final)

    async def _called(self, one: AgentRound, thought: str, action: ReActAction) -> None:
        name = action.name
        one.tell(thought=thought, tool=name, tool_labels=labels([name]), tool_input=as_json({name: action.input}))
        files: list[Json] = []
        given = self._given(action)
        answer = given if isinstance(given, str) else await self.called(name, given, files)
        one.tell(observation=as_json({name: answer}), files=files, is_over=True)

    def _given(self, action: ReActAction) -> dict[str, Json] | str:
        """The parameters of a call; or what is wrong with them."""
        value: Any = action.input
        if isinstance(value, str):
            tool = self.tools.get(action.name)
            names = [parameter.name for parameter in tool.open_parameters] if tool is not None else []
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                if len(names) != 1:
                    return "tool parameters validation error: the input of the action is no JSON object"
            if not isinstance(value, dict) and len(names) == 1:
                return {names[0]: action.input}
        if not isinstance(value, dict):
            return "tool parameters validation error: the input of the action is no JSON object"
        return value

    def _messages(self, rounds: list[Thought], *, is_last: bool) -> list[PromptMessage]:
        pictures: Any = self.pictures
        prompt = self._prompt(is_last=is_last)
        done = "".join(rounds_as_text(rounds))
        if self.model.mode == "completion":
            history = "\n".join(
                f"{'Question' if each.role == 'user' else 'Answer'}: {each.text}" for each in self.model.history
            )
            known = {"historic_messages": history, "query": self.query, "agent_scratchpad": done}
            if any(f"{{{{{name}}}}}" in prompt for name in known):
                return [PromptMessage("user", (_with(prompt, known),))]
            before = f"{history}\n" if history else ""
            return [PromptMessage("user", (f"{prompt}\n{before}Question: {self.query}\n{done}Thought:",))]
        asked = PromptMessage("user", (*pictures, self.query))
        before_asking = [PromptMessage("system", (prompt,)), *self.model.history, asked]
        if not rounds:
            return before_asking
        return [*before_asking, PromptMessage("assistant", (done,)), PromptMessage("user", (_CONTINUE,))]

    def _prompt(self, *, is_last: bool) -> str:
        offered = () if is_last else self.functions
        known = {
            "instruction": self.instruction,
            "tools": json.dumps(to_builtins(offered), ensure_ascii=False),
            "tool_names": ", ".join(each.name for each in offered),
        }
        return _with(self.prompt or _PROMPT, known)


def _with(prompt: str, known: dict[str, str]) -> str:
    for name, value in known.items():
        prompt = prompt.replace(f"{{{{{name}}}}}", value)
    return prompt


def _check(action: ReActAction) -> None:
    """Raises:
    AgentFailure: The input is neither an object nor a text. [QUIRK]
    """
    if not isinstance(action.input, (str, dict)):
        raise AgentFailure(
            f"The model gave {action.name!r} an input that is neither an object nor a text", kind="ValueError"
        )
