"""A recorded run, read and made a case of a test file."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeAlias

import yaml

from jikko.apps.versions import Workflow
from jikko.errors import Conflict
from jikko.events import FormClosed, RunStarted
from jikko.ports.stores.run_store import RunStore
from jikko.proving.recorded_case import recorded_case
from jikko.proving.verdict import NodeNames
from jikko.record import RunRecord
from jikko.repositories.conversation_store import ConversationStore
from jikko.values import Json, encode_json, stored_files

_NEVER_ENDS: Final = {
    "stopped": "it was stopped from outside, and no test does that",
    "running": "it has not ended yet",
}
_LONG: Final = 50_000
"""Bytes as JSON."""
SaveFiles: TypeAlias = Callable[[Mapping[str, dict[str, Json]]], Awaitable[Mapping[str, str]]]
"""Saves files of a run, which come by their ids; gives their paths, from the folder of the test file."""


def require_testable(record: RunRecord) -> None:
    """Raises ``Conflict``: no test can do what the run did."""
    if record.status in _NEVER_ENDS:
        raise Conflict(f"run {record.identity.run_id} cannot be made a test: {_NEVER_ENDS[record.status]}")


async def saved_case(
    store: RunStore, conversations: ConversationStore, workflow: Workflow, record: RunRecord, save: SaveFiles
) -> Mapping[str, Any]:
    """The case, as a test file has it.

    Raises:
        LogDamaged, StoreUnavailable: The log cannot be read.
        What ``save`` raises.
    """
    run_id = record.identity.run_id
    names = NodeNames({node.id: node.title for node in workflow.graph.nodes.values()})
    events = await store.events(run_id)
    first = next((event for event in events if isinstance(event, RunStarted)), None)
    values: list[Json] = [dict(event.data) for event in events if isinstance(event, FormClosed)]
    if first is not None:
        values += [*first.inputs.values(), first.system.get("files")]
    given = dict(stored_files(values))
    paths = await save(given) if given else {}
    message = await conversations.message_of_run(run_id)
    answer = None if message is None else message.answer.text
    return recorded_case(f"run {run_id}", events, names, paths, answer)


class _LongDumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Much faster, but writes emoji as escapes, which people read less well: for long files only."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def as_test_file(content: Any) -> bytes:
    """A test file, or a workflow, in YAML."""
    dumper = _LongDumper if len(encode_json(content)) > _LONG else yaml.SafeDumper
    written: str = yaml.dump(content, Dumper=dumper, allow_unicode=True, sort_keys=False, width=120)
    return written.encode()
