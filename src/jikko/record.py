"""The record of a run: a fold over its log. Pure functions; stores and services share them."""

import json
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from jikko.event_parts import Exceptions, FailedNode
from jikko.events import (
    LOG_FORMAT,
    Event,
    FormClosed,
    FormRequested,
    RunFinished,
    RunPaused,
    RunRecovered,
    RunResumed,
    RunStarted,
    RunStatus,
)
from jikko.long_texts import encode_once, has_long_text
from jikko.values import Json, encode_json

OPEN: Final[tuple[RunStatus, ...]] = ("running", "paused")
NO_INPUTS: Final = "{}"
"""The inputs of a run that has not started: others have ``sys.*`` variables at least."""


class RunIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """Which run it is, and to whom it belongs. Fixed when it is accepted."""

    run_id: str
    task_id: str
    app_id: str
    workflow_id: str
    version: str
    """The version's time as text, as the logs show it."""
    end_user_id: str
    user: str
    """The ``user`` of the request."""
    retry_of: str | None = None
    """The run that this one repeats from a node."""


class RetryRecord(msgspec.Struct, frozen=True):
    """A run that repeats another, as that one's list of them shows it."""

    run_id: str
    status: RunStatus
    created_at: float


class DetailRecord(msgspec.Struct, frozen=True):
    """What run detail shows of a record: its fields, those of the identity among them."""

    run_id: str
    workflow_id: str
    status: RunStatus
    inputs: str
    outputs: bytes
    error: str | None
    elapsed: float
    total_tokens: int
    total_steps: int
    created_at: float
    finished_at: float | None


class RunRecord(msgspec.Struct, kw_only=True):
    """One run as a row: all that run detail and the list of logs show.

    Source: docs/dify-behaviour.md, “Run records”.
    """

    identity: RunIdentity
    status: RunStatus = "running"
    inputs: str = NO_INPUTS
    """Prepared inputs and ``sys.*`` variables as JSON text, non-ASCII escaped. They are those of ``RunStarted``; where
    these are large, who starts the run has made the text before."""
    outputs: bytes = b"{}"
    """The outputs as JSON text in UTF-8."""
    error: str | None = None
    elapsed: float = 0.0
    """Seconds; 0 while the run is open."""
    total_tokens: int = 0
    total_steps: int = 0
    exceptions_count: int = 0
    created_at: float = 0.0
    finished_at: float | None = None
    price: str = ""
    """As ``RunFinished`` tells it; so ``currency``, ``failed_node`` and ``exceptions``."""
    currency: str = ""
    failed_node: FailedNode | None = None
    exceptions: Exceptions | None = None
    wake_at: float | None = None
    """When a paused run goes on by itself: its first form runs out of time then."""
    epoch: int = 1
    """1 until the run is taken over after a crash; each takeover adds one. An earlier one may not write."""
    holder: str = ""
    """The server process that executes the run, by the name that it has among others; empty if it has none."""
    format: int = 1
    """The least ``LOG_FORMAT`` that knows all its events: who does not know it leaves the run to others. Not kept of
    runs that have ended."""

    @property
    def is_known(self) -> bool:
        return self.format <= LOG_FORMAT

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    def detail(self) -> DetailRecord:
        """The part of it that run detail shows."""
        return DetailRecord(
            run_id=self.identity.run_id,
            workflow_id=self.identity.workflow_id,
            status=self.status,
            inputs=self.inputs,
            outputs=self.outputs,
            error=self.error,
            elapsed=self.elapsed,
            total_tokens=self.total_tokens,
            total_steps=self.total_steps,
            created_at=self.created_at,
            finished_at=self.finished_at,
        )

    def apply(self, event: Event) -> None:
        """Fold one event into the record. Events that do not concern it change nothing."""
        match event:
            case RunStarted():
                self.created_at = event.at
                if event.mocks:
                    self.format = 3
                elif event.entry:
                    self.format = max(self.format, 2)
                if self.inputs == NO_INPUTS:
                    self.inputs = stored_inputs(event)
            case RunRecovered():
                self.epoch = event.epoch
                self.status = "running"
            case RunPaused():
                self.status = "paused"
                self.elapsed = event.elapsed
                self.total_tokens, self.total_steps = event.total_tokens, event.total_steps
                self.wake_at = event.wake_at
                self.holder = ""
            case RunResumed():
                self.status = "running"
                self.wake_at = None
            case RunFinished():
                self.status = event.status
                is_long = has_long_text([event.outputs])
                self.outputs = encode_once(event.outputs) if is_long else encode_json(event.outputs)
                self.error = event.error
                self.elapsed = event.elapsed
                self.total_tokens, self.total_steps = event.total_tokens, event.total_steps
                self.exceptions_count = event.exceptions_count
                self.price, self.currency = event.price, event.currency
                self.failed_node, self.exceptions = event.failed_node, event.exceptions
                self.finished_at = event.at
                self.holder = ""


COUNTS: Final = ("total_tokens", "total_steps", "exceptions_count")
"""Fields of a record that are counts: columns of the same names."""
PARTS: Final = {"failed_node": FailedNode, "exceptions": Exceptions}
"""Fields of a record that are parts of its last event: columns of JSON."""
OF_RECORD: Final = frozenset((RunStarted, RunRecovered, RunPaused, RunResumed, RunFinished))
"""The events that concern a record."""
OF_FORMS: Final = frozenset((FormRequested, FormClosed))
"""The events that concern forms."""


class RunForms(msgspec.Struct):
    """The forms of a run: a fold over its log. By execution, in the order in which they were requested."""

    requested: dict[str, FormRequested] = {}
    """All of them."""
    open: dict[str, FormRequested] = {}
    """Those that can still be submitted."""
    closed: dict[str, FormClosed] = {}
    """What became of the others."""

    @classmethod
    def of(cls, log: Iterable[Event]) -> "RunForms":
        forms = cls()
        for event in log:
            forms.apply(event)
        return forms

    def apply(self, event: Event) -> None:
        """Fold one event. Events that do not concern forms change nothing."""
        if isinstance(event, FormRequested):
            self.requested[event.execution_id] = self.open[event.execution_id] = event
        elif isinstance(event, FormClosed):
            self.open.pop(event.execution_id, None)
            self.closed[event.execution_id] = event

    def forget(self, execution_id: str) -> None:
        for forms in (self.requested, self.open, self.closed):
            forms.pop(execution_id, None)


def folded(identity: RunIdentity, log: Iterable[Event]) -> RunRecord:
    """The record of a run, as its log up to some position makes it. It has no holder."""
    record = RunRecord(identity=identity)
    for event in log:
        if type(event) in OF_RECORD:
            record.apply(event)
    return record


def stored_inputs(event: RunStarted) -> str:
    """The inputs of a run as they are stored: JSON text with ``", "`` and ``": "``, non-ASCII escaped.

    Source: docs/dify-behaviour.md, “Run records” (``inputs``).
    """
    return _to_json(all_inputs(event))


def _encoder_of_inputs() -> Callable[[Any], str]:
    """``json.dumps``, which makes an encoder in C for each call: half of what the inputs of most runs take."""
    make: Any = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return json.dumps
    plain = json.encoder.JSONEncoder()
    try:
        parts = make(None, plain.default, json.encoder.encode_basestring_ascii, None, ": ", ", ", False, False, True)
    except TypeError:
        return json.dumps  # a later Python makes it otherwise
    return lambda value: "".join(parts(value, 0))


_to_json: Final = _encoder_of_inputs()


def all_inputs(event: RunStarted) -> dict[str, Json]:
    """The inputs of a run and its ``sys.*`` variables, in the order in which they are stored."""
    return {**event.inputs, **{f"sys.{name}": value for name, value in event.system.items()}}


def beginning(record: RunRecord) -> RunStarted:
    """The event that a run began with, as its record has kept it."""
    values = json.loads(record.inputs)
    return RunStarted(
        at=record.created_at,
        inputs={name: value for name, value in values.items() if not name.startswith("sys.")},
        system={name[4:]: value for name, value in values.items() if name.startswith("sys.")},
    )


def ending(record: RunRecord) -> RunFinished | None:
    """The event that a run ended with, as its record has kept it; ``None`` if it has not."""
    if record.status == "running" or record.status == "paused":
        return None
    return RunFinished(
        at=record.finished_at or 0.0,
        status=record.status,
        outputs=json.loads(record.outputs),
        error=record.error,
        elapsed=record.elapsed,
        total_tokens=record.total_tokens,
        total_steps=record.total_steps,
        exceptions_count=record.exceptions_count,
        price=record.price,
        currency=record.currency,
        failed_node=record.failed_node,
        exceptions=record.exceptions,
    )
