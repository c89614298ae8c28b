"""ReAct agents, for models without function calling. The prompt is Jikko's own. Source: docs/dify-behaviour.md, “Agents
of apps without a workflow”."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeAlias

from msgspec import Struct, to_builtins

from jikko.nodes.model.chat_memory import rounds_as_text
from jikko.ports.agents import AgentFailure
from jikko.ports.models import Chunk, PromptMessage
from jikko.ports.stores.messages import Thought
from jikko.strategies.app_agent import AgentRound, AppAgent, as_json, labels
from jikko.values import Json, is_too_deep, json_value

_WORDS: Final = ("thought:", "action:")
"""Removed at the start of a word, in any case."""
_FENCE: Final = "```"
_BEGUN: Final = "|".join(word[:length] for word in _WORDS for length in range(len(word) - 1, 0, -1))
_SPECIAL: Final = re.compile(rf"[`{{]|(?<=\s)(?i:{'|'.join(_WORDS)}|(?:{_BEGUN})\Z)")
_IN_OBJECT: Final = re.compile(r'["\\{}]')
_LANGUAGE: Final = re.compile(r"[A-Za-z]*\s*")
_MAX_BLOCK: Final = 1_000_000
"""Maximum characters of an action; longer ones are text."""


class ReActAction(Struct, frozen=True):
    name: str
    input: Json

    @property
    def is_final(self) -> bool:
        return self.name.strip().lower() == "final answer"


Piece: TypeAlias = "str | ReActAction"


class ReactReader:
    def __init__(self) -> None:
        self._pending = ""
        self._before = "\n"
        """The character before the pending text."""
        self._object = _ObjectEnd()
        self._fence = len(_FENCE)
        """How far the pending block has been searched for its end."""

    def feed(self, text: str) -> Iterator[Piece]:
        """Add a piece of the answer. Yields what is certain; exhaust it before the next call."""
        self._pending += text
        return self._read(is_over=False)

    def finish(self) -> Iterator[Piece]:
        """Yield the rest, once the answer has ended."""
        return self._read(is_over=True)

    def _read(self, *, is_over: bool) -> Iterator[Piece]:
        # Sliced once: an answer may come in one piece of megabytes.
        pending, at = self._pending, 0
        while at < len(pending):
            step = self._step(pending, at, is_over or len(pending) - at > _MAX_BLOCK)
            if step is None:
                break
            piece, at = step
            self._before = pending[at - 1]
            self._object, self._fence = _ObjectEnd(), len(_FENCE)
            if piece != "":
                yield piece
        self._pending = pending[at:]

    def _step(self, pending: str, at: int, is_over: bool) -> tuple[Piece, int] | None:
        """Return the piece at a position and the position after it; ``None``: more text is needed."""
        if pending.startswith(_FENCE, at):
            end = pending.find(_FENCE, at + self._fence)
            if end < 0:
                self._fence = max(len(_FENCE), len(pending) - at - len(_FENCE) + 1)
                return (pending[at:], len(pending)) if is_over else None
            return _of_block(pending[at : end + len(_FENCE)]), end + len(_FENCE)
        if pending[at] == "`":
            if len(pending) - at < len(_FENCE) and _FENCE.startswith(pending[at:]) and not is_over:
                return None
            return "`", at + 1
        if pending[at] == "{":
            end = self._object.look(pending, at)
            if end < 0:
                return (pending[at:], len(pending)) if is_over else None
            return action_of(pending[at:end]) or pending[at:end], end
        if self._before.isspace() and pending[at] in "tTaA":
            lower = pending[at : at + max(map(len, _WORDS))].lower()
            for word in _WORDS:
                if lower.startswith(word):
                    return "", at + len(word)
                if word.startswith(lower) and not is_over:
                    return None
        special = _SPECIAL.search(pending, at + 1)
        end = special.start() if special else len(pending)
        return pending[at:end], end


class _ObjectEnd:
    """Finds the end of an object that arrives in pieces, scanning each character once."""

    def __init__(self) -> None:
        self._at = self._depth = 0
        self._in_text = False

    def look(self, text: str, start: int) -> int:
        """Return the position after the object at ``start``; -1 if it has not ended. ``text``: All of it so far."""
        while (mark := _IN_OBJECT.search(text, start + self._at)) is not None:
            self._at = mark.end() - start
            match mark[0]:
                case "\\" if self._in_text:
                    if start + self._at >= len(text):
                        self._at -= 1
                        return -1
                    self._at += 1
                case '"':
                    self._in_text = not self._in_text
                case "{" if not self._in_text:
                    self._depth += 1
                case "}" if not self._in_text:
                    self._depth -= 1
                    if self._depth == 0:
                        return start + self._at
        return -1


def _of_block(block: str) -> Piece:
    """Parse a fenced block: an action, an object as text, or the block itself."""
    inner = block[len(_FENCE) : -len(_FENCE)]
    inner = inner[match.end() :] if (match := _LANGUAGE.match(inner)) else inner
    if (action := action_of(inner)) is not None:
        return action
    return inner.strip() if json_value(inner) is not None else block


def action_of(text: str) -> ReActAction | None:
    """Parse an action from a JSON object: the key that contains ``input`` has the input, the other one the name."""
    value = json_value(text)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        return None
    inputs = [key for key in value if "input" in key.lower()]
    names = [key for key in value if key not in inputs]
    if not inputs or not names or not isinstance(value[names[0]], str) or is_too_deep(value):
        return None
    return ReActAction(value[names[0]], value[inputs[0]])


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
        """Loop until the final answer, or no call. Raises ``AgentFailure``, ``LimitReached``."""
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
        """Return the model's text, and its last action."""
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
        """Finish with the answer; clients do not see the last thought."""
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
        """Return the parameters of a call, or what is wrong with them."""
        value: Any = action.input
        if isinstance(value, str):
            tool = self.tools.get(action.name)
            names = [parameter.name for parameter in tool.open_parameters] if tool is not None else []
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                if len(names) != 1:
                    return "tool parameters validation error: the input of the action is not a JSON object"
            if not isinstance(value, dict) and len(names) == 1:
                return {names[0]: action.input}
        if not isinstance(value, dict):
            return "tool parameters validation error: the input of the action is not a JSON object"
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
    """Raises ``AgentFailure`` if the input is neither an object nor a text. [QUIRK]"""
    if not isinstance(action.input, (str, dict)):
        raise AgentFailure(
            f"The model gave {action.name!r} an input that is neither an object nor a text", kind="ValueError"
        )
