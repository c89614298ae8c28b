"""A run's events as the stream of messages that a client of Dify expects."""

import base64
import copy
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct

from jikko.dify import dify_events
from jikko.dify.stream_messages import NodeFinishedBefore, NodeStartedBefore
from jikko.dify.turn_events import TurnEvents, events_of
from jikko.errors import JikkoError
from jikko.events import (
    ContainerStarted,
    Event,
    FormRequested,
    NodeEvent,
    NodeFinished,
    RoundFinished,
    RunPaused,
    RunResumed,
    RunStarted,
    TextChunk,
)
from jikko.record import OF_FORMS, RunForms, RunRecord
from jikko.runs.reading.node_executions import NodeExecution, node_executions
from jikko.values import Json, Selector

if TYPE_CHECKING:
    from jikko.dify.app_events import AppEvents

_TEXT: Final = "\0"
"""Stands in a frame for a text; nothing before the text has it."""


class StreamEncoder:
    """Turns one run's events into frames, in their order.

    Rounds whose failure Dify would not show are held back until they have ended. Source: docs/dify-behaviour.md,
    “Iteration”.
    """

    def __init__(self, record: RunRecord, before: Iterable[Event] = ()) -> None:
        """``record``: the run's, kept up to date by the caller. ``before``: the events before the first one to be
        shown."""
        self._record = record
        self._identity = record.identity
        self._started: RunStarted | None = None
        self._forms = RunForms()
        self._turn: TurnEvents | AppEvents | None = None
        """Of a run that answers a message."""
        self._around: tuple[Selector | None, bytes, bytes] = (None, b"", b"")
        """Of the text shown last: whose it was, and its frame before the text and behind it."""
        self._hiding: set[str] = set()
        """Containers under way that hide failed rounds, by execution."""
        self._held: dict[tuple[str, int], list[Event]] = {}
        for event in before:
            self._remember(event)
            if self._turn is not None:
                self._turn.note(event)

    def frames(self, events: Iterable[Event]) -> bytes:
        """The frames of some events; empty if there is nothing to show."""
        frames: list[bytes] = []
        for event in events:
            turn = self._turn
            if type(event) is TextChunk and (turn is None or isinstance(turn, TurnEvents)):
                frames.append(self._text_frame(event, turn))
            else:
                frames += map(dify_events.frame, self._of(event))
        return b"".join(frames)

    def _text_frame(self, event: TextChunk, turn: TurnEvents | None) -> bytes:
        """The frame of a piece of text, which has all but the text in common with the one before it."""
        if turn is not None:
            turn.fold.apply(event)
        if event.selector != self._around[0]:
            like = TextChunk(at=event.at, text=_TEXT, selector=event.selector)
            message = dify_events.event_message(self._record, like) if turn is None else turn.piece(like)
            before, _, behind = dify_events.frame(message).partition(dify_events.encode(_TEXT))
            self._around = event.selector, before, behind
        _, before, behind = self._around
        return b"%b%b%b" % (before, dify_events.line(event.text), behind)

    async def long_frames(self, events: Iterable[Event]) -> AsyncIterator[bytes]:
        """The frames of some events one by one: others have the event loop between pieces of their long texts."""
        for event in events:
            for message in self._of(event):
                yield await dify_events.frame_giving_way(message)

    def spoken(self, audio: bytes) -> bytes:
        """The frame of a piece of the answer's audio; an empty one tells its end."""
        text = base64.b64encode(audio).decode()
        if self._turn is not None:
            return dify_events.frame(self._turn.spoken(text))
        name = "tts_message" if text else "tts_message_end"
        identity = self._identity
        return dify_events.frame(
            {"event": name, "workflow_run_id": identity.run_id, "task_id": identity.task_id, "audio": text}
        )

    def broken(self, error: JikkoError) -> bytes:
        """The frame of an error that ends the stream."""
        if self._turn is not None and not isinstance(self._turn, TurnEvents):
            return dify_events.frame(self._turn.broken(error))
        return dify_events.error_frame(self._identity, error)

    def _remember(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._started = event
            if event.turn is not None:
                self._turn = events_of(self._identity, event)
        elif type(event) in OF_FORMS:
            self._forms.apply(event)

    def _of(self, event: Event) -> Sequence[Struct]:
        self._remember(event)
        if self._turn is not None and isinstance(event, (RunPaused, RunResumed)):
            self._turn.note(event)
        if isinstance(event, RunPaused):
            return [
                self._message(
                    "workflow_paused", dify_events.run_paused(self._paused(event), list(self._forms.open.values()))
                )
            ]
        if isinstance(event, RunResumed) and self._started is not None:
            started = dify_events.run_started(self._identity, self._started, "resumption")
            started.created_at = int(event.at)
            return [self._message("workflow_started", started)]
        if isinstance(event, NodeEvent):
            if isinstance(event, ContainerStarted) and event.hides_failed_rounds:
                self._hiding.add(event.execution_id)
            elif isinstance(event, NodeFinished):
                self._hiding.discard(event.execution_id)
            if self._hiding and event.rounds:
                for entry in event.rounds:
                    if entry.execution_id in self._hiding:
                        self._held.setdefault((entry.execution_id, entry.index), []).append(event)
                        return []
            if isinstance(event, RoundFinished) and self._held:
                held = self._held.pop((event.execution_id, event.round), [])
                shown = [*held, event] if event.error is None else [event]
                return [message for part in shown for message in self._messages(part)]
        return self._messages(event)

    def _message(self, name: str, data: Struct) -> Struct:
        if isinstance(self._turn, TurnEvents):
            return self._turn.run_message(name, data)
        return dify_events.message(self._identity, name, data)

    def _paused(self, event: RunPaused) -> RunRecord:
        """The record as it was at the pause."""
        record = copy.copy(self._record)
        record.apply(event)
        return record

    def _messages(self, event: Event) -> Sequence[Struct]:
        if self._turn is not None:
            return self._turn.of(self._record, event)
        message = dify_events.event_message(self._record, event)
        return [] if message is None else [message]


_OF_NODE: Final = ("id", "node_id", "node_type", "title", "index", "created_at", "iteration_id", "loop_id")


def snapshot(record: RunRecord, log: list[Event]) -> list[msgspec.Struct]:
    """The messages: the start, the nodes without their details, and, if the run is paused, why."""
    identity = record.identity
    began = log[0] if log and isinstance(log[0], RunStarted) else None
    messages: list[tuple[str, msgspec.Struct]] = []
    if began is not None:
        messages.append(("workflow_started", dify_events.run_started(identity, began, "initial", with_time=True)))
    waiting = RunForms.of(log).open
    for execution in node_executions(log):
        messages.append(("node_started", NodeStartedBefore(**_node(execution))))
        if execution.id in waiting:
            messages.append(("node_finished", _finished(execution, "paused")))
        elif execution.finished_at is not None:
            messages.append(("node_finished", _finished(execution, execution.status)))
    if record.status == "paused":
        # Dify tells the form as the file has it here, references and all.
        forms = [_as_written(form) for form in waiting.values()]
        messages += [("human_input_required", dify_events.form_requested(form)) for form in forms]
        messages.append(("workflow_paused", dify_events.run_paused(record, forms)))
    if began is None or began.turn is None:
        return [dify_events.message(identity, name, data) for name, data in messages]
    turn = events_of(identity, began)
    for event in log:
        turn.note(event)
    if not isinstance(turn, TurnEvents):
        return [turn.replaced()]
    if record.status == "paused":
        messages[-1][1].outputs = _gathered(log)  # type: ignore[attr-defined]  # of the pause
    shown: list[msgspec.Struct] = [turn.run_message(name, data) for name, data in messages]
    return [shown[0], turn.replaced(), *shown[1:]]


def _gathered(log: list[Event]) -> dict[str, Json]:
    """The outputs of the answers so far, in which files are told with their type. [QUIRK]"""
    texts = [event for event in log if isinstance(event, NodeFinished) and event.node_type == "answer"]
    if not texts:
        return {}
    files = [file for event in texts for file in event.outputs.get("files") or []]
    answer = "".join(str(event.outputs.get("answer") or "") for event in texts)
    return {"answer": answer, "files": {"value_type": "array[file]", "value": files}}


def _as_written(form: FormRequested) -> FormRequested:
    return msgspec.structs.replace(form, form={**form.form, "form_content": form.source})


def _node(execution: NodeExecution) -> dict[str, Any]:
    """The fields of ``NodeBegin``."""
    return {name: getattr(execution, name) for name in _OF_NODE}


def _finished(execution: NodeExecution, status: str) -> NodeFinishedBefore:
    return NodeFinishedBefore(
        **_node(execution),
        status=status,
        elapsed_time=execution.elapsed_time,
        finished_at=execution.finished_at or execution.created_at,
    )
