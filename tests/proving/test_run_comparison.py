"""Comparison of two recorded runs with large inputs and outputs, without blocking the event loop."""

import json
from pathlib import Path

import msgspec
import pytest

from jikko.concurrency.json_in_pieces import LARGE_BYTES
from jikko.proving.run_difference import compare_runs
from jikko.store.sqlite import Database, SqliteRunStore
from jikko.store.sqlite.conversation_store import SqliteConversationStore
from jikko.values import MAX_DEPTH, Json, is_too_deep
from tests.contract.runs import Draft
from tests.effort import cpu_seconds, longest_turn

pytestmark = pytest.mark.anyio


async def test_large_inputs_and_outputs_hold_nobody_up(tmp_path: Path) -> None:
    words = ["言葉🙂" * 1_000] * 1_000
    small, large = (
        msgspec.structs.replace(
            Draft().record,
            inputs=json.dumps({"q": found}, ensure_ascii=False),
            outputs=json.dumps({"said": found}, ensure_ascii=False).encode(),
        )
        for found in ("", words)
    )
    database = Database.open(tmp_path / "jikko.db")
    try:
        runs, conversations = SqliteRunStore(database), SqliteConversationStore(database)
        found = await compare_runs(runs, conversations, small, large)
        pauses = [await longest_turn(compare_runs(runs, conversations, small, large)) for _ in range(3)]
    finally:
        database.close()

    assert {field.path.split("/")[1] for field in found.fields} == {"inputs", "outputs"}
    assert min(pauses)[0] < cpu_seconds(lambda: (json.loads(large.inputs), json.loads(large.outputs))) / 2


async def test_a_large_value_that_is_nested_as_deeply_as_may_be_is_compared(tmp_path: Path) -> None:
    deep: Json = ["深" * LARGE_BYTES]
    for _ in range(MAX_DEPTH - 1):
        deep = [deep]
    assert not is_too_deep(deep)
    one, other = (
        msgspec.structs.replace(Draft().record, outputs=json.dumps({"said": value}).encode()) for value in ("浅", deep)
    )
    database = Database.open(tmp_path / "jikko.db")
    try:
        found = await compare_runs(SqliteRunStore(database), SqliteConversationStore(database), one, other)
    finally:
        database.close()

    assert [field.path for field in found.fields] == ["/outputs/said"]
