"""Differences between two runs. Pure functions."""

import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from msgspec import Struct
from msgspec.json import decode

from jikko.concurrency.json_in_pieces import decode_json
from jikko.concurrency.run_in_thread import run_in_thread
from jikko.ports.stores.run_store import RunStore
from jikko.record import RunRecord
from jikko.repositories.conversation_store import ConversationStore
from jikko.runs.reading.field_changes import Change, ChangedField, field_changes
from jikko.runs.reading.node_executions import NodeExecution, node_executions
from jikko.values import encode_json, is_file

_VOLATILE: Final = frozenset(
    ("sys.conversation_id", "sys.message_id", "sys.timestamp", "sys.workflow_id", "sys.workflow_run_id")
)
"""Variables that differ in each run, or in each version."""
_OF_CALLS: Final = frozenset(("latency", "time_to_first_token", "time_to_generate"))
"""Durations of a model call, among its token counts."""
_OF_FILES: Final = frozenset(("related_id", "reference", "url", "remote_url"))
"""Storage places of a file: each run has its own copies."""
_Key: TypeAlias = tuple[str, tuple[tuple[str, int], ...], int]
"""Node id, container rounds, and number of earlier executions there."""


class ExecutionChange(Struct, frozen=True):
    """A node that ran in only one of the runs, or differently."""

    node: str
    title: str
    rounds: tuple[int, ...]
    """Container rounds, outermost first, from 0."""
    change: Change
    fields: tuple[ChangedField, ...] = ()
    """Of ``status``, ``error``, ``inputs``, ``outputs``, ``attempts`` and ``total_tokens``."""
    seconds: tuple[float, float] = (0.0, 0.0)


class RunDifference(Struct, frozen=True):
    """All differences, except for ids, times and durations."""

    fields: tuple[ChangedField, ...]
    """Of the runs: status, error, inputs, outputs, answer, tokens and steps."""
    nodes: tuple[ExecutionChange, ...]
    """In starting order."""
    same: int
    """Number of equal executions."""


def run_difference(
    before: Mapping[str, Any], after: Mapping[str, Any], old: Iterable[NodeExecution], new: Iterable[NodeExecution]
) -> RunDifference:
    """Return how the second run differs from the first. ``before``, ``after``: Compared values of the runs, by name.
    ``old``, ``new``: Their node executions."""
    first, second = _by_key(old), _by_key(new)
    changes = []
    for key, execution in second.items():
        if key not in first:
            changes.append((execution.index, _change(execution, "added")))
        elif found := tuple(field_changes("", _compared(first[key]), _compared(execution))):
            changed = _change(execution, "changed", found, (first[key].elapsed_time, execution.elapsed_time))
            changes.append((execution.index, changed))
    changes += [(each.index, _change(each, "removed")) for key, each in first.items() if key not in second]
    changes.sort(key=lambda one: one[0])
    same = sum(key in first for key in second) - sum(change.change == "changed" for _, change in changes)
    fields = tuple(field_changes("", steady(before), steady(after)))
    return RunDifference(fields, tuple(change for _, change in changes), same)


def _by_key(executions: Iterable[NodeExecution]) -> dict[_Key, NodeExecution]:
    seen: Counter[Any] = Counter()
    found: dict[_Key, NodeExecution] = {}
    for execution in executions:
        place = execution.node_id, tuple((each.node_id, each.index) for each in execution.rounds)
        found[*place, seen[place]] = execution
        seen[place] += 1
    return found


def recorded_changes(old: Any, new: Any, path: str = "", *, own_files: bool = False) -> Iterator[ChangedField]:
    """Yield the values that differ between a recorded run and its replay, compared as JSON. ``own_files``: Whether the
    replay may have stored files of its own, whose places do not count."""
    before, after = encode_json(old), encode_json(new)
    if before != after:
        yield from field_changes(path, *(steady(decode(each), own_files=own_files) for each in (before, after)))


def steady(value: Any, *, own_files: bool = True) -> Any:
    """Return a value without what differs in each run. ``own_files``: Also without storage places of files."""
    if isinstance(value, list):
        return [steady(each, own_files=own_files) for each in value]
    if not isinstance(value, Mapping):
        return value
    out = (_OF_FILES if own_files else ()) if is_file(value) else _OF_CALLS if "total_tokens" in value else ()
    kept = ((name, each) for name, each in value.items() if name not in _VOLATILE and name not in out)
    return {name: steady(each, own_files=own_files) for name, each in kept}


def _compared(execution: NodeExecution) -> dict[str, Any]:
    metadata = execution.execution_metadata or {}
    return {
        "status": execution.status,
        "error": execution.error,
        "inputs": steady(execution.inputs),
        "outputs": steady(execution.outputs),
        "attempts": len(execution.attempts),
        "total_tokens": metadata.get("total_tokens"),
    }


def _change(
    execution: NodeExecution,
    change: Change,
    fields: tuple[ChangedField, ...] = (),
    seconds: tuple[float, float] = (0.0, 0.0),
) -> ExecutionChange:
    rounds = tuple(each.index for each in execution.rounds)
    return ExecutionChange(execution.node_id, execution.title or execution.node_id, rounds, change, fields, seconds)


async def compare_runs(
    store: RunStore, conversations: ConversationStore, first: RunRecord, second: RunRecord
) -> RunDifference:
    """Return how the second run differs from the first so far. Raises ``LogDamaged``, ``StoreUnavailable``."""
    (before, old), (after, new) = await _read(store, conversations, first), await _read(store, conversations, second)
    return await run_in_thread(lambda _: run_difference(before, after, old, new), None, queue="records")


async def _read(
    store: RunStore, conversations: ConversationStore, record: RunRecord
) -> tuple[dict[str, Any], list[NodeExecution]]:
    events = await store.events(record.identity.run_id)
    message = await conversations.message_of_run(record.identity.run_id)
    compared = {
        "status": record.status,
        "error": record.error,
        "inputs": await _decoded(record.inputs),
        "outputs": await _decoded(record.outputs),
        "answer": None if message is None else message.answer.text,
        "total_tokens": record.total_tokens,
        "total_steps": record.total_steps,
    }
    executions = await run_in_thread(
        lambda _: node_executions(events, status=record.status, error=record.error), None, queue="records"
    )
    return compared, executions


async def _decoded(text: str | bytes) -> Any:
    try:
        return await decode_json(text, json.loads, sys.maxsize)
    except RecursionError:  # a value of maximum depth, with the names around it
        return json.loads(text)
