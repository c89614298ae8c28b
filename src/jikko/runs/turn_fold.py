"""Answer to a message: a fold over the log of its run. No I/O, no clock."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID, uuid5

from msgspec.structs import replace

from jikko.dsl.document import BASIC_MODES
from jikko.events import (
    AgentLogged,
    Event,
    FormClosed,
    FormRequested,
    NodeAttempted,
    NodeFinished,
    RunFinished,
    RunPaused,
    RunResumed,
    RunRetried,
    RunStarted,
    TextChunk,
    TextReplaced,
    Turn,
    Usage,
)
from jikko.lang.variables import without_places
from jikko.nodes.contract import total
from jikko.ports.models import usage_json
from jikko.ports.stores.messages import MessageAnswer, MessageMetadata, Thought, TurnForm
from jikko.ports.stores.run_store import Projection, TurnBegan, TurnChanged, VariablesAssigned
from jikko.record import RunForms
from jikko.values import FILE_IDENTITY, Json, files_in

_THOUGHT: Final = tuple(name for name in Thought.__struct_fields__ if name not in ("id", "created_at"))
_UNRECORDED: Final = (
    *("hit_count", "word_count", "segment_position", "index_node_hash", "page", "title", "files", "summary"),
)
_ANSWERING: Final = ("answer", "end", "llm")
"""Nodes whose files are files of the answer. Source: docs/dify-behaviour.md, “Messages of a chat stream”."""
_TURNING: Final = frozenset((RunPaused, RunResumed, RunRetried, RunFinished))
"""Events after which the answer is stored again."""


class TurnFold:
    """Answer at a position of the log."""

    def __init__(self, began: RunStarted, turn: Turn, *, is_retry: bool = False) -> None:
        """``is_retry``: Whether the log begins with another run's events."""
        self.turn = turn
        self.count = 0
        self._began_at = began.at
        self._takes_over = is_retry
        self._text: list[str] = []
        self._first_text_at: float | None = None
        self._last_text_at = began.at
        self._usage: Usage | None = None
        self._reasoning: dict[str, str] = {}
        self.files: list[Json] = []
        """Files of the answer so far."""
        self._resources: list[dict[str, Json]] = []
        self._is_basic = turn.mode in BASIC_MODES
        self.thoughts: dict[str, Thought] = {}
        """Rounds of an agent so far, by id."""
        self._final_text: str | None = None
        """Stored answer of an agent, replacing all its text."""
        self.is_moderated = False
        """Whether moderation has replaced the whole text."""
        self.failed_by = ""
        """``error_type`` of the last failed node."""
        self.asked_files: list[Json] = list(began.system.get("files") or ())
        self._forms = RunForms()
        self._end: RunFinished | RunPaused | None = None
        self._usage_so_far: tuple[int, dict[str, Json]] = (-1, {})
        """The last reported usage, with its number of events: it is both stored and sent to the client."""

    @classmethod
    def of(cls, log: Sequence[Event], *, is_retry: bool = False) -> "TurnFold | None":
        """Fold a log; ``None`` if its run answers no message."""
        began = log[0] if log else None
        if not isinstance(began, RunStarted) or began.turn is None:
            return None
        fold = cls(began, began.turn, is_retry=is_retry)
        for event in log:
            fold.apply(event)
        return fold

    @property
    def text(self) -> str:
        """Text shown so far."""
        return "".join(self._text)

    @property
    def kept_text(self) -> str:
        """The answer as stored. Without a workflow it is trimmed, and contains no placeholders."""
        if not self._is_basic:
            return self.text
        return without_places(self.text if self._final_text is None else self._final_text).strip()

    def apply(self, event: Event) -> None:
        self.count += 1
        step = _STEPS.get(type(event))
        if step is not None:
            step(self, event)

    def follow(self, events: Iterable[Event]) -> list[Projection]:
        """Fold the events of one append. Returns what is written with them."""
        values: dict[str, Json] = {}
        at, is_changed = 0.0, False
        for event in events:
            self.count += 1
            step = _STEPS.get(type(event))
            if step is None:
                continue
            step(self, event)
            if isinstance(event, NodeFinished):
                # Another run's changes were written with that run.
                if event.updates and not self._takes_over:
                    values |= {
                        update.selector[1]: update.value
                        for update in event.updates
                        if len(update.selector) == 2 and update.selector[0] == "conversation"
                    }
                    at = event.at
            elif type(event) in _TURNING:
                is_changed = True
        found: list[Projection] = [VariablesAssigned(values=values, at=at)] if values else []
        if is_changed:
            found.append(TurnChanged(answer=self.answer()))
        return found

    def answer(self) -> MessageAnswer:
        """Return the answer as stored. Source: docs/dify-behaviour.md, “Messages of a chat stream”."""
        closed = self._forms.closed
        forms = [TurnForm(requested=form, closed=closed.get(of)) for of, form in self._forms.requested.items()]
        end = self._end
        if isinstance(end, RunFinished):
            if end.status == "failed":
                error = (end.error or "") if self._is_basic else f"Run failed: {end.error or ''}"
                return MessageAnswer(
                    status="error",
                    error=error,
                    metadata=self.metadata(),
                    forms=forms,
                    thoughts=list(self.thoughts.values()),
                )
            return MessageAnswer(
                text=self.kept_text,
                files=self.files,
                metadata=self.metadata(),
                forms=forms,
                thoughts=list(self.thoughts.values()),
            )
        if end is not None and self.turn.streamed:
            return MessageAnswer(status="paused", text=self.text, forms=forms)
        # Dify stores only the form of a pause whose client got one blocking response. [QUIRK]
        return MessageAnswer(forms=forms)

    def metadata(self, *, is_whole: bool = True) -> MessageMetadata:
        """Return the answer's metadata. ``is_whole``: Whether the run has ended, so that its usage is known."""
        cited = _of_api if self._is_basic else _numbered
        return MessageMetadata(
            usage=self._usage_of_models() if is_whole else None,
            retriever_resources=cited(self._resources) if self.turn.cites else [],
            reasoning=self._reasoning,
        )

    def _logged(self, event: AgentLogged) -> None:
        if self.turn.mode != "agent-chat":
            return
        known = self.thoughts.get(event.entry_id)
        thought = thought_of(event, event.at if known is None else known.created_at)
        if thought is None:
            return
        self.thoughts[event.entry_id] = thought
        files = [_identity(file) for file in self.files]
        self.files += [file for file in thought.files if _identity(file) not in files]

    def _text_added(self, event: TextChunk) -> None:
        self._text.append(event.text)
        self._shown(event.at)

    def _replaced(self, event: TextReplaced) -> None:
        self._text = [event.text]
        self._final_text = None
        self.is_moderated = bool(event.reason)
        self._shown(event.at)

    def _shown(self, at: float) -> None:
        if self._first_text_at is None:
            self._first_text_at = at
        self._last_text_at = at

    def _attempted(self, event: NodeAttempted) -> None:
        if not event.rounds:
            self._add(event.usage)

    def _form(self, event: FormRequested | FormClosed) -> None:
        self._forms.apply(event)

    def _ended(self, event: RunFinished | RunPaused) -> None:
        self._end = event

    def _resumed(self, event: RunResumed) -> None:
        self._end = None

    def _retried(self, event: RunRetried) -> None:
        self._takes_over = False

    def _add(self, usage: Usage | None) -> None:
        if usage is not None:
            self._usage = usage if self._usage is None else total((self._usage, usage))

    def _node_finished(self, event: NodeFinished) -> None:
        if not event.rounds and not (self._is_basic and event.node_type == "knowledge-retrieval"):
            self._add(event.usage)
        self._resources += event.resources
        if event.status == "failed":
            self.failed_by = event.error_type
        if event.node_type == "agent" and self.turn.mode == "agent-chat":
            answer = event.outputs.get("answer")
            # Moderated answers stay replaced.
            self._final_text = answer if isinstance(answer, str) and not self.is_moderated else None
            return
        if event.node_type not in _ANSWERING:
            return
        if files := files_in(event.outputs):
            # An answer may show a file that an earlier model made.
            known = [_identity(file) for file in self.files]
            self.files += [file for file in files if _identity(file) not in known]
        reasoning = event.outputs.get("reasoning_content")
        if event.node_type == "llm" and isinstance(reasoning, str) and reasoning:
            self._reasoning[event.node_id] = self._reasoning.get(event.node_id, "") + reasoning

    def _usage_of_models(self) -> dict[str, Json]:
        """Return all fields of Dify's usage, with the answer's times."""
        if self._is_basic and isinstance(self._end, RunFinished) and self._end.status == "stopped":
            return no_usage()
        if self._usage_so_far[0] != self.count:
            self._usage_so_far = (self.count, self._usage_now())
        return self._usage_so_far[1]

    def _usage_now(self) -> dict[str, Json]:
        first = self._first_text_at
        return {
            **(_NO_USAGE if self._usage is None else usage_json(self._usage)),
            "latency": 0.0 if self._usage is None else round(self._usage.latency, 3),
            "time_to_first_token": None if first is None else round(max(0.0, first - self._began_at), 3),
            "time_to_generate": None if first is None else round(max(0.0, self._last_text_at - first), 3),
        }


_NO_USAGE: Final = usage_json(Usage(), "0.0")
"""Usage of runs without a model call, as most plain answers are."""


def no_usage() -> dict[str, Json]:
    """Return the usage of an answer without a model."""
    return {**_NO_USAGE, "time_to_first_token": None, "time_to_generate": None}


_STEPS: Final[Mapping[type, Callable[[TurnFold, Any], None]]] = {
    TextChunk: TurnFold._text_added,
    TextReplaced: TurnFold._replaced,
    NodeFinished: TurnFold._node_finished,
    NodeAttempted: TurnFold._attempted,
    AgentLogged: TurnFold._logged,
    FormRequested: TurnFold._form,
    FormClosed: TurnFold._form,
    RunPaused: TurnFold._ended,
    RunFinished: TurnFold._ended,
    RunResumed: TurnFold._resumed,
    RunRetried: TurnFold._retried,
}
"""Steps by event type. Other events, mostly starts of nodes, have no effect."""


class TurnWrites:
    """Writes accompanying the appends to one log, if its run answers a message."""

    def __init__(self, opening: Sequence[Projection] = ()) -> None:
        """``opening``: Written with the first event of the log; the last may be the ``TurnBegan``."""
        self._opening = opening
        self.fold: TurnFold | None = None
        """The answer up to the written events."""

    def written(self, log: Sequence[Event], at: int, events: Sequence[Event], *, is_retry: bool) -> list[Projection]:
        first = log[0]
        if not isinstance(first, RunStarted) or first.turn is None or first.turn.is_trial:
            return []
        # Folded events may have been dropped since.
        if self.fold is None or self.fold.count != at:
            self.fold = TurnFold(first, first.turn, is_retry=is_retry)
            self.fold.follow(log[:at])
        before, behind = list(self._opening) if at == 0 else [], self.fold.follow(events)
        began, changed = before[-1] if before else None, behind[-1] if behind else None
        if isinstance(began, TurnBegan) and isinstance(changed, TurnChanged):
            # The run ended in its first burst, as many do: the message is written once.
            before[-1] = replace(began, message=replace(began.message, answer=changed.answer))
            del behind[-1]
        return before + behind


def _identity(file: Json) -> Json:
    return file.get("related_id") or file.get("url") or FILE_IDENTITY


def thought_of(event: AgentLogged, created_at: float) -> Thought | None:
    """Return the thought in an entry of an agent's log; ``None`` for other entries."""
    if "position" not in event.data:
        return None
    known = {name: event.data[name] for name in _THOUGHT if name in event.data}
    return Thought(id=event.entry_id, created_at=created_at, **known)


def _of_api(resources: Iterable[dict[str, Json]]) -> list[dict[str, Json]]:
    """Return passages as an app without a workflow shows them: numbered in order, with the API as retriever."""
    return [
        {
            **entry,
            **dict.fromkeys(_UNRECORDED),
            "doc_metadata": None if entry.get("data_source_type") == "external" else entry.get("doc_metadata"),
            "retriever_from": "api",
            "position": position,
        }
        for position, entry in enumerate(resources, 1)
    ]


def file_id(message_id: str, of: str, position: int) -> str:
    """Return the id of a message's file.

    Args:
        of: ``user`` or ``assistant``.
        position: Among these, counted from 0.
    """
    return str(uuid5(UUID(message_id), f"{of}/{position}"))


def _numbered(resources: Iterable[dict[str, Json]]) -> list[dict[str, Json]]:
    """Return passages, one per document of a dataset, numbered from 1.

    Source: docs/dify-behaviour.md, “Messages of a chat stream”.
    """
    kept: dict[tuple[Json, Json], dict[str, Json]] = {}
    for entry in resources:
        kept.setdefault((entry.get("dataset_id"), entry.get("document_id")), entry)
    return [{**entry, "position": position} for position, entry in enumerate(kept.values(), 1)]
