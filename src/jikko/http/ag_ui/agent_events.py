"""AG-UI events of a run's log: a fold, without I/O. Source: AG-UI's specification 1.0, “Events”."""

import contextlib
from collections.abc import Iterator, Mapping, Set
from datetime import UTC, datetime
from itertools import count
from typing import Any, Final

import msgspec

from jikko.dify.mcp import outputs_text
from jikko.dsl.document import BASIC_MODES
from jikko.errors import JikkoError
from jikko.events import (
    AgentLogged,
    Event,
    FormRequested,
    NodeFinished,
    NodeStarted,
    ReasoningChunk,
    RunFinished,
    RunPaused,
    RunStarted,
    TextReplaced,
)
from jikko.http.questions.answer_text import AnswerChanged, AnswerText
from jikko.inputs.run_inputs import form_variables
from jikko.lang.templates import to_text
from jikko.values import Json

AgentEvent = dict[str, Json]
_TOKENS: Final = {"inputTokens": "prompt_tokens", "outputTokens": "completion_tokens", "totalTokens": "total_tokens"}
_LATEST: Final = datetime(9999, 12, 31, tzinfo=UTC).timestamp()
"""Latest representable date; forms may wait for longer."""
_CALL: Final = "CALL "
"""Prefix of an agent's log entries about tool calls."""


class AgentEvents:
    """Encoder of events. Everything open (steps, messages, calls) is closed before the run is."""

    def __init__(self, answer: AnswerText, mode: str, thread_id: str, run_id: str, messages: list[AgentEvent]) -> None:
        """``answer`` is folded here; ``mode``: the app's; ``messages``: those that the client has."""
        self._answer = answer
        self._mode = mode
        self._place: AgentEvent = {"threadId": thread_id, "runId": run_id}
        self._messages = list(messages)
        self.is_over = False
        """Whether the last event was the end, or a pause."""
        self._state: dict[str, Json] = {}
        self._steps: dict[str, str] = {}
        """Names of open steps, by execution."""
        self._text_id, self._texts = "", 0
        """ID of the open text message, and the number of text messages so far."""
        self._calls: dict[str, str] = {}
        """Tools of unanswered calls, by call ID."""
        self._answered: set[str] = set()
        self._usage_before = answer.usage

    def waits_for(self, executions: Set[str]) -> bool:
        """Return whether one of these executions waits for its form."""
        return any(form.execution_id in executions for form in self._answer.forms)

    def begin(self) -> Iterator[AgentEvent]:
        """Yield a request's first events. Events folded before count as seen by the client."""
        self.is_over = False
        self._usage_before = self._answer.usage
        yield {"type": "RUN_STARTED", **self._place, "protocolVersion": "1.0"}
        if self._state:
            yield {"type": "STATE_SNAPSHOT", "snapshot": dict(self._state)}

    def of(self, event: Event) -> Iterator[AgentEvent]:
        """Fold an event of the log, yielding its AG-UI events."""
        try:
            delta = self._answer.apply(event)
        except AnswerChanged:
            delta = None
        match event:
            case RunStarted() if event.turn is not None and event.turn.variables:
                self._state = dict(event.turn.variables)
                yield {"type": "STATE_SNAPSHOT", "snapshot": event.turn.variables}
            case NodeStarted():
                yield from self._step(event)
            case NodeFinished():
                yield from self._step(event)
                if name := self._steps.pop(event.execution_id, None):
                    yield {"type": "STEP_FINISHED", "stepName": name}
                yield from self._changes(event)
            case AgentLogged() if event.label.startswith(_CALL):
                yield from self._called(event)
            case AgentLogged() if event.data.get("tool"):
                yield from self._round(event)
            case ReasoningChunk() if event.text:
                thought = f"{self._answer.run_id}-{event.node_id}"
                yield {"type": "REASONING_MESSAGE_CHUNK", "messageId": thought, "delta": event.text}
            case TextReplaced() if self._answer.is_shown:
                yield from self._replaced(event.text)
            case RunPaused():
                yield from self._close()
                interrupts = [_interrupt(form) for form in self._answer.forms]
                yield self._finished({"type": "interrupt", "interrupts": interrupts})
            case RunFinished():
                yield from self._text(delta.text if delta is not None else "")
                yield from self._ended(event)
            case _ if delta is not None:
                yield from self._text(delta.text)

    def replied(self) -> Iterator[AgentEvent]:
        """Yield all events of an answer without a run."""
        yield from (*self.begin(), *self._text(self._answer.text), *self._close())
        yield self._finished({"type": "success"})

    def broken(self, error: JikkoError) -> Iterator[AgentEvent]:
        yield from self._close()
        yield {"type": "RUN_ERROR", "message": str(error), "code": error.code}

    def _step(self, event: NodeStarted | NodeFinished) -> Iterator[AgentEvent]:
        """Yield the start of a step that has not started, or whose start went to another request."""
        if self._mode in BASIC_MODES or event.execution_id in self._steps:
            return
        title, used = event.title or event.node_id, self._steps.values()
        names = (f"{title} ({number})" for number in count(2))
        name = title if title not in used else next(name for name in names if name not in used)
        self._steps[event.execution_id] = name
        yield {"type": "STEP_STARTED", "stepName": name}

    def _changes(self, event: NodeFinished) -> Iterator[AgentEvent]:
        changed = {update.selector[1]: update.value for update in event.updates if update.selector[0] == "conversation"}
        self._state |= changed
        if changed:
            # JSON Patch ``add`` replaces an existing member.
            paths = [(name.replace("~", "~0").replace("/", "~1"), value) for name, value in changed.items()]
            yield {"type": "STATE_DELTA", "delta": [{"op": "add", "path": f"/{at}", "value": new} for at, new in paths]}

    def _text(self, text: str) -> Iterator[AgentEvent]:
        if not text:
            return
        if not self._text_id:
            self._texts += 1
            self._text_id = self._message_id()
            yield {"type": "TEXT_MESSAGE_START", "messageId": self._text_id, "role": "assistant"}
        yield {"type": "TEXT_MESSAGE_CONTENT", "messageId": self._text_id, "delta": text}

    def _close_text(self) -> Iterator[AgentEvent]:
        if self._text_id:
            yield {"type": "TEXT_MESSAGE_END", "messageId": self._text_id}
            self._text_id = ""

    def _replaced(self, text: str) -> Iterator[AgentEvent]:
        """Send a snapshot of the messages, the only way to retract text; more text follows after it."""
        yield from self._close_text()
        self._texts += 1
        self._text_id = self._message_id()
        told: AgentEvent = {"id": self._text_id, "role": "assistant", "content": text}
        yield {"type": "MESSAGES_SNAPSHOT", "messages": [*self._messages, told]}
        yield {"type": "TEXT_MESSAGE_START", "messageId": self._text_id, "role": "assistant"}

    def _message_id(self) -> str:
        base = self._answer.message_id or self._answer.run_id
        return base if self._texts == 1 else f"{base}-{self._texts}"

    def _called(self, event: AgentLogged) -> Iterator[AgentEvent]:
        output = event.data.get("output")
        told: Mapping[str, Json] = output if isinstance(output, dict) else {}
        is_over = event.status != "start"
        given = told.get("tool_call_input", {}) if is_over else None
        answered = to_text(told.get("tool_response") or event.error or "") if is_over else None
        yield from self._call(event.entry_id, event.label.removeprefix(_CALL), given, answered)

    def _round(self, event: AgentLogged) -> Iterator[AgentEvent]:
        """Yield the events of a round of an app's agent, which logs its calls together."""
        given, answered = _by_tool(event.data.get("tool_input")), _by_tool(event.data.get("observation"))
        for position, name in enumerate(str(event.data["tool"]).split(";")):
            answer = to_text(answered[name]) if name in answered else None
            yield from self._call(f"{event.entry_id}-{position}", name, given.get(name, {}), answer)

    def _call(self, call_id: str, name: str, given: Json | None, answer: str | None) -> Iterator[AgentEvent]:
        """Yield new events of a call. ``given``, ``answer``: ``None`` if not yet known."""
        if call_id in self._answered:
            return
        place: AgentEvent = {"toolCallId": call_id}
        if call_id not in self._calls:
            yield from self._close_text()
            self._calls[call_id] = name
            yield {"type": "TOOL_CALL_START", **place, "toolCallName": name}
        if answer is None:
            return
        del self._calls[call_id]
        self._answered.add(call_id)
        arguments = outputs_text(given or {})
        yield {"type": "TOOL_CALL_ARGS", **place, "delta": arguments}
        yield {"type": "TOOL_CALL_END", **place}
        result: AgentEvent = {**place, "content": answer}
        yield {"type": "TOOL_CALL_RESULT", "messageId": f"{call_id}-result", **result}
        call = {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
        self._messages.append({"id": call_id, "role": "assistant", "toolCalls": [call]})
        self._messages.append({"id": f"{call_id}-result", "role": "tool", **result})

    def _close(self) -> Iterator[AgentEvent]:
        self.is_over = True
        yield from self._close_text()
        for call_id, name in list(self._calls.items()):
            # An unanswered call would be left for the client to answer.
            yield from self._call(call_id, name, None, "")
        for name in self._steps.values():
            yield {"type": "STEP_FINISHED", "stepName": name}
        self._steps.clear()

    def _ended(self, event: RunFinished) -> Iterator[AgentEvent]:
        yield from self._close()
        if event.status == "failed":
            yield {"type": "RUN_ERROR", "message": event.error or "The run failed.", "code": "run_failed"}
        else:
            outputs = {"outputs": event.outputs} if self._mode == "workflow" else {}
            yield self._finished({"type": "cancelled" if event.status == "stopped" else "success"}, outputs)

    def _finished(self, outcome: AgentEvent, outputs: AgentEvent | None = None) -> AgentEvent:
        answer = self._answer
        ids = {"conversation_id": answer.conversation_id, "message_id": answer.message_id, "files": answer.files}
        told = {"workflow_run_id": answer.run_id, **ids}.items()
        result: AgentEvent = {name: value for name, value in told if value} | (outputs or {})
        before, usage = self._usage_before, self._answer.usage
        spent = {told: usage[name] - before[name] for told, name in _TOKENS.items()}
        used = [spent] if any(spent.values()) else []
        return {"type": "RUN_FINISHED", **self._place, "outcome": outcome, "result": result, "usage": used}


def _interrupt(form: FormRequested) -> AgentEvent:
    """Encode a form as an interrupt; its answer is ``{action, inputs}``."""
    inputs: dict[str, Json] = {}
    for variable in form_variables(form.form):
        kind = {"file": "object", "file-list": "array"}.get(variable.type, "string")
        inputs[variable.name] = {"type": kind, **({"enum": variable.options} if variable.options else {})}
    actions: list[Any] = form.form["actions"]
    action = {"type": "string", "oneOf": [{"const": each["id"], "title": each["title"]} for each in actions]}
    asked = {"type": "object", "properties": inputs, "required": list(inputs)}
    return {
        "id": str(form.form.get("form_token") or form.form_id),
        "reason": "human_input",
        "message": form.form["form_content"],
        "responseSchema": {
            "type": "object",
            "properties": {"action": action, "inputs": asked},
            "required": ["action", "inputs"] if inputs else ["action"],
        },
        "expiresAt": datetime.fromtimestamp(min(form.expires_at, _LATEST), UTC).isoformat(),
        "metadata": {"title": form.title, "node_id": form.node_id, "form_id": form.form_id},
    }


def _by_tool(text: Json) -> Mapping[str, Json]:
    """Decode an agent's record of several tools, by tool name."""
    with contextlib.suppress(msgspec.DecodeError):
        if isinstance(found := msgspec.json.decode(str(text or "{}")), dict):
            return found
    return {}
