"""Two recorded runs, read and compared."""

import json
import sys
from typing import Any

from jikko.concurrency.json_in_pieces import decode_json
from jikko.concurrency.run_in_thread import run_in_thread
from jikko.ports.stores.run_store import RunStore
from jikko.proving.run_difference import RunDifference, run_difference
from jikko.record import RunRecord
from jikko.repositories.conversation_store import ConversationStore
from jikko.runs.reading.node_executions import NodeExecution, node_executions


async def compare_runs(
    store: RunStore, conversations: ConversationStore, first: RunRecord, second: RunRecord
) -> RunDifference:
    """What the second run did otherwise than the first, as far as they have come. Raises ``LogDamaged``,
    ``StoreUnavailable``: the log of one cannot be read."""
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
    except RecursionError:  # a value as deep as may be, and the names around it
        return json.loads(text)
