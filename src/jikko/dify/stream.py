"""Stream of a run's events in Dify's format."""

import base64
import copy
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from jikko.dify import dify_events
from jikko.dify.dify_events import MessageData
from jikko.dify.turn_events import TurnEvents, events_of
from jikko.errors import JikkoError
from jikko.events import (
    ContainerStarted,
    Event,
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
"""Placeholder of the text in a frame; it does not occur before the text."""


class StreamEncoder:
    """Encoder of one run's events as frames, in order.

    Rounds whose failure Dify would not show are held back until they end. Source: docs/dify-behaviour.md, “Iteration”.
    """

    def __init__(self, record: RunRecord, before: Iterable[Event] = ()) -> None:
        """``record``: The run's, kept up to date by the caller. ``before``: Events before the first one to show."""
        self._record = record
        self._identity = record.identity
        self._started: RunStarted | None = None
        self._forms = RunForms()
        self._turn: TurnEvents | AppEvents | None = None
        """Encoder of the turn, if the run answers a message."""
        self._around: tuple[Selector | None, bytes, bytes] = (None, b"", b"")
        """Selector of the last text, and its frame before and after the text."""
        self._held: dict[str, dict[int, list[Event]]] = {}
        """Events of unfinished rounds, for each running container that hides failed rounds, by execution."""
        for event in before:
            self._remember(event)
            if self._turn is not None:
                self._turn.note(event)

    def frames(self, events: Iterable[Event]) -> bytes:
        """Encode events; empty if nothing is shown."""
        frames: list[bytes] = []
        for event in events:
            turn = self._turn
            if type(event) is TextChunk and (turn is None or isinstance(turn, TurnEvents)):
                frames.append(self._text_frame(event, turn))
            else:
                frames += map(dify_events.frame, self._of(event))
        return b"".join(frames)

    def _text_frame(self, event: TextChunk, turn: TurnEvents | None) -> bytes:
        """Encode a text chunk, reusing the frame of the previous one."""
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
        """Encode events one by one, yielding to the event loop between chunks of long texts."""
        for event in events:
            for message in self._of(event):
                yield await dify_events.frame_giving_way(message)

    def spoken(self, audio: bytes) -> bytes:
        """Encode a chunk of the answer's audio; an empty one marks its end."""
        text = base64.b64encode(audio).decode()
        if self._turn is not None:
            return dify_events.frame(self._turn.spoken(text))
        name = "tts_message" if text else "tts_message_end"
        identity = self._identity
        return dify_events.frame(
            {"event": name, "workflow_run_id": identity.run_id, "task_id": identity.task_id, "audio": text}
        )

    def broken(self, error: JikkoError) -> bytes:
        """Encode an error that ends the stream."""
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

    def _of(self, event: Event) -> Sequence[MessageData]:
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
                self._held[event.execution_id] = {}
            elif isinstance(event, NodeFinished):
                self._held.pop(event.execution_id, None)
            if self._held and event.rounds:
                for entry in event.rounds:
                    if (rounds := self._held.get(entry.execution_id)) is not None:
                        rounds.setdefault(entry.index, []).append(event)
                        return []
            if isinstance(event, RoundFinished) and (rounds := self._held.get(event.execution_id)):
                held = rounds.pop(event.round, [])
                shown = [*held, event] if event.error is None else [event]
                return [message for part in shown for message in self._messages(part)]
        return self._messages(event)

    def _message(self, name: str, data: MessageData) -> MessageData:
        if isinstance(self._turn, TurnEvents):
            return self._turn.run_message(name, data)
        return dify_events.message(self._identity, name, data)

    def _paused(self, event: RunPaused) -> RunRecord:
        record = copy.copy(self._record)
        record.apply(event)
        return record

    def _messages(self, event: Event) -> Sequence[MessageData]:
        if self._turn is not None:
            return self._turn.of(self._record, event)
        message = dify_events.event_message(self._record, event)
        return [] if message is None else [message]


_OF_NODE: Final = ("id", "node_id", "node_type", "title", "index", "created_at", "iteration_id", "loop_id")
_WITHOUT: Final = dict.fromkeys(("predecessor_node_id", "inputs"))


def snapshot(record: RunRecord, log: list[Event]) -> list[MessageData]:
    """Return the snapshot: the start, the nodes without details, and, if paused, the reason."""
    identity = record.identity
    began = log[0] if log and isinstance(log[0], RunStarted) else None
    turn = None if began is None or began.turn is None else events_of(identity, began)
    messages: list[tuple[str, MessageData]] = []
    if began is not None:
        messages.append(("workflow_started", dify_events.run_started(identity, began, "initial", with_time=True)))
    waiting = RunForms.of(log).open
    for execution in node_executions(log):
        messages.append(("node_started", {**_node(execution), "extras": {}}))
        if execution.id in waiting:
            messages.append(("node_finished", _finished(execution, "paused")))
        elif execution.finished_at is not None:
            messages.append(("node_finished", _finished(execution, execution.status)))
    if record.status == "paused":
        # Here Dify sends the form as in the file, with unresolved references.
        forms = [
            msgspec.structs.replace(form, form={**form.form, "form_content": form.source}) for form in waiting.values()
        ]
        messages += [("human_input_required", dify_events.form_requested(form)) for form in forms]
        paused = dify_events.run_paused(record, forms)
        messages.append(("workflow_paused", paused))
        if isinstance(turn, TurnEvents):
            paused.outputs = _gathered(log)
    if turn is None:
        return [dify_events.message(identity, name, data) for name, data in messages]
    for event in log:
        turn.note(event)
    if not isinstance(turn, TurnEvents):
        return [turn.replaced()]
    shown: list[MessageData] = [turn.run_message(name, data) for name, data in messages]
    return [shown[0], turn.replaced(), *shown[1:]]


def _gathered(log: list[Event]) -> dict[str, Json]:
    """Return the outputs of answers so far, with files including their type. [QUIRK]"""
    texts = [event for event in log if isinstance(event, NodeFinished) and event.node_type == "answer"]
    if not texts:
        return {}
    files = [file for event in texts for file in event.outputs.get("files") or []]
    answer = "".join(str(event.outputs.get("answer") or "") for event in texts)
    return {"answer": answer, "files": {"value_type": "array[file]", "value": files}}


def _node(execution: NodeExecution) -> dict[str, Any]:
    """Return the fields of a node that started before the client joined."""
    return {**{name: getattr(execution, name) for name in _OF_NODE}, **_WITHOUT}


def _finished(execution: NodeExecution, status: str) -> dict[str, Any]:
    """Return the fields of a node that finished, or paused for a form, before the client joined."""
    return {
        **_node(execution),
        **dict.fromkeys(("process_data", "outputs", "error", "execution_metadata")),
        "status": status,
        "elapsed_time": execution.elapsed_time,
        "finished_at": execution.finished_at or execution.created_at,
        "files": [],
    }
