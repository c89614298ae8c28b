"""Answers of apps of any kind as text: a fold over the log of a run, and its stream.

For a chat turn it is the message's text. For other runs it is their only output as text, streamed if it is shown so, or
several outputs as JSON. A run that waits for a human answers with its form.
"""

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from typing import Final, Literal

from msgspec import Struct

from jikko.apps.versions import Workflow
from jikko.dify.mcp import outputs_text
from jikko.errors import JikkoError
from jikko.events import (
    Event,
    FormClosed,
    FormRequested,
    ReasoningChunk,
    RunFinished,
    RunPaused,
    RunResumed,
    RunStarted,
    TextChunk,
    TextReplaced,
    Turn,
)
from jikko.http.requests import Request, authenticated
from jikko.http.routes.conversations.turn_routes import fold_of
from jikko.http.starts import promised
from jikko.lang.templates import to_text
from jikko.ports.stores.messages import Message
from jikko.record import RunForms, RunRecord
from jikko.runs.run_log import RunLog
from jikko.runs.runs import Started, StartOutcome
from jikko.runs.turn_fold import TurnFold, no_usage
from jikko.values import Json


class Delta(Struct, frozen=True):
    """Next piece of an answer, or of its model's reasoning."""

    text: str = ""
    reasoning: str = ""


class AnswerChanged(JikkoError):
    """The text shown so far was retracted, which a stream of deltas cannot express."""

    code = "answer_changed"
    status = 409

    def __init__(self) -> None:
        super().__init__("The answer was restarted after a server failure, and differs from the one shown so far.")


class RunFailed(JikkoError):
    """The app's run failed. Clients must not retry: the run would be done twice."""

    code = "run_failed"
    status = 400


_OF_TURNS: Final = (RunStarted, FormRequested, FormClosed, RunResumed, RunPaused, RunFinished)
"""Events with more content than the fold keeps."""


class AnswerText:
    """State of an answer at a position of its run's log."""

    def __init__(self, run_id: str, created_at: float, base_url: str) -> None:
        self.run_id = run_id
        self.message_id = self.conversation_id = ""
        self.created_at = int(created_at)
        self.is_over = False
        self.error: str | None = None
        self.is_shown = True
        """Whether the text that the run shows is the answer, or part of it."""
        self._base_url = base_url
        self._fold: TurnFold | None = None
        self._forms = RunForms()
        self._given: str | None = None
        """Text not shown by a run: of a message without a run, or of outputs."""
        self._waits_for = ""
        """Texts of open forms."""

    @classmethod
    def of_run(cls, record: RunRecord, base_url: str) -> "AnswerText":
        """Make the answer of a run, at the start of its log."""
        return cls(record.identity.run_id, record.created_at, base_url)

    @classmethod
    def of_ended(cls, record: RunRecord, base_url: str, fold: TurnFold, log: Iterable[Event]) -> "AnswerText":
        """Make the answer of a turn that has ended or waits, from its existing fold."""
        answer = cls.of_run(record, base_url)
        answer._fold = fold
        for event in log:
            if isinstance(event, _OF_TURNS):
                answer._told(event, fold, "")
        return answer

    @classmethod
    def of_message(cls, message: Message) -> "AnswerText":
        """Make the answer of a message without a run."""
        answer = cls("", message.created_at, "")
        answer._given, answer.is_over, answer.error = message.answer.text, True, message.answer.error
        answer.message_id, answer.conversation_id = message.id, message.conversation_id
        return answer

    @property
    def text(self) -> str:
        if self._given is not None:
            return self._given
        return (self._fold.text if self._fold is not None and self.is_shown else "") + self._waits_for

    @property
    def forms(self) -> list[FormRequested]:
        return list(self._forms.open.values())

    @property
    def files(self) -> list[Json]:
        return [] if self._fold is None else self._fold.files

    @property
    def reasoning(self) -> str:
        """Reasoning of models, from nodes that separate it."""
        return "" if self._fold is None else "\n".join(self._fold.metadata(is_whole=False).reasoning.values())

    @property
    def usage(self) -> dict[str, Json]:
        """Token usage as counted by ``TurnFold``."""
        return no_usage() if self._fold is None else self._fold.metadata().usage or no_usage()

    @property
    def finish_reason(self) -> Literal["stop", "content_filter"]:
        return "content_filter" if self._fold is not None and self._fold.is_moderated else "stop"

    def apply(self, event: Event) -> Delta | None:
        """Fold the next event, and return the answer's next piece.
        Raises ``AnswerChanged``: the text shown was retracted. Folding can go on."""
        if isinstance(event, RunStarted):
            self._fold = TurnFold(event, event.turn or Turn("", "", mode="workflow"))
        fold = self._fold
        assert fold is not None, "the log begins with RunStarted"
        shown = fold.text if isinstance(event, TextReplaced) else ""
        fold.apply(event)
        return self._told(event, fold, shown)

    def _told(self, event: Event, fold: TurnFold, shown: str) -> Delta | None:
        match event:
            case RunStarted():
                self.message_id, self.conversation_id = fold.turn.message_id, fold.turn.conversation_id
            case TextChunk():
                return Delta(event.text) if self.is_shown else None
            case ReasoningChunk() if event.text:
                return Delta(reasoning=event.text)
            case TextReplaced() if self.is_shown and not fold.is_moderated:
                if not event.text.startswith(shown):
                    raise AnswerChanged
                return Delta(event.text[len(shown) :])
            case FormRequested() | FormClosed():
                self._forms.apply(event)
            case RunResumed():
                self.is_over, self._waits_for = False, ""
            case RunPaused():
                self.is_over = True
                self._waits_for = "\n\n".join(map(self._form_text, self.forms))
                return Delta(self._waits_for)
            case RunFinished():
                self.is_over = True
                self.error = (event.error or "The run failed.") if event.status == "failed" else None
                if fold.turn.mode == "workflow" and event.status not in ("failed", "stopped"):
                    said, self._given = self.text, _text_of(event.outputs)
                    return Delta(self._given.removeprefix(said))
        return None

    def require_success(self) -> None:
        """Raise ``RunFailed`` if the run failed."""
        if self.error is not None:
            raise RunFailed(self.error)

    def _form_text(self, form: FormRequested) -> str:
        address = f"{self._base_url}/v1/form/human_input/{form.form['form_token']}"
        return f"{form.form['form_content']}\n\n{address}"


def _text_of(outputs: dict[str, Json]) -> str:
    return to_text(*outputs.values()) if len(outputs) == 1 else outputs_text(outputs)


def shows_its_answer(workflow: Workflow) -> bool:
    """Return whether runs of a workflow show their answer: the only output of the only End node."""
    outputs = [entry.data.get("outputs") or () for entry in workflow.document.nodes if entry.type == "end"]
    return len(outputs) == 1 and len(outputs[0]) == 1


async def whole_answer(request: Request, begun: StartOutcome | Message) -> AnswerText:
    """Wait until the answer is complete, or waits for a human.

    Raises:
        RunFailed: The run failed.
        JikkoError: See ``promised`` and ``RunReader.ended``.
    """
    if isinstance(begun, Message):
        answer = AnswerText.of_message(begun)
    else:
        await promised(request, begun.run)
        with non_retryable_errors():
            run = begun.run
            await run.ended()
            log = run.durable(0) if isinstance(run, RunLog) else []
            if log and isinstance(run, RunLog) and run.turn is not None:
                answer = AnswerText.of_ended(run.record, request.base_url, run.turn, log)
            else:
                answer = await answer_so_far(request, run)
    answer.require_success()
    return answer


async def begun_answer(request: Request, begun: StartOutcome | Message) -> AnswerText:
    """Return the answer at its start, once the run, if any, is durable."""
    if isinstance(begun, Message):
        answer = AnswerText.of_message(begun)
        answer.require_success()
        return answer
    run = begun.run
    await promised(request, run)
    answer = AnswerText.of_run(run.record, request.base_url)
    app = await authenticated(request)
    with non_retryable_errors():
        if app.mode == "workflow":
            answer.is_shown = shows_its_answer(await request.api.workflows.get(app, run.record.identity.workflow_id))
        else:
            turn = (await fold_of(request.api, run)).turn
            answer.message_id, answer.conversation_id = turn.message_id, turn.conversation_id
    return answer


async def answer_so_far(request: Request, run: Started) -> AnswerText:
    answer = AnswerText.of_run(run.record, request.base_url)
    for event in await request.api.runs.control.events(run.record):
        try:
            answer.apply(event)
        except AnswerChanged:
            continue
    return answer


async def deltas(request: Request, run: Started, answer: AnswerText) -> AsyncIterator[list[Delta]]:
    """Yield an answer as it comes, folded into ``answer``; an empty list when idle.

    Raises:
        RunFailed: The run failed.
        AnswerChanged: See ``AnswerText.apply``.
        JikkoError: See ``RunReader.follow``.
    """
    async for batch in run.follow(idle=request.front.ping_seconds):
        found = [delta for _, event in batch if (delta := answer.apply(event)) is not None]
        if found or not batch:
            yield found
    answer.require_success()


@contextmanager
def non_retryable_errors() -> Iterator[None]:
    """Mark errors after a run became durable as not to be retried: the run would be done twice."""
    try:
        yield
    except JikkoError as error:
        error.headers = {**error.headers, "X-Should-Retry": "false"}
        raise
