"""Runs written step by step by tests of stores."""

from typing import Any, Literal

import msgspec

from jikko.events import Event, NodeFinished, NodeStarted, RunFinished, RunPaused, RunStarted
from jikko.ids import new_id
from jikko.ports.stores.run_store import Append, LogQuery, RunStore
from jikko.record import RunIdentity, RunRecord
from jikko.values import Json

APP = "0199a1b2-0000-7000-8000-000000000001"
OTHER_APP = "0199a1b2-0000-7000-8000-000000000002"
WORKFLOW = "0199a1b2-0000-7000-8000-00000000000a"


class Draft:
    """Running run: its events so far, and the resulting record."""

    def __init__(self, *, app: str = APP, user: str = "anna", retry_of: str | None = None) -> None:
        self.id = new_id()
        self.events: list[Event] = []
        identity = RunIdentity(
            run_id=self.id,
            task_id=new_id(),
            app_id=app,
            workflow_id=WORKFLOW,
            version="2025-06-01 08:00:00.123456",
            end_user_id=f"id of {user}",
            user=user,
            retry_of=retry_of,
        )
        self.record = RunRecord(identity=identity)

    def step(self, *events: Event) -> Append:
        """Return the append of the next events."""
        at = len(self.events)
        self.events += events
        for event in events:
            self.record.apply(event)
        return Append(self.id, at, list(events), msgspec.structs.replace(self.record))

    def whole(self, at: float = 1000.0, status: Literal["succeeded", "failed", "stopped"] = "succeeded") -> Append:
        """Return the append of a run that ends as soon as it begins."""
        return self.step(started(at), *node(at, 1), finished(at + 1, status))


def started(at: float = 1000.0, **inputs: Json) -> RunStarted:
    return RunStarted(at=at, inputs=inputs, system={"user_id": "anna", "app_id": APP})


def node(at: float = 1000.0, index: int = 1, **outputs: Json) -> tuple[NodeStarted, NodeFinished]:
    begun = NodeStarted(at=at, execution_id=new_id(), node_id=f"node {index}", node_type="code", index=index)
    ended = NodeFinished(
        at=at,
        execution_id=begun.execution_id,
        node_id=begun.node_id,
        node_type="code",
        index=index,
        started_at=at,
        elapsed=0.5,
        status="succeeded",
        outputs=outputs,
    )
    return begun, ended


def paused(at: float = 1000.0, wake_at: float | None = None) -> RunPaused:
    return RunPaused(at=at, paused_nodes=["form"], elapsed=0.5, total_steps=2, wake_at=wake_at)


def finished(
    at: float = 1001.0, status: Literal["succeeded", "failed", "stopped"] = "succeeded", **outputs: Json
) -> RunFinished:
    error = "it broke" if status == "failed" else None
    return RunFinished(at=at, status=status, outputs=outputs, error=error, elapsed=1.0, total_steps=3)


async def listed(store: RunStore, **query: Any) -> tuple[int, list[str]]:
    """Return a query's total number of runs, and the ids of its page."""
    page = await store.list_runs(LogQuery(app_id=query.pop("app", APP), **query))
    return page.total, [record.identity.run_id for record in page.records]
