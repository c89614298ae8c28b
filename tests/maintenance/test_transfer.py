"""Carrying runs from one database to another."""

import json
import math
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from jikko.apps.end_users import end_user
from jikko.errors import JikkoError
from jikko.events import RunStarted
from jikko.maintenance.transfer import BadLine, export_lines, export_named, import_lines
from jikko.ports.stores.run_store import RunStore
from jikko.store.sqlite import Database, SqliteRunStore
from tests.contract.runs import APP, OTHER_APP, Draft, finished, node, paused, started
from tests.store.in_memory import RunsInMemory

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["memory", "sqlite"])
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[RunStore, RunStore]]:
    """One to write from, and one to read into."""
    if request.param == "memory":
        stores: tuple[RunStore, RunStore] = RunsInMemory(), RunsInMemory()
    else:
        stores = (
            SqliteRunStore(Database.open(tmp_path / "one.db")),
            SqliteRunStore(Database.open(tmp_path / "other.db")),
        )
    yield stores
    for store in stores:
        await store.close()


async def exported(store: RunStore, app_id: str | None = None) -> list[bytes]:
    damaged: list[JikkoError] = []
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


async def test_of_runs_that_are_named_each_that_is_left_out_is_told(stores: tuple[RunStore, RunStore]) -> None:
    store, ended, waiting, gone = stores[0], Draft(), Draft(), Draft()
    for run in (ended, gone):
        await store.append(run.whole())
    await store.append(waiting.step(started(), paused()))
    records = [record for run in (waiting, gone, ended) if (record := await store.record(run.id)) is not None]
    assert len(records) == 3
    assert await store.remove(gone.id)
    left_out: list[JikkoError] = []

    lines = [line async for line in export_named(store, records, damaged=left_out.append)]

    assert [json.loads(line)["owner"]["run_id"] for line in lines] == [ended.id]
    told = [f"Run {waiting.id} has not ended.", f"Run {gone.id} was removed just now."]
    assert [str(error) for error in left_out] == told


async def test_every_run_is_a_line_of_json(stores: tuple[RunStore, RunStore]) -> None:
    run = Draft()
    await stores[0].append(run.whole())

    (line,) = await exported(stores[0])

    content = json.loads(line)
    assert (content["format"], content["owner"]["run_id"]) == (2, run.id)
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


async def test_runs_that_are_pruned_meanwhile_are_left_out(stores: tuple[RunStore, RunStore]) -> None:
    runs = [Draft(), Draft()]
    for run in runs:
        await stores[0].append(run.whole())
    damaged: list[JikkoError] = []
    lines = export_lines(stores[0], damaged=damaged.append)

    first = await anext(lines)
    assert await stores[0].prune(math.inf) == 2

    assert json.loads(first)["owner"]["run_id"] in {run.id for run in runs}
    assert ([line async for line in lines], damaged) == ([], [])


async def test_one_app_can_be_chosen(stores: tuple[RunStore, RunStore]) -> None:
    await stores[0].append(Draft().whole())
    theirs = Draft(app=OTHER_APP)
    await stores[0].append(theirs.whole())

    (line,) = await exported(stores[0], OTHER_APP)

    assert json.loads(line)["owner"]["run_id"] == theirs.id


async def test_a_stretch_of_time_has_the_runs_that_began_in_it(stores: tuple[RunStore, RunStore]) -> None:
    runs = sorted((Draft() for _ in range(6)), key=lambda run: run.id)
    for run, at in zip(runs, (99.0, None, 100.0, 200.0, 199.5, 150.0), strict=True):
        await stores[0].append(run.step(started()) if at is None else run.whole(at))

    lines = [line async for line in export_lines(stores[0], since=100.0, until=200.0, damaged=print)]

    assert [json.loads(line)["owner"]["run_id"] for line in lines] == [runs[2].id, runs[4].id, runs[5].id]


@pytest.mark.parametrize(
    ("format_", "told"), [(1, "sk-012************or"), (2, "\ue000KEY\ue001sk-012************or\ue002")]
)
async def test_the_marks_of_secrets_are_masks_in_lines_that_had_them(
    stores: tuple[RunStore, RunStore], format_: int, told: str
) -> None:
    run = Draft()
    marked = "\ue000KEY\ue001sk-012************or\ue002"
    await stores[0].append(run.step(started(q=marked), finished()))
    (line,) = await exported(stores[0])

    await import_lines(stores[1], [line.replace(b'"format":2', b'"format":%d' % format_)])

    (first, *_) = await stores[1].events(run.id)
    assert isinstance(first, RunStarted)
    assert first.inputs == {"q": told}


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
        pytest.param(b"nonsense\n", "line 2 is not a run", id="no JSON"),
        pytest.param(b'{"format": 1}\n', "line 2 is not a run", id="something else"),
        pytest.param(b"cut", "line 2 is not a run", id="cut off"),
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

    with pytest.raises(BadLine, match="format 3"):
        await import_lines(stores[1], [line.replace(b'"format":2', b'"format":3')])


async def test_a_run_is_known_by_its_id_in_any_case(stores: tuple[RunStore, RunStore]) -> None:
    run = Draft()
    await stores[0].append(run.whole())
    (line,) = await exported(stores[0])
    content = json.loads(line)
    content["owner"]["run_id"] = run.id.upper()

    imported = await import_lines(stores[1], [json.dumps(content).encode(), line])

    assert (imported.added, imported.known) == (1, 1)
    assert await stores[1].record(run.id) == run.record


async def test_runs_can_become_those_of_another_app(stores: tuple[RunStore, RunStore]) -> None:
    run = Draft(user="anna")
    await stores[0].append(run.whole())
    await import_lines(stores[1], await exported(stores[0]), app_id=OTHER_APP)

    record = await stores[1].record(run.id, OTHER_APP)
    began = (await stores[1].events(run.id))[0]

    assert record is not None
    assert (record.identity.user, record.identity.end_user_id) == ("anna", end_user(OTHER_APP, "anna"))
    assert isinstance(began, RunStarted)
    assert began.system["app_id"] == json.loads(record.inputs)["sys.app_id"] == OTHER_APP


async def test_how_many_runs_of_each_app_were_read_is_told(stores: tuple[RunStore, RunStore]) -> None:
    for app in (APP, APP, OTHER_APP):
        await stores[0].append(Draft(app=app).whole())
    lines = await exported(stores[0])

    assert (await import_lines(stores[1], lines)).apps == {APP: 2, OTHER_APP: 1}
    assert (await import_lines(stores[1], lines)).apps == {APP: 2, OTHER_APP: 1}


def put(*path: str | int, value: object) -> Callable[[Any], None]:
    """A change of what a line holds."""

    def change(content: Any) -> None:
        for step in path[:-1]:
            content = content[step]
        content[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(put("format", value=-1), "format -1", id="no format"),
        pytest.param(put("owner", "run_id", value="zz"), "run_id 'zz' is not a UUID", id="no id"),
        pytest.param(put("owner", "app_id", value="../../x"), "app_id '../../x' is not a UUID", id="a path"),
        pytest.param(put("owner", "app_id", value="x" * 99), f"app_id '{'x' * 60}' is not a UUID", id="a long id"),
        pytest.param(put("owner", "task_id", value=""), "task_id '' is not a UUID", id="no task"),
        pytest.param(put("owner", "workflow_id", value="日本"), "workflow_id '日本' is not", id="no version"),
        pytest.param(put("owner", "retry_of", value="a b"), "retry_of 'a b' is not", id="repeats no run"),
        pytest.param(put("events", value=[]), "not whole", id="no events"),
        pytest.param(lambda content: content["events"].pop(), "not whole", id="no end"),
        pytest.param(lambda content: content.update(events=content["events"] * 2), "not whole", id="two runs"),
        pytest.param(put("events", 0, "at", value=1e300), "at 1e\\+300 .* out of range", id="time"),
        pytest.param(put("events", -1, "at", value=-1e300), "at -1e\\+300 .* out of range", id="early time"),
        pytest.param(put("events", -1, "total_tokens", value=10**30), "total_tokens 1000.* out of range", id="count"),
        pytest.param(put("events", 2, "started_at", value=1e13), "started_at .* out of range", id="time of a node"),
        pytest.param(put("events", 2, "usage", value={"total_tokens": 2**70}), "total_tokens .* out", id="usage"),
        pytest.param(put("events", 2, "rounds", value=[["x", "n", "loop", 2**70]]), "index .* out", id="round"),
        pytest.param(put("events", 1, "event", value="unknown"), "unknown", id="event"),
        pytest.param(put("owner", "user", value=None), "owner.user", id="owner"),
    ],
)
async def test_a_run_that_cannot_have_been_is_refused_by_its_line(
    stores: tuple[RunStore, RunStore], change: Callable[[Any], None], message: str
) -> None:
    await stores[0].append(Draft().whole())
    (line,) = await exported(stores[0])
    content = json.loads(line)
    change(content)

    with pytest.raises(BadLine, match=f"line 1 is not a run: .*{message}"):
        await import_lines(stores[1], [json.dumps(content).encode()])

    assert await exported(stores[1]) == []
