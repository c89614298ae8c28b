"""Run record: a pure fold over the run's log, shared by stores and services."""

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
"""Inputs of a run that has not started: others have ``sys.*`` variables at least."""


class RunIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """Identity and owner of a run, fixed when it is accepted."""

    run_id: str
    task_id: str
    app_id: str
    workflow_id: str
    version: str
    """The version's time as text, as shown in logs."""
    end_user_id: str
    user: str
    """``user`` of the request."""
    retry_of: str | None = None
    """The run that this one retries."""


class RetryRecord(msgspec.Struct, frozen=True):
    """Entry in a run's list of retries."""

    run_id: str
    status: RunStatus
    created_at: float


class DetailRecord(msgspec.Struct, frozen=True):
    """Fields of a record that run detail shows, including the identity's."""

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
    """One run as a row: everything that run detail and the list of logs show.

    Source: docs/dify-behaviour.md, “Run records”.
    """

    identity: RunIdentity
    status: RunStatus = "running"
    inputs: str = NO_INPUTS
    """Inputs and ``sys.*`` variables of ``RunStarted`` as JSON text, non-ASCII escaped. If they are large, the text is
    made by the caller that starts the run."""
    outputs: bytes = b"{}"
    """Outputs as JSON text in UTF-8."""
    error: str | None = None
    elapsed: float = 0.0
    """Seconds; 0 while the run is open."""
    total_tokens: int = 0
    total_steps: int = 0
    exceptions_count: int = 0
    created_at: float = 0.0
    finished_at: float | None = None
    price: str = ""
    """From ``RunFinished``, as ``currency``, ``failed_node`` and ``exceptions``."""
    currency: str = ""
    failed_node: FailedNode | None = None
    exceptions: Exceptions | None = None
    wake_at: float | None = None
    """When a paused run continues by itself, as its first form expires."""
    epoch: int = 1
    """1 plus the number of takeovers after crashes. Earlier epochs may not write."""
    holder: str = ""
    """Name of the server process that executes the run, or empty."""
    format: int = 1
    """Lowest ``LOG_FORMAT`` with all its events: older processes leave it to others. Not kept after the end."""

    @property
    def is_known(self) -> bool:
        return self.format <= LOG_FORMAT

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    def detail(self) -> DetailRecord:
        """Return the fields that run detail shows."""
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
        """Fold one event into the record. Unrelated events change nothing."""
        match event:
            case RunStarted():
                self.created_at = event.at
                if event.mocks:
                    self.format = 3
                elif event.entry:
                    self.format = max(self.format, 2)
                if self.inputs == NO_INPUTS:
                    self.inputs = stored_inputs(event)
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


COUNTS: Final = ("total_tokens", "total_steps", "exceptions_count")
"""Counts of a record: columns of the same names."""
PARTS: Final = {"failed_node": FailedNode, "exceptions": Exceptions}
"""Parts of a record's last event: JSON columns."""
OF_RECORD: Final = frozenset((RunStarted, RunRecovered, RunPaused, RunResumed, RunFinished))
"""Events that change a record."""
OF_FORMS: Final = frozenset((FormRequested, FormClosed))
"""Events that change forms."""


class RunForms(msgspec.Struct):
    """Forms of a run, by execution, in the order of their requests: a fold over its log."""

    requested: dict[str, FormRequested] = {}
    """All forms."""
    open: dict[str, FormRequested] = {}
    """Forms that can still be submitted."""
    closed: dict[str, FormClosed] = {}
    """Outcomes of the others."""

    @classmethod
    def of(cls, log: Iterable[Event]) -> "RunForms":
        forms = cls()
        for event in log:
            forms.apply(event)
        return forms

    def apply(self, event: Event) -> None:
        """Fold one event. Unrelated events change nothing."""
        if isinstance(event, FormRequested):
            self.requested[event.execution_id] = self.open[event.execution_id] = event
        elif isinstance(event, FormClosed):
            self.open.pop(event.execution_id, None)
            self.closed[event.execution_id] = event

    def forget(self, execution_id: str) -> None:
        for forms in (self.requested, self.open, self.closed):
            forms.pop(execution_id, None)


def folded(identity: RunIdentity, log: Iterable[Event]) -> RunRecord:
    """Return the record of a run from a prefix of its log. It has no holder."""
    record = RunRecord(identity=identity)
    for event in log:
        if type(event) in OF_RECORD:
            record.apply(event)
    return record


def stored_inputs(event: RunStarted) -> str:
    """Return a run's inputs as stored: JSON text with ``", "`` and ``": "``, non-ASCII escaped.

    Source: docs/dify-behaviour.md, “Run records” (``inputs``).
    """
    return _to_json(all_inputs(event))


def _encoder_of_inputs() -> Callable[[Any], str]:
    """Return ``json.dumps`` with a cached C encoder: making one per call takes half the time for most inputs."""
    make: Any = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return json.dumps
    plain = json.encoder.JSONEncoder()
    try:
        parts = make(None, plain.default, json.encoder.encode_basestring_ascii, None, ": ", ", ", False, False, True)
    except TypeError:
        return json.dumps  # a later Python has another constructor
    return lambda value: "".join(parts(value, 0))


_to_json: Final = _encoder_of_inputs()


def all_inputs(event: RunStarted) -> dict[str, Json]:
    """Return a run's inputs and ``sys.*`` variables, in the order of storage."""
    return {**event.inputs, **{f"sys.{name}": value for name, value in event.system.items()}}


def beginning(record: RunRecord) -> RunStarted:
    """Return the run's first event, restored from its record."""
    values = json.loads(record.inputs)
    return RunStarted(
        at=record.created_at,
        inputs={name: value for name, value in values.items() if not name.startswith("sys.")},
        system={name[4:]: value for name, value in values.items() if name.startswith("sys.")},
    )


def ending(record: RunRecord) -> RunFinished | None:
    """Return the run's last event, restored from its record; ``None`` if it has not ended."""
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
