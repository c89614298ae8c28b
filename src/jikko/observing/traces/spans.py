"""Spans of a run: a fold of its log. Nothing is kept while it runs, so a crash loses none."""

import json
from collections.abc import Iterable
from typing import Final, TypeAlias

from msgspec import Struct, field

from jikko.apps.end_users import triggered_from
from jikko.events import (
    Event,
    NodeAttempted,
    NodeFinished,
    RunFinished,
    RunParked,
    RunPaused,
    RunRecovered,
    RunResumed,
    RunRetried,
    RunStarted,
)
from jikko.record import RunIdentity
from jikko.trace_context import parent_of, span_of, state_of

# OpenTelemetry's conventions for generative AI, still in development; other attributes have names of ours.
OPERATION: Final = "gen_ai.operation.name"
AGENT: Final = "gen_ai.agent.name"
PROVIDER: Final = "gen_ai.provider.name"
MODEL: Final = "gen_ai.request.model"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
INPUT_MESSAGES: Final = "gen_ai.input.messages"
OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
ERROR_TYPE: Final = "error.type"

RUN: Final = "jikko.run.id"
APP: Final = "jikko.app.id"
TRIGGER: Final = "jikko.trigger.kind"
TRIGGER_NODE: Final = "jikko.trigger.node"
STATUS: Final = "jikko.status"
EPOCH: Final = "jikko.epoch"
NODE: Final = "jikko.node.id"
NODE_TYPE: Final = "jikko.node.type"
EXECUTION: Final = "jikko.execution.id"
ROUND: Final = "jikko.round"
ATTEMPTS: Final = "jikko.attempts"

INVOKE_WORKFLOW: Final = "invoke_workflow"
CHAT: Final = "chat"

_CONTENT: Final = 16_000
"""Maximum characters of a prompt or an answer in a span: collectors refuse large ones."""

Attributes: TypeAlias = dict[str, str | int | float | list[str]]


class Span(Struct, kw_only=True):
    """One span, independent of exporters. Times are seconds since the Unix epoch."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str = ""
    """Empty for the root span."""
    parent_is_remote: bool = False
    state: str = ""
    """``tracestate`` of its trace."""
    is_client: bool = False
    """Whether it calls something outside."""
    started_at: float
    ended_at: float
    attributes: Attributes = field(default_factory=dict)
    failed: bool = False
    events: list[tuple[float, str]] = field(default_factory=list)
    """Time and name of each."""


def spans_of(identity: RunIdentity, app_name: str, log: Iterable[Event], *, content: bool = False) -> list[Span]:
    """Return the span of the run, and of each ended node execution. Executions repeated from another run are left out.

    Args:
        log: Events of the run from the first on; the run may continue.
        content: Whether model calls have their prompts and answers, as recorded: with secrets masked.
    """
    fold = _Fold(identity, app_name, content)
    for event in log:
        fold.apply(event)
    return fold.spans


class _Fold:
    def __init__(self, identity: RunIdentity, app_name: str, content: bool) -> None:
        self._identity = identity
        self._run_id = identity.run_id
        self._content = content
        self._root = Span(
            name=f"{INVOKE_WORKFLOW} {app_name}",
            trace_id="",
            span_id=span_of(identity.run_id),
            started_at=0.0,
            ended_at=0.0,
            attributes={OPERATION: INVOKE_WORKFLOW, AGENT: app_name, RUN: identity.run_id, APP: identity.app_id},
        )
        self.spans = [self._root]
        self._attempts: dict[str, int] = {}

    def apply(self, event: Event) -> None:
        root = self._root
        root.ended_at = max(root.ended_at, event.at)
        match event:
            case RunStarted():
                parent = parent_of(event.trace, self._run_id)
                root.trace_id, root.parent_id = parent
                root.parent_is_remote = bool(event.trace)
                root.state = state_of(event.trace)
                root.started_at = event.at
                if event.entry:
                    kind = triggered_from(self._identity.app_id, self._identity.end_user_id)
                    root.attributes |= {TRIGGER: kind or "", TRIGGER_NODE: event.entry}
            case RunRetried():
                # Earlier nodes are spans of the other run.
                del self.spans[1:]
                root.started_at = event.at
            case NodeAttempted():
                self._attempts[event.execution_id] = event.attempt
            case NodeFinished():
                self.spans.append(self._node(event))
            case RunPaused():
                root.events.append((event.at, "paused"))
            case RunResumed():
                root.events.append((event.at, "resumed"))
            case RunParked():
                root.events.append((event.at, "parked"))
            case RunRecovered():
                root.events.append((event.at, "taken over"))
                root.attributes[EPOCH] = event.epoch
            case RunFinished():
                root.ended_at = event.at
                root.attributes[STATUS] = event.status
                root.failed = event.status == "failed"
                if root.failed:
                    failed = (span.attributes.get(ERROR_TYPE) for span in self.spans[1:] if span.failed)
                    root.attributes[ERROR_TYPE] = str(next(filter(None, failed), "failed"))

    def _node(self, event: NodeFinished) -> Span:
        used = event.process_data
        model, provider = str(used.get("model_name") or ""), str(used.get("model_provider") or "")
        within = event.rounds[-1].execution_id if event.rounds else self._run_id
        attributes: Attributes = {
            RUN: self._run_id,
            NODE: event.node_id,
            NODE_TYPE: event.node_type,
            EXECUTION: event.execution_id,
            STATUS: event.status,
        }
        if event.rounds:
            attributes[ROUND] = event.rounds[-1].index
        if attempts := self._attempts.get(event.execution_id):
            attributes[ATTEMPTS] = attempts + 1
        if model:
            attributes |= {OPERATION: CHAT, MODEL: model, PROVIDER: provider}
            if reason := used.get("finish_reason"):
                attributes[FINISH_REASONS] = [str(reason)]
            if event.usage is not None:
                attributes[INPUT_TOKENS] = event.usage.prompt_tokens
                attributes[OUTPUT_TOKENS] = event.usage.completion_tokens
            if self._content:
                attributes |= _messages(event)
        failed = event.status != "succeeded"
        if failed:
            attributes[ERROR_TYPE] = event.error_type or "failed"
        return Span(
            name=f"{CHAT} {model}" if model else f"node {event.node_type}",
            trace_id=self._root.trace_id,
            span_id=span_of(event.execution_id),
            parent_id=span_of(within),
            state=self._root.state,
            is_client=bool(model) or event.node_type == "http-request",
            # By the clock of the process that ended it, which may have restarted it.
            started_at=event.started_at,
            ended_at=event.at,
            attributes=attributes,
            failed=failed,
        )


def _messages(event: NodeFinished) -> Attributes:
    """Return a model's prompt and answer, each as JSON."""
    messages = [
        _message(str(prompt.get("role", "")), str(prompt.get("text", "")))
        for prompt in event.process_data.get("prompts") or []
        if isinstance(prompt, dict)
    ]
    text = event.outputs.get("text")
    found: Attributes = {INPUT_MESSAGES: json.dumps(messages, ensure_ascii=False)} if messages else {}
    if isinstance(text, str):
        found[OUTPUT_MESSAGES] = json.dumps([_message("assistant", text)], ensure_ascii=False)
    return found


def _message(role: str, text: str) -> dict[str, object]:
    return {"role": role, "parts": [{"type": "text", "content": _shortened(text)}]}


def _shortened(text: str) -> str:
    more = len(text) - _CONTENT
    return f"{text[:_CONTENT]}… ({more} more characters)" if more > 0 else text
