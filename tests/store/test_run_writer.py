"""Batching, retries and their time limit, and recovery after a lost database.

In virtual time, with a scripted database: no server is needed.
"""

import asyncio
from collections.abc import Callable

import pytest

from jikko.errors import JikkoError, LogConflict, LogForgotten, LogUnwritable, StoreUnavailable
from jikko.store.postgres.runs.run_rows import RunWrite
from jikko.store.postgres.runs.run_writer import RunWriter
from tests import virtual_time
from tests.runs.world import until
from tests.store.writer_database import Database, Line, database_of, sizes, write, writer_of

MEGABYTE = 1 << 20


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Database:
    return database_of(monkeypatch)


def lost(line: Line) -> Exception:
    line.is_lost = True
    return RuntimeError("the connection was closed")


def undone(code: str) -> Exception:
    error = RuntimeError("undone")
    error.__dict__["sqlstate"] = code
    return error


def submitted(database: Database, *writes: RunWrite) -> tuple[RunWriter, list[BaseException | None]]:
    """Have appends of one turn written, and what came of each."""

    async def work() -> tuple[RunWriter, list[BaseException | None]]:
        writer = writer_of(database)
        outcomes = await asyncio.gather(*map(writer.submit, writes), return_exceptions=True)
        await writer.close()
        return writer, outcomes

    return virtual_time.run(work())


def test_what_comes_in_one_turn_shares_a_transaction_of_512_appends_at_most(database: Database) -> None:
    _, outcomes = submitted(database, *(write(number) for number in range(1030)))

    assert outcomes == [None] * 1030
    assert sizes(database) == [512, 512, 6]
    assert len(database.lines) == 1
    assert database.lines[0].ends == ["closed"]


@pytest.mark.parametrize(
    ("megabytes", "together"), [((3, 3, 2, 1), [3, 1]), ((9, 1), [1, 1]), ((1, 9, 1), [2, 1]), ((8, 1), [1, 1])]
)
def test_and_of_8_megabytes_unless_one_has_more(
    database: Database, megabytes: tuple[int, ...], together: list[int]
) -> None:
    _, outcomes = submitted(database, *(write(number, size=size * MEGABYTE) for number, size in enumerate(megabytes)))

    assert outcomes == [None] * len(megabytes)
    assert sizes(database) == together
    written = [int.from_bytes(each.run_id, "big") for batch in database.batches for each in batch]
    assert sorted(written) == list(range(len(megabytes)))


def test_a_run_has_one_append_in_a_transaction_and_they_stay_in_order(database: Database) -> None:
    submitted(database, write(1), write(2), write(1, at=1), write(1, at=2), write(2, at=1))

    told = [[(each.run_id[-1], each.at) for each in batch] for batch in database.batches]
    assert told == [[(1, 0), (2, 0)], [(1, 1), (2, 1)], [(1, 2)]]


def test_and_so_they_do_if_the_first_had_no_room_in_a_transaction_and_the_next_has(database: Database) -> None:
    large = 5 * MEGABYTE
    submitted(database, write(1, size=large), write(2, size=large), write(2, at=1), write(3), write(2, at=2))

    told = [[(each.run_id[-1], each.at) for each in batch] for batch in database.batches]
    assert told == [[(1, 0), (3, 0)], [(2, 0)], [(2, 1)], [(2, 2)]]


def test_what_was_written_is_measured(database: Database) -> None:
    database.takes = 0.3
    writer, _ = submitted(database, write(1), write(2))

    [writes], [seconds] = writer.measures.writes.values.values(), writer.measures.seconds.values.values()
    assert (sum(writes[:-1]), writes[-1]) == (1, 2)
    assert sum(seconds[:-1]) == 1
    assert seconds[-1] == pytest.approx(0.3)
    assert writer.measures.errors.values == {(): 0}


def test_who_waits_is_counted(database: Database) -> None:
    async def work() -> None:
        writer = writer_of(database)
        written = [writer.submit(write(number)) for number in range(3)]
        assert writer.measures.waiting() == 3
        await asyncio.gather(*written)
        assert writer.measures.waiting() == 0

    virtual_time.run(work())


@pytest.mark.parametrize("error", [lost, ConnectionResetError()])
def test_a_batch_whose_connection_broke_is_tried_again_for_two_seconds(
    database: Database, error: Exception | Callable[[Line], Exception]
) -> None:
    database.answers = [error] * 100
    writer, outcomes = submitted(database, write(1), write(2))

    assert [type(outcome) for outcome in outcomes] == [StoreUnavailable] * 2
    assert database.batch_times == pytest.approx([0.1 * number for number in range(21)])
    assert set(sizes(database)) == {2}
    assert [line.ends for line in database.lines[:21]] == [["closed"]] * 21
    assert writer.measures.errors.values == {(): 21}


def test_it_is_there_once_the_database_is(database: Database) -> None:
    database.answers = [lost, lost]
    _, outcomes = submitted(database, write(1), write(2))

    assert outcomes == [None, None]
    assert database.batch_times == pytest.approx([0.0, 0.1, 0.2])


def test_an_append_without_a_mark_is_never_offered_twice_once_a_connection_broke(database: Database) -> None:
    database.answers = [lost]
    _, [marked, other] = submitted(database, write(1), write(2, mark=0))

    assert (type(marked), type(other)) == (StoreUnavailable, StoreUnavailable)
    assert sizes(database) == [2]


def test_a_database_that_cannot_be_reached_is_told_as_it_was_said(database: Database) -> None:
    database.is_down = True
    _, outcomes = submitted(database, write(1, mark=0), write(2))

    assert [str(outcome) for outcome in outcomes] == ["down", "down"]
    assert database.times == [0.0]


@pytest.mark.parametrize("count", [2, 3])
def test_one_that_cannot_be_written_does_not_keep_the_others_from_it(database: Database, count: int) -> None:
    database.answers = [RuntimeError(), RuntimeError()]
    _, [first, *rest] = submitted(database, *(write(number) for number in range(count)))

    assert str(first) == "The database cannot be used at the moment: the connection to it fails."
    assert rest == [None] * (count - 1)
    assert sizes(database) == [count] + [1] * count
    assert database.batch_times == [0.0] * (1 + count)


@pytest.mark.parametrize("code", ["40001", "40P01"])
def test_one_that_was_undone_for_another_is_done_again_with_a_mark_or_without(database: Database, code: str) -> None:
    database.answers = [undone(code)]
    _, outcomes = submitted(database, write(mark=0))

    assert outcomes == [None]
    assert database.batch_times == pytest.approx([0.0, 0.1])


def test_one_that_the_database_refuses_for_another_reason_is_not(database: Database) -> None:
    database.answers = [undone("23505")]
    _, [outcome] = submitted(database, write())

    assert isinstance(outcome, StoreUnavailable)
    assert sizes(database) == [1]


@pytest.mark.parametrize("code", ["22003", "54000"])
def test_what_it_will_never_take_is_told_apart(database: Database, code: str) -> None:
    database.answers = [undone(code)]
    _, [outcome] = submitted(database, write())

    assert isinstance(outcome, LogUnwritable)
    assert str(outcome) == "The database rejects the run's events: RuntimeError."
    assert sizes(database) == [1]


def test_each_is_told_what_came_of_it(database: Database) -> None:
    writes = [write(number) for number in range(4)]
    database.refuses = {writes[1].run_id, writes[2].run_id}
    database.fails = {writes[3].run_id: JikkoError("no")}
    database.heads = {
        writes[1].run_id: (writes[1].run_id, 0, 5, 1, 9, "here"),
        writes[2].run_id: (writes[2].run_id, 0, 1, 1, 7, "here"),
    }
    _, outcomes = submitted(database, *writes)

    assert [type(outcome) for outcome in outcomes] == [type(None), LogConflict, type(None), JikkoError]


def test_a_caller_that_was_cancelled_disturbs_nobody(database: Database) -> None:
    async def work() -> None:
        writer = writer_of(database)
        cancelled, other = writer.submit(write(1)), writer.submit(write(2))
        cancelled.cancel()
        await other
        assert sizes(database) == [2]

    virtual_time.run(work())


def test_a_connection_that_does_not_close_is_terminated(database: Database) -> None:
    database.hangs = True
    submitted(database, write())

    assert database.lines[0].ends == ["closed", "terminated"]


def test_closing_writes_what_was_submitted_and_refuses_more(database: Database) -> None:
    async def work() -> None:
        writer = writer_of(database)
        await writer.close()
        assert database.times == []
        writer = writer_of(database)
        written = writer.submit(write())
        await writer.close()
        await writer.close()
        assert written.done()
        with pytest.raises(StoreUnavailable, match="is closed"):
            await writer.submit(write())

    virtual_time.run(work())
    assert sizes(database) == [1]


def test_who_waits_for_a_task_that_was_cancelled_is_told(database: Database) -> None:
    async def work() -> None:
        writer = writer_of(database)
        writer.submit(write(1))
        waiting = writer.submit(write(1, at=1))
        await until(lambda: bool(database.batches))
        assert writer._task is not None
        writer._task.cancel()
        with pytest.raises(StoreUnavailable, match="is closed"):
            await waiting
        await writer.submit(write(2))

    virtual_time.run(work())


def test_a_lost_database_is_looked_for_every_second_though_nothing_is_to_be_written(database: Database) -> None:
    async def work() -> None:
        writer = writer_of(database)
        await writer.submit(write(1))
        await asyncio.sleep(10)
        database.is_down = True
        database.lines[0].breaks()
        await asyncio.sleep(2.5)
        assert database.times == pytest.approx([0, 10, 11, 12])
        database.is_down = False
        await asyncio.sleep(100)
        assert database.times == pytest.approx([0, 10, 11, 12, 13])
        # Who has a new one hears no more of the old.
        database.lines[0].breaks()
        await asyncio.sleep(100)
        await writer.submit(write(2))
        assert len(database.lines) == 2
        await writer.close()

    virtual_time.run(work())


def test_what_is_to_be_written_meanwhile_does_not_wait_for_the_next_look(database: Database) -> None:
    async def work() -> None:
        writer = writer_of(database)
        await writer.submit(write(1))
        database.is_down = True
        database.lines[0].breaks()
        await asyncio.sleep(0.4)
        database.is_down = False
        await writer.submit(write(1, at=1))
        assert database.batch_times == pytest.approx([0.0, 0.4])

    virtual_time.run(work())


def test_who_looks_for_a_lost_database_can_be_closed(database: Database) -> None:
    async def work() -> float:
        writer = writer_of(database)
        await writer.submit(write(1))
        database.is_down = True
        database.lines[0].breaks()
        await asyncio.sleep(0.4)
        await writer.close()
        return asyncio.get_running_loop().time()

    assert virtual_time.run(work()) == pytest.approx(0.4)


@pytest.mark.parametrize(("timeline", "told"), [("00000002", 1), ("00000001", 0)])
def test_another_copy_of_the_database_is_known_by_its_timeline(
    database: Database, timeline: str, told: int, caplog: pytest.LogCaptureFixture
) -> None:
    gone_back: list[float] = []

    async def work() -> None:
        writer = writer_of(database)
        writer.on_rollback = lambda: gone_back.append(asyncio.get_running_loop().time())
        await writer.submit(write(1))
        assert gone_back == []
        database.timeline = timeline
        database.lines[0].breaks()
        await asyncio.sleep(1)
        database.refuses = {write(2).run_id}
        with pytest.raises(LogForgotten if told else LogConflict) as refused:
            await writer.submit(write(2, at=3))
        assert isinstance(refused.value, LogForgotten) == bool(told)
        database.lines[1].breaks()
        await asyncio.sleep(1)
        await writer.close()

    virtual_time.run(work())
    assert gone_back == [0.0] * told
    assert ("another copy" in caplog.text) == bool(told)


def test_one_that_does_not_tell_its_timeline_is_taken_for_the_last(database: Database) -> None:
    async def work() -> None:
        writer = writer_of(database)
        await writer.submit(write(1))
        database.untold = "and there"
        database.lines[0].breaks()
        await asyncio.sleep(1)
        database.untold = ""
        database.timeline = "00000002"
        database.lines[1].breaks()
        await asyncio.sleep(1)
        assert writer._has_gone_back
        assert len(database.lines) == 3

    virtual_time.run(work())


def test_a_connection_that_breaks_before_it_tells_is_no_connection(database: Database) -> None:
    async def work() -> None:
        writer = writer_of(database)
        database.untold = "and lost"
        with pytest.raises(StoreUnavailable):
            await writer.submit(write(1, mark=0))
        assert [line.ends for line in database.lines] == [["terminated"]]
        database.untold = ""
        await writer.submit(write(1, mark=0))
        assert len(database.lines) == 2

    virtual_time.run(work())
