"""Carrying runs from one database to another."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jikko.errors import LogDamaged
from jikko.ports.run_store import RunStore
from jikko.service.transfer import BadLine, export_lines, import_lines
from jikko.store.memory import MemoryRunStore
from jikko.store.sqlite import Database, SqliteRunStore
from tests.contract.runs import OTHER_APP, Draft, finished, node, paused, started

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["memory", "sqlite"])
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[RunStore, RunStore]]:
    """One to write from, and one to read into."""
    if request.param == "memory":
        stores: tuple[RunStore, RunStore] = MemoryRunStore(), MemoryRunStore()
    else:
        stores = (
            SqliteRunStore(Database.open(tmp_path / "one.db")),
            SqliteRunStore(Database.open(tmp_path / "other.db")),
        )
    yield stores
    for store in stores:
        await store.close()


async def exported(store: RunStore, app_id: str | None = None) -> list[bytes]:
    damaged: list[LogDamaged] = []
    lines = [line async for line in export_lines(store, app_id=app_id, damaged=damaged.append)]
    assert damaged == []
    return lines


async def test_records_and_logs_arrive_as_they_were(stores: tuple[RunStore, RunStore]) -> None:
    one, other = stores
    first = Draft(retry_of="0199a1b2-0000-7000-8000-0000000000ff")
    await one.append(first.step(started(q="ä\n"), *node(index=1, text="x"), finished(status="failed", out=[1, None])))
    runs = [Draft() for _ in range(250)]
    for run in runs:
        await one.append(run.whole())

    imported = await import_lines(other, await exported(one))

    assert (imported.added, imported.known) == (251, 0)
    for run in (first, *runs):
        assert await other.record(run.id) == await one.record(run.id)
        assert await other.events(run.id) == await one.events(run.id)


async def test_every_run_is_a_line_of_json(stores: tuple[RunStore, RunStore]) -> None:
    run = Draft()
    await stores[0].append(run.whole())

    (line,) = await exported(stores[0])

    content = json.loads(line)
    assert (content["format"], content["owner"]["run_id"]) == (1, run.id)
    assert [event["event"] for event in content["events"]] == [
        "run_started",
        "node_started",
        "node_finished",
        "run_finished",
    ]


async def test_runs_that_have_not_ended_are_left_out(stores: tuple[RunStore, RunStore]) -> None:
    await stores[0].append(Draft().step(started()))
    await stores[0].append(Draft().step(started(), paused()))

    assert await exported(stores[0]) == []


async def test_one_app_can_be_chosen(stores: tuple[RunStore, RunStore]) -> None:
    await stores[0].append(Draft().whole())
    theirs = Draft(app=OTHER_APP)
    await stores[0].append(theirs.whole())

    (line,) = await exported(stores[0], OTHER_APP)

    assert json.loads(line)["owner"]["run_id"] == theirs.id


async def test_an_import_that_is_repeated_changes_nothing(stores: tuple[RunStore, RunStore]) -> None:
    run = Draft()
    await stores[0].append(run.whole())
    lines = await exported(stores[0])
    await import_lines(stores[1], lines)

    again = await import_lines(stores[1], lines)

    assert (again.added, again.known) == (0, 1)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        pytest.param(b"nonsense\n", "line 2 is no run", id="no JSON"),
        pytest.param(b'{"format": 1}\n', "line 2 is no run", id="something else"),
        pytest.param(b"cut", "line 2 is no run", id="cut off"),
    ],
)
async def test_a_line_that_cannot_be_read_is_named_and_those_before_it_are_kept(
    stores: tuple[RunStore, RunStore], line: bytes, message: str
) -> None:
    run = Draft()
    await stores[0].append(run.whole())
    lines = await exported(stores[0])
    lines.append(lines[0][:100] if line == b"cut" else line)

    with pytest.raises(BadLine, match=message):
        await import_lines(stores[1], lines)

    assert await stores[1].record(run.id) is not None


async def test_a_line_of_a_later_format_is_refused(stores: tuple[RunStore, RunStore]) -> None:
    await stores[0].append(Draft().whole())
    (line,) = await exported(stores[0])

    with pytest.raises(BadLine, match="format 2"):
        await import_lines(stores[1], [line.replace(b'"format":1', b'"format":2')])
