"""Logs of earlier versions, in which marks stand for secrets, as they are after the upgrade."""

import gzip
import json
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from jikko.assemble import Assembly, assemble
from jikko.events import ContainerStarted, Event, FormRequested, NodeFinished, RunStarted
from jikko.ports.stores.run_store import LogQuery
from jikko.record import RunRecord
from jikko.secret_marks import without_marks
from jikko.settings import Settings
from jikko.store.event_codec import decompress
from jikko.store.sqlite import Database
from jikko.store.sqlite.migrate import migrations
from jikko.values import encode_json

from .old_databases import FOLDER, Stores

pytestmark = [pytest.mark.anyio, pytest.mark.once]

WRITTEN = 1_795_707_974.0
"""About when the database was written."""
PEM = '-----BEGIN PRIVATE KEY-----\nMIIE"vQ\\IBADANBg\n-----END PRIVATE KEY-----\n'
SECRETS = {
    "KEY": "sk-0123456789abcdef",
    "PEM": PEM,
    # Another secret stands in the name and in the mask of this one.
    "prod_key": "prod-0123456789",
    "stage": "prod",
    "kana": "ひみつのかぎはここにあります",
}
MASKS = {
    "KEY": "sk-012************ef",
    "PEM": "-----B************-\n",
    "prod_key": "prod-0************89",
    "stage": "*" * 20,
    "kana": "ひみつのかぎ************ます",
}
TEXT = "".join(f"<{value}>" for value in SECRETS.values())


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The data folder of a version that wrote marks. See ``fixtures/README.md``."""
    (tmp_path / "jikko.db").write_bytes(gzip.decompress((FOLDER / "secret-marks.db.gz").read_bytes()))
    return tmp_path


@pytest.fixture
async def assembly(home: Path) -> AsyncIterator[Assembly]:
    async with assemble(Settings(home=home), clock=lambda: WRITTEN) as made:
        yield made


async def run_of(assembly: Assembly, q: str) -> RunRecord:
    """The first run whose input begins so."""
    for app in await assembly.apps.all():
        for record in (await assembly.runs.records.find(LogQuery(app_id=app.id))).records[::-1]:
            if json.loads(record.inputs)["q"].startswith(q):
                return record
    raise AssertionError(q)


def stored(path: Path) -> Iterator[str]:
    """All texts in which there may be marks."""
    with closing(sqlite3.connect(path)) as connection:
        for inputs, outputs, error in connection.execute("SELECT inputs, outputs, error FROM runs"):
            yield from (json.dumps(json.loads(inputs), ensure_ascii=False), outputs.decode(), error or "")
        for (events,) in connection.execute("SELECT events FROM run_log"):
            yield events.decode()
        for (events,) in connection.execute("SELECT events FROM run_archive"):
            yield decompress(events).decode()


def finished(events: list[Event], node_id: str) -> NodeFinished:
    return next(event for event in events if isinstance(event, NodeFinished) and event.node_id == node_id)


def test_the_database_is_one_with_marks(home: Path) -> None:
    assert sum(text.count("\ue000") for text in stored(home / "jikko.db")) > 100


async def test_a_finished_run_has_the_secrets_in_its_values_and_masks_in_what_is_recorded(assembly: Assembly) -> None:
    record = await run_of(assembly, "my ")
    events = await assembly.runs.records.events(record)

    q = f"my {SECRETS['kana']} and {SECRETS['KEY']}, latest prod"
    assert json.loads(record.inputs)["q"] == q
    outputs = json.loads(record.outputs)
    error = outputs.pop("error")
    assert outputs == {"q": q, "text": TEXT, "key": SECRETS["prod_key"], "pem": PEM}
    assert isinstance(events[0], RunStarted)
    assert events[0].inputs == finished(events, "start").inputs == {"q": q}
    assert finished(events, "text").inputs == MASKS
    assert finished(events, "text").outputs == {"output": TEXT}
    call = finished(events, "call")
    assert f"GET /{MASKS['KEY']}?p={MASKS['PEM']} HTTP/1.1" in call.process_data["request"]
    assert json.loads(call.process_data["request"].rpartition("\r\n")[2]) == {
        "key": MASKS["kana"],
        "stage": MASKS["stage"],
    }
    assert call.outputs["error_message"] == call.error == error
    assert finished(events, "end").inputs["key"] == MASKS["prod_key"]


OF_A_CLIENT = 3
"""Texts that look like marks: input and output of a run of the app without secrets, and its log."""


async def test_nothing_in_the_database_is_a_mark_any_more(assembly: Assembly, home: Path) -> None:
    assert sum("\ue000" in text for text in stored(home / "jikko.db")) == OF_A_CLIENT


async def test_runs_of_an_app_without_secrets_are_left_alone(assembly: Assembly, home: Path) -> None:
    record = await run_of(assembly, "\ue000KEY")

    assert (
        json.loads(record.inputs)["q"]
        == "\ue000KEY\ue001sk-012************ef\ue002 \\ue000KEY\\ue001sk-012************ef\\ue002"
    )


async def test_a_paused_run_shows_the_form_as_it_was_meant_and_goes_on_with_the_secrets(assembly: Assembly) -> None:
    record = await run_of(assembly, "b ")
    events = await assembly.runs.records.events(record)
    [asked] = [event for event in events if isinstance(event, FormRequested)]
    [loop] = [event for event in events if isinstance(event, ContainerStarted)]
    assert loop.inputs == {"loop_count": 1, "v": MASKS["PEM"]}
    assert loop.variables == {"v": PEM}
    use = f"Use {SECRETS['KEY']}, {SECRETS['prod_key']}?"
    assert asked.form["form_content"] == f"{use} {{{{#$output.comment#}}}}"

    app_id, token = record.identity.app_id, asked.form["form_token"]
    await assembly.runs.forms.submit(app_id, token, "yes", {"comment": "fine"}, "")

    assert await outputs_of(assembly, record) == {
        "text": f"{use} fine",
        "key": SECRETS["prod_key"],
        "echo": json.dumps({"a": f"{use} fine", "b": PEM}),
        "v": PEM,
    }


async def test_a_run_that_was_under_way_goes_on_with_the_secrets(assembly: Assembly) -> None:
    record = await run_of(assembly, "parked")

    await assembly.runs.control.take_over()

    outputs = await outputs_of(assembly, record)
    assert (outputs["q"], outputs["text"]) == (f"parked {PEM}", TEXT)


async def test_a_run_that_queued_begins_with_what_the_client_sent(assembly: Assembly) -> None:
    record = await run_of(assembly, "queued")

    await assembly.runs.control.take_over()

    paused = await ended(assembly, record, "paused")
    events = await assembly.runs.records.events(paused)
    assert finished(events, "start").outputs == {"q": f"queued {SECRETS['KEY']}"}


async def test_a_retry_takes_the_secrets_over(assembly: Assembly) -> None:
    record = await run_of(assembly, "my ")
    [app] = [app for app in await assembly.apps.all() if app.id == record.identity.app_id]

    again = await assembly.runs.retries.retry(app, record.identity.run_id, from_node="end")
    await again.ended()

    assert (await outputs_of(assembly, again.record))["text"] == TEXT


async def outputs_of(assembly: Assembly, record: RunRecord) -> Any:
    await ended(assembly, record, "succeeded", "partial-succeeded")
    return json.loads((await assembly.runs.records.any_record(record.identity.run_id)).outputs)


async def ended(assembly: Assembly, record: RunRecord, *statuses: str) -> RunRecord:
    async for _ in assembly.runs.control.reader(record).follow():
        pass
    found = await assembly.runs.records.any_record(record.identity.run_id)
    assert found.status in statuses
    return found


async def index_in_version_5(path: Path) -> None:
    """Index all runs of a database as it was then."""
    before = Stores(Database.open(path, steps=migrations()[:5]))
    # What today's code looks into, and that version had not.
    for sql in (
        "CREATE TEMP TABLE run_inputs (run INTEGER PRIMARY KEY, length INTEGER, text TEXT, value INTEGER)",
        "CREATE TEMP TABLE large_pieces (value INTEGER, number INTEGER, bytes BLOB)",
    ):
        await before.database.submit(partial(_execute, sql))
    assert await before.runs.index(limit=8) == 0
    await before.runs.close()


def _execute(sql: str, connection: sqlite3.Connection) -> None:
    connection.execute(sql)


@pytest.mark.parametrize("indexed_again", [False, True])
async def test_what_marks_stood_for_is_found_by_keyword(home: Path, indexed_again: bool) -> None:
    await index_in_version_5(home / "jikko.db")
    stores = Stores(Database.open(home / "jikko.db"))
    if indexed_again:
        await stores.runs.index(limit=8)
    [app] = [app for app in await stores.apps.apps() if app.name == "work"]

    found = await stores.runs.list_runs(LogQuery(app_id=app.id, keyword="<sk-0123456789abcdef>"))

    assert found.total == 2
    await stores.runs.close()


async def test_runs_whose_texts_changed_are_indexed_again(home: Path) -> None:
    path = home / "jikko.db"
    await index_in_version_5(path)
    left_out = "SELECT run FROM keyword_left_out JOIN runs ON run = key WHERE status > 1 ORDER BY run"
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute(left_out).fetchall() == []

    after = Stores(Database.open(path))
    with closing(sqlite3.connect(path)) as connection:
        # The finished, the answered and the repeated one; the text of that without secrets is as it was.
        assert connection.execute(left_out).fetchall() == [(1,), (3,), (5,)]
    assert await after.runs.index(limit=8) == 0
    await after.runs.close()

    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute(left_out).fetchall() == []


def test_runs_of_an_app_that_was_deleted_show_masks(home: Path) -> None:
    with closing(sqlite3.connect(home / "jikko.db")) as connection, connection:
        connection.execute("DELETE FROM workflows")
        connection.execute("DELETE FROM apps WHERE name <> 'plain'")
    [rewrite] = [step.rewrite for step in migrations() if step.rewrite is not None]

    with closing(sqlite3.connect(home / "jikko.db")) as connection, connection:
        rewrite(connection)

    ended = [json.loads(text) for text in stored(home / "jikko.db") if text.startswith('{"q":"my')]
    assert [outputs["pem"] for outputs in ended] == [MASKS["PEM"]] * 2
    assert sum("\ue000" in text for text in stored(home / "jikko.db")) == OF_A_CLIENT


def test_only_rows_with_marks_are_written(home: Path) -> None:
    [rewrite] = [step.rewrite for step in migrations() if step.rewrite is not None]
    with closing(sqlite3.connect(home / "jikko.db")) as connection, connection:
        rewrite(connection)
        first = connection.total_changes
        rewrite(connection)

        assert first > 0
        assert connection.total_changes == first


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE run_log SET events = CAST('[' || events AS BLOB) WHERE run = 6",
        "UPDATE run_archive SET events = substr(events, 1, 40) WHERE run = 3",
        "UPDATE workflows SET source = substr(source, 1, 40) WHERE app_id = (SELECT app_id FROM apps LIMIT 1)",
    ],
)
async def test_damaged_rows_do_not_keep_a_database_from_being_opened(home: Path, damage: str) -> None:
    with closing(sqlite3.connect(home / "jikko.db")) as connection, connection:
        assert connection.execute(damage).rowcount > 0

    async with assemble(Settings(home=home), clock=lambda: WRITTEN) as assembly:
        record = await run_of(assembly, "b ")
        [asked] = [event for event in await assembly.runs.records.events(record) if isinstance(event, FormRequested)]

    assert asked.form["form_content"].startswith(f"Use {SECRETS['KEY']}")


MARK = "\ue000KEY\ue001********************\ue002"


@pytest.mark.parametrize(
    ("event", "shown"),
    [
        pytest.param({"event": "node_finished", "inputs": {"a": MARK}}, {"a": "*" * 20}, id="a mark"),
        pytest.param(
            {"event": "node_finished", "inputs": {MARK: [f"a{MARK}b"]}}, {"*" * 20: [f"a{'*' * 20}b"]}, id="keys"
        ),
        pytest.param({"event": "x", "inputs": {"a": json.dumps(MARK)}}, {"a": f'"{"*" * 20}"'}, id="within JSON"),
        pytest.param(
            {"event": "x", "inputs": {"a": json.dumps([json.dumps(MARK)])}},
            {"a": json.dumps([f'"{"*" * 20}"'])},
            id="twice",
        ),
        *(
            pytest.param({"event": "x", "inputs": {"a": text}}, {"a": text}, id=name)
            for name, text in {
                "no mask": "\ue000KEY\ue001sk\ue002",
                "half a mark": "\ue000KEY",
                "another half": "KEY\ue001sk\ue002",
                "icons": "\ue000 \ue001 \ue002 \ue000",
                "escaped": "\\ue000KEY\\ue001sk\\ue002",
                "emoji": "👩‍💻 請求書 ue000",
            }.items()
        ),
    ],
)
def test_without_the_workflow_marks_become_masks_and_other_texts_stay(event: Any, shown: Any) -> None:
    assert without_marks([event])[0]["inputs"] == shown


async def test_an_export_of_an_earlier_version_comes_in_without_marks(assembly: Assembly, home: Path) -> None:
    from jikko.maintenance.transfer import read_run, run_line

    record = await run_of(assembly, "my ")
    events = await assembly.runs.records.events(record)
    line = run_line(record.identity, events)
    old = line.replace(b'"format":2', b'"format":1').replace(SECRETS["KEY"].encode(), MARK.encode())

    read = read_run(1, old)

    assert json.loads(read.record.outputs)["text"].startswith(f"<{'*' * 20}>")
    assert "\ue000" not in encode_json(read.events).decode()
    # What a later version wrote is read as it is.
    kept = run_line(record.identity, events).replace(SECRETS["KEY"].encode(), MARK.encode())
    assert json.loads(read_run(1, kept).record.outputs)["text"].startswith(f"<{MARK}>")
