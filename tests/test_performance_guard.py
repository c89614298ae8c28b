"""The hot paths do no more work than was recorded.

Function calls and SQL statements are counted, and time is told as a ratio to other work of the same moments, so that
neither the machine nor what else it does changes anything. A test that fails here says that a path got dearer by more
than the margin. If that is the price of something needed, record the new figure, and say why in docs/performance.md.
Figures that fell may be recorded too: it is what keeps them. What a start does and holds: tests/server/test_imports.py.
"""

import gc
import operator
import sqlite3
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
from benchmarks.counting import Statement, statements
from benchmarks.hot_paths import HotPaths, Request, Trip, calls, costs, hot_paths, trip, yardstick

from jikko import long_texts
from jikko.concurrency.scheduler import Scheduler
from jikko.runs import executor
from jikko.store.sqlite import Database, SqliteRunStore
from tests.store.runs import chain as finished_chain
from tests.store.runs import whole

pytestmark = pytest.mark.anyio

MARGIN = 1.5
"""On machines of two kinds, quiet and busy, costs differed by less than a third. Counted calls find what is smaller."""
COSTS = {
    "GET run detail": (0.22, 0.30),
    "blocking start->end": (4.5, 6.1),
    "blocking start->answer of a chat": (5.8, 7.5),
    "streaming start->end": (5.6, 7.5),
    "blocking 10-node chain": (6.8, 8.9),
    "blocking iteration over 100 items": (60.0, 74.0),
}
"""CPU time of a request in ``yardstick``s: Python 3.11, and later versions, where the yardstick got cheaper."""
CALLS = {
    "GET run detail": (62, 61),
    "blocking start->end": (561, 537),
    "blocking start->answer of a chat": (702, 674),
    "streaming start->end": (795, 766),
    "blocking 10-node chain": (1109, 1034),
    "blocking iteration over 100 items": (13_200, 12_551),
}
"""Function calls of a request on the thread of the event loop, kept on the disk, and four of the count: Python 3.11,
and later versions, where comprehensions are none. The fewest of 30 requests, none of which gives way to another.
"""
TRIPS = {
    "GET run detail": Trip(stays=15, files=11),
    "blocking start->end": Trip(stays=158, files=51),
    "blocking start->answer of a chat": Trip(stays=193, files=60),
    "streaming start->end": Trip(stays=219, files=58),
}
"""What a reader walks through who follows a request, with Python 3.11; a later one stays once less.

See ``Trip``; `make house` shows that of a start."""
BY_THE_WIRE = 1.12
"""Function calls of a turn by OpenAI's wire, in those of the same turn by Dify's API. Its CPU time, which is to be at
most 1.1 of that, is a row of benchmarks/chats.py."""
CALLS_A_TOKEN = (88.2, 86.2)
"""Of a streamed answer, from the model's text to the client's message, kept in memory."""
CALLS_MARGIN = 1.01
"""Of the same request they differ by one or two, beside a load of 15."""
LATER = sys.version_info >= (3, 12)
STATEMENTS = 7
"""SQL statements of a transaction that writes one finished run, whatever its number of nodes."""
READ = {
    # The run, and with it whether the key opens its app.
    "GET run detail": 1,
    # The app of the key, between BEGIN and ROLLBACK.
    "blocking start->end": 3,
    "streaming start->end": 3,
    "blocking 10-node chain": 3,
    # And whether the app answers by annotations.
    "blocking start->answer of a chat": 4,
}
"""SQL statements of a request that are no part of a transaction that writes."""
WRITTEN = {
    # A start that nobody was told of yet, and its end, in one transaction: run, log, and two counts.
    "blocking start->end": 6,
    "streaming start->end": 6,
    "blocking 10-node chain": 6,
    # And a conversation with a message.
    "blocking start->answer of a chat": 8,
}
"""SQL statements of a request in transactions that write, BEGIN and COMMIT included."""
TOKENS_WRITTEN = 5
"""SQL statements of a transaction that writes tokens, however many: BEGIN, the run, its row, their row, COMMIT.

How many such transactions there are goes by the disk: while one is made, all tokens that come wait for the next.
"""


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The loop of the server; the one of the standard library is in Python, and takes longer."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
def undisturbed(monkeypatch: pytest.MonkeyPatch) -> None:
    """No run gives way: how often one does goes by the time, and so by what else the machine does."""
    monkeypatch.setattr(executor, "Scheduler", partial(Scheduler, lambda: 0.0))


@pytest.fixture
async def paths(tmp_path: Path) -> AsyncIterator[HotPaths]:
    # Finalizers of what other tests left behind take time.
    gc.collect()
    async with hot_paths(tmp_path, in_memory=True) as found:
        yield found


@pytest.fixture
async def stored(tmp_path: Path) -> AsyncIterator[tuple[HotPaths, list[Statement]]]:
    """The same on the disk, with the statements that are asked."""
    with statements() as asked:
        async with hot_paths(tmp_path, in_memory=False) as found:
            yield found, asked


@pytest.mark.usefixtures("undisturbed")
async def test_the_hot_paths_make_no_more_function_calls_than_recorded(tmp_path: Path) -> None:
    async with hot_paths(tmp_path, in_memory=False) as paths:
        found = {name: await least(path) for name, path in (await paths.all()).items()}
    assert found.keys() == CALLS.keys()
    assert {name: count for name, count in found.items() if count > CALLS[name][LATER] * CALLS_MARGIN} == {}


@pytest.mark.usefixtures("undisturbed")
async def test_the_hot_paths_go_through_no_more_files_than_recorded(tmp_path: Path) -> None:
    async with hot_paths(tmp_path, in_memory=False) as paths:
        all_paths = await paths.all()
        found = {name: await trip(all_paths[name]) for name in TRIPS}
    most = {name: Trip(int(known.stays * CALLS_MARGIN), known.files) for name, known in TRIPS.items()}
    assert {name: way for name, way in found.items() if any(map(operator.gt, way, most[name]))} == {}


async def test_a_streamed_token_makes_no_more_function_calls_than_recorded(paths: HotPaths) -> None:
    short, long = [await calls(paths.answer(tokens), 5) for tokens in (10, 150)]
    assert (long - short) / 140 <= CALLS_A_TOKEN[LATER] * CALLS_MARGIN


async def test_a_turn_of_a_chat_makes_no_more_function_calls_with_the_turns_before_it(paths: HotPaths) -> None:
    turn = paths.answer(10)
    early, late = await least(turn), await least(turn)
    assert late <= early * CALLS_MARGIN


@pytest.mark.usefixtures("undisturbed")
async def test_a_turn_by_openais_wire_makes_hardly_more_function_calls(tmp_path: Path) -> None:
    async with hot_paths(tmp_path, in_memory=False) as paths:
        turn, completion = await least(paths.turn()), await least(paths.completion())
    assert completion <= turn * BY_THE_WIRE


async def least(path: Request) -> float:
    """Function calls of that request of 30 that has the fewest: the thread that writes was in no one's way."""
    return min([await calls(path, 1) for _ in range(30)])


@pytest.mark.usefixtures("undisturbed")
async def test_the_hot_paths_ask_the_database_no_more_than_recorded(
    stored: tuple[HotPaths, list[Statement]],
) -> None:
    paths, asked = stored
    all_paths = await paths.all()
    found = {name: await transactions(all_paths[name], asked) for name in READ}
    assert {name: sum(map(len, read)) for name, (read, _) in found.items()} == READ
    assert {name: sum(map(len, written)) for name, (_, written) in found.items() if written} == WRITTEN


async def test_a_streamed_token_adds_no_statement(stored: tuple[HotPaths, list[Statement]]) -> None:
    paths, asked = stored
    few, _ = await transactions(paths.answer(10), asked)
    read, [start, *tokens, end] = await transactions(paths.answer(150), asked)
    assert [*map(len, read)] == [*map(len, few)]
    assert {len(each) for each in tokens} <= {TOKENS_WRITTEN}
    # The conversation and its message; the archive instead of the log, the answer, the counts of both states.
    assert (len(start), len(end)) == (8, 13)


async def transactions(path: Request, asked: list[Statement]) -> tuple[list[list[str]], list[list[str]]]:
    """What a request asks the database, once it was made before: by transactions, those that read and those that write.

    What is asked outside of a transaction counts as one of its own. Of ten requests that with the fewest statements: on
    a busy machine the beginning of a run may have to be written before its end is there.
    """
    await path()
    tries: list[list[Statement]] = []
    for _ in range(10):
        asked.clear()
        await path()
        tries.append([*asked])
    by_connection: dict[int, list[list[str]]] = {}
    for connection, text in min(tries, key=len):
        if text.startswith("PRAGMA"):  # of the thread that brings over what was committed, once it is enough
            continue
        found = by_connection.setdefault(connection, [])
        if text.startswith("BEGIN") or not found or found[-1][-1] in ("COMMIT", "ROLLBACK"):
            found.append([])
        found[-1].append(text)
    everything = [each for found in by_connection.values() for each in found]
    written = [each for each in everything if each[0] == "BEGIN IMMEDIATE"]
    return [each for each in everything if each not in written], written


@pytest.mark.serial
async def test_the_hot_paths_cost_no_more_than_recorded(paths: HotPaths) -> None:
    found = await costs(await paths.all(), rounds=60)
    print(found)
    assert found.keys() == COSTS.keys()
    assert {name: cost for name, cost in found.items() if cost > COSTS[name][LATER] * MARGIN} == {}


@pytest.mark.serial
async def test_a_cost_that_is_added_is_seen(paths: HotPaths) -> None:
    path = await paths.detail("start_end")

    async def dearer() -> bytes:
        yardstick()
        return await path()

    found = await costs({"as it is": path, "dearer": dearer})
    assert found["dearer"] - found["as it is"] == pytest.approx(1, abs=0.5)


async def test_a_run_that_ended_leaves_nothing_to_the_garbage_collector(paths: HotPaths) -> None:
    found = {}
    for name, path in (await paths.all()).items():
        await path()
        gc.collect()
        gc.disable()
        try:
            for _ in range(20):
                await path()
            found[name] = gc.collect()
        finally:
            gc.enable()
    # Less than one object a run: what others in the process leave behind is not meant.
    assert {name: count for name, count in found.items() if count >= 20} == {}


async def test_long_texts_of_small_runs_are_looked_for_in_c(paths: HotPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[object] = []
    monkeypatch.setattr(long_texts, "_search", searched.append)
    for name, path in (await paths.all()).items():
        if "iteration" not in name:  # it has a list of a hundred
            await path()
    assert searched == []


@pytest.mark.parametrize("nodes", [2, 10, 100])
async def test_a_finished_run_is_written_by_as_many_statements_whatever_its_nodes(tmp_path: Path, nodes: int) -> None:
    database = Database.open(tmp_path / "jikko.db")
    store = SqliteRunStore(database)
    await store.append(whole(*finished_chain(nodes)))
    statements: list[str] = []

    def listen(connection: sqlite3.Connection) -> None:
        connection.set_trace_callback(statements.append)

    await database.submit(listen)
    statements.clear()
    await store.append(whole(*finished_chain(nodes)))

    assert len(statements) <= STATEMENTS, statements
    await store.close()


async def test_reading_a_run_asks_the_database_once(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "jikko.db")
    store = SqliteRunStore(database)
    record, events = finished_chain(10)
    await store.append(whole(record, events))
    await store.record(record.identity.run_id)
    statements: list[str] = []
    database.quick(lambda connection: connection.set_trace_callback(statements.append))

    await store.record(record.identity.run_id)
    assert len(statements) == 1

    await store.detail(record.identity.run_id, b"digest of a key")
    assert len(statements) == 2
    await store.close()
