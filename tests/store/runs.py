"""Runs for tests of the SQLite store."""

import msgspec

from jikko.events import Event, NodeEvent, NodeFinished, NodeStarted, RunFinished, RunStarted
from jikko.ids import new_id
from jikko.ports.stores.run_store import Append
from jikko.record import RunIdentity, RunRecord

APP = new_id()
WORKFLOW = new_id()
USER = new_id()


def chain(nodes: int = 10, *, at: float = 1795569767.6786566) -> tuple[RunRecord, list[Event]]:
    """Return a finished run of nodes in sequence, as large as typical user runs."""
    run_id, user = new_id(), "user-42"
    identity = RunIdentity(
        run_id=run_id,
        task_id=new_id(),
        app_id=APP,
        workflow_id=WORKFLOW,
        version="2025-06-01 08:00:00.123456",
        end_user_id=USER,
        user=user,
    )
    system = {
        "files": [],
        "user_id": user,
        "app_id": APP,
        "timestamp": int(at),
        "workflow_id": WORKFLOW,
        "workflow_run_id": run_id,
    }
    question = f"How do I reset the password of account {run_id[-6:]}?"
    events: list[Event] = [RunStarted(at=at, inputs={"question": question, "language": "en"}, system=system)]
    previous = None
    for index in range(1, nodes + 1):
        at += 0.000_123_456_7
        kind = ("start", "if-else", "template-transform", "code", "variable-aggregator")[index % 5]
        begun = NodeStarted(
            at=at,
            execution_id=new_id(),
            node_id=str(1721000000000 + index),
            node_type=kind,
            title=f"Step {index}: {kind}",
            index=index,
            predecessor=previous,
        )
        ended = NodeFinished(
            **{field: getattr(begun, field) for field in NodeEvent.__struct_fields__ if field != "at"},
            at=at + 0.000_045_678_9,
            started_at=at,
            elapsed=0.000_045_678_9,
            status="succeeded",
            inputs={"text": question},
            outputs={"output": f"{question} (step {index})"},
        )
        events += [begun, ended]
        previous = begun.node_id
    events.append(
        RunFinished(at=at, status="succeeded", outputs={"result": question}, elapsed=0.0012, total_steps=nodes)
    )
    record = RunRecord(identity=identity)
    for event in events:
        record.apply(event)
    return record, events


def whole(record: RunRecord, events: list[Event]) -> Append:
    """Return a run as a single append."""
    return Append(record.identity.run_id, 0, events, record)


def steps(identity: RunIdentity, events: list[Event], size: int) -> list[Append]:
    """Return a run's appends, ``size`` events at a time."""
    record, appends = RunRecord(identity=identity), []
    for at in range(0, len(events), size):
        piece = events[at : at + size]
        for event in piece:
            record.apply(event)
        appends.append(Append(identity.run_id, at, piece, msgspec.structs.replace(record)))
    return appends
