"""PostgreSQL's plans of the most frequent queries: by run id, however many runs an app has."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from jikko.store.postgres.database import Postgres
from jikko.store.postgres.runs.run_store import DETAIL, DETAILS, PostgresRunStore
from jikko.store.postgres.sql import id_column
from tests.contract.runs import Draft, finished, started

pytestmark = [pytest.mark.anyio, pytest.mark.services, pytest.mark.postgres]

RUNS = 1000
ASKED = 32


def looked_at(plan: dict[str, Any]) -> Iterator[float]:
    """Rows that each step of a plan has read, those that were not wanted included."""
    read = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Join Filter", 0)
    yield read * plan["Actual Loops"]
    for step in plan.get("Plans", []):
        yield from looked_at(step)


@pytest.mark.parametrize("many", [False, True])
async def test_run_detail_looks_at_no_other_runs_of_the_app(database: Postgres, many: bool) -> None:
    store = PostgresRunStore(database)
    runs = [Draft() for _ in range(RUNS)]
    await asyncio.gather(*(store.append(run.step(started(), finished())) for run in runs))
    ids, digest = [id_column(run.id) for run in runs[:ASKED]], b"\x01" * 32
    add = "INSERT INTO api_keys (key_id, app_id, digest, hint, created_at) VALUES ($1, $2, $3, '', 0)"
    app_id = await database.value("SELECT app_id FROM runs LIMIT 1")
    await database.execute(
        "INSERT INTO apps (app_id, name, mode, description, icon_type, icon, icon_background, use_icon_as_answer_icon, "
        "created_at, workflow_id) VALUES ($1, 'a', 'workflow', '', '', '', '', false, 0, $1)",
        app_id,
    )
    await database.execute(add, b"key", app_id, digest)
    connection = await database.connect(by_key=True)
    try:
        statement, values = (DETAILS, ([*ids], [digest] * ASKED)) if many else (DETAIL, (ids[0], digest))
        explained = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", *values)
    finally:
        await connection.close()
        await store.close()

    [plan] = [entry["Plan"] for entry in json.loads(explained)]
    assert plan["Actual Rows"] == (ASKED if many else 1)
    assert max(looked_at(plan)) <= 2 * ASKED
