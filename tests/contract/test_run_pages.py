"""Contract of ``RunPages``: the result of a list is independent of the access path."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from msgspec.structs import replace

from jikko.event_parts import FailedNode
from jikko.ids import new_id
from jikko.ports.stores.messages import MessageAnswer, MessageMetadata
from jikko.ports.stores.run_pages import AppDay, RunCursor, RunFilter, RunPages, SampledRun
from jikko.ports.stores.run_store import Append, RunStore
from jikko.record import RunRecord
from jikko.repositories.conversation_store import ConversationStore
from jikko.store import run_lists
from jikko.store.postgres.console import drivers as postgres_drivers
from jikko.store.postgres.console.run_pages import PostgresRunPages
from jikko.store.postgres.conversation_store import PostgresConversationStore
from jikko.store.postgres.runs.run_store import PostgresRunStore
from jikko.store.sqlite import Database, SqliteRunStore
from jikko.store.sqlite.console import drivers as sqlite_drivers
from jikko.store.sqlite.console.run_pages import SqliteRunPages
from jikko.store.sqlite.conversation_store import SqliteConversationStore
from jikko.values import Json
from tests.store.postgres_server import POSTGRES, new_database

from .conversations import conversation, message
from .runs import Draft, finished, node, paused, started

pytestmark = pytest.mark.anyio

BEGIN: Final = 1_790_000_000.0
COUNT: Final = 1500
APPS: Final = [new_id() for _ in range(4)]
VERSIONS: Final = [new_id() for _ in range(3)]
ERRORS: Final = [
    "The provider answered 429: TOO many",
    "100 % wrong_",
    "部屋がありません 🏠",
    "\ue000 'quoted' \"text\"",
]
NODES: Final = [("llm", "Ask"), ("1", 'Say "Ask"'), ("判定", "確認 🔎")]


@dataclass
class Stores:
    pages: RunPages
    runs: RunStore
    conversations: ConversationStore


@pytest.fixture(params=["sqlite", POSTGRES])
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stores]:
    async with AsyncExitStack() as stack:
        runs: RunStore
        if request.param == "sqlite":
            database = Database.open(tmp_path / "jikko.db")
            runs = SqliteRunStore(database)
            stack.push_async_callback(runs.close)
            yield Stores(SqliteRunPages(database), runs, SqliteConversationStore(database))
        else:
            postgres = await stack.enter_async_context(new_database(request))
            runs = PostgresRunStore(postgres)
            stack.push_async_callback(runs.close)
            yield Stores(PostgresRunPages(postgres), runs, PostgresConversationStore(postgres))


def drawn_run(drawn: random.Random, number: int, earlier: Sequence[Append]) -> list[Append]:
    """A run of some app, version and user, in some status, that took some time, and may repeat an earlier one."""
    at = BEGIN + number * 7.0
    retry_of = drawn.choice(earlier).run_id if earlier and number % 11 == 3 else None
    draft = Draft(app=drawn.choice(APPS), user=f"user-{drawn.randrange(9)}", retry_of=retry_of)
    draft.record.identity = msgspec.structs.replace(draft.record.identity, workflow_id=drawn.choice(VERSIONS))
    status: Any = drawn.choice(["succeeded"] * 9 + ["failed", "failed", "stopped", "paused", "running"])
    if status == "paused":
        return [draft.step(started(at)), draft.step(*node(at), paused(at))]
    if status == "running":
        return [draft.step(started(at))]
    end = msgspec.structs.replace(
        finished(at + 1, status, 文="🌸"),
        elapsed=drawn.lognormvariate(0.0, 2.0),
        total_tokens=drawn.choice([0, 12, 90_000]),
        error=drawn.choice(ERRORS) if status in ("failed", "stopped") else None,
        failed_node=FailedNode(*drawn.choice(NODES)) if status == "failed" else None,
        price=drawn.choice(["", "0.00012", "2.5"]),
        currency="USD",
    )
    return [draft.step(started(at, q=number), *node(at), end)]


async def fill(stores: Stores, count: int = COUNT) -> list[RunRecord]:
    """Write runs. Returns their records, newest first."""
    drawn = random.Random(5)
    appends: list[list[Append]] = []
    for number in range(count):
        appends.append(drawn_run(drawn, number, [each[0] for each in appends[-40:]]))
    for turn in range(2):
        await asyncio.gather(*[stores.runs.append(each[turn]) for each in appends if len(each) > turn])
    found = await stores.runs.scan(limit=count + 1)
    assert len(found) == count
    return sorted(found, key=lambda record: record.created_at, reverse=True)


def passes(record: RunRecord, wanted: RunFilter, repeated: Collection[str | None] = ()) -> bool:
    """Whether a run is one of those, said plainly. ``repeated``: runs that others repeat."""
    identity = record.identity
    failed = record.failed_node
    return (
        (wanted.error is None or wanted.error.lower() in (record.error or "").lower())
        and (wanted.failed_at is None or (failed is not None and wanted.failed_at in (failed.node_id, failed.title)))
        and (wanted.min_tokens is None or record.total_tokens >= wanted.min_tokens)
        and (wanted.min_cost is None or (record.price != "" and float(record.price) >= wanted.min_cost))
        and (wanted.retry != "repeats" or identity.retry_of is not None)
        and (wanted.retry != "repeated" or identity.run_id in repeated)
        and (wanted.workflow_ids is None or identity.workflow_id in wanted.workflow_ids)
        and wanted.app_id in (None, identity.app_id)
        and (not wanted.statuses or record.status in wanted.statuses)
        and wanted.user in (None, identity.user)
        and wanted.workflow_id in (None, identity.workflow_id)
        and (wanted.after is None or record.created_at >= wanted.after)
        and (wanted.before is None or record.created_at <= wanted.before)
        and (
            wanted.min_elapsed is None
            or (record.elapsed >= wanted.min_elapsed and record.status not in ("running", "paused"))
        )
        and (wanted.keyword is None or wanted.keyword in record.inputs + record.outputs.decode() + identity.user)
    )


def some_filters(count: int) -> list[RunFilter]:
    """Filters of all kinds, at random."""
    drawn = random.Random(7)

    def maybe(*values: Any) -> Any:
        return drawn.choice(values) if drawn.random() < 0.35 else None

    some: list[Any] = [(), (), ("failed",), ("failed", "stopped"), ("succeeded", "failed"), ("running",), ("paused",)]
    return [
        RunFilter(
            app_id=maybe(APPS[0], APPS[1], new_id()),
            statuses=drawn.choice(some),
            user=maybe("user-3", "user-x"),
            after=maybe(BEGIN + 3000.0, BEGIN + 6_000.0),
            before=maybe(BEGIN + 9000.0),
            min_elapsed=maybe(0.5, 3.0, 100.0),
            workflow_id=maybe(VERSIONS[0], VERSIONS[1].upper()),
            keyword=maybe("user-3", "文") if drawn.random() < 0.3 else None,
            error=maybe("Too Many", "429", "部屋", "% wrong_", "\ue000 'q", "nowhere")
            if drawn.random() < 0.5
            else None,
            failed_at=maybe("llm", "Ask", 'Say "Ask"', "確認 🔎", "As", "確認") if drawn.random() < 0.5 else None,
            min_tokens=maybe(1, 90_000) if drawn.random() < 0.5 else None,
            min_cost=maybe(0.0001, 1.0) if drawn.random() < 0.5 else None,
            retry=maybe("repeats", "repeated") if drawn.random() < 0.5 else None,
            workflow_ids=maybe((), (VERSIONS[0],), (VERSIONS[0], VERSIONS[2])) if drawn.random() < 0.5 else None,
        )
        for _ in range(count)
    ]


@pytest.mark.parametrize("few", [5_000, 20], ids=["few retries", "many retries"])
async def test_any_filter_finds_what_it_says_page_after_page(
    stores: Stores, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    for module in (sqlite_drivers, postgres_drivers):
        monkeypatch.setattr(module, "MAX_LONG_RUNS", few)
    everything = await fill(stores)
    repeated = {record.identity.retry_of for record in everything}
    for wanted in some_filters(160):
        plain = replace(wanted, workflow_id=wanted.workflow_id and wanted.workflow_id.lower())
        expected = [record.identity.run_id for record in everything if passes(record, plain, repeated)]
        found: list[str] = []
        behind: RunCursor | None = None
        while True:
            page = await stores.pages.page(wanted, behind=behind, limit=67)
            found += [record.identity.run_id for record in page.records]
            behind = page.next
            if behind is None:
                break
        assert found == expected, wanted
        if wanted.keyword is not None:
            continue
        counts = await stores.pages.counts(wanted)
        assert not counts.capped
        for status in wanted.statuses or ("succeeded", "failed"):
            number = sum(passes(record, plain, repeated) for record in everything if record.status == status)
            assert counts.by_status.get(status, 0) == number, wanted
        place = await stores.pages.place(everything[500].identity.run_id)
        newer = sum(passes(record, plain, repeated) for record in everything[:500])
        assert await stores.pages.newer(wanted, place) == newer, wanted
        asked = [record.identity.run_id for record in everything[:30]]
        those = [record.identity.run_id for record in await stores.pages.those(wanted, asked)]
        assert those == [each for each in expected if each in asked], wanted


async def test_a_filter_takes_more_versions_than_a_statement_has_places(stores: Stores) -> None:
    """Of a model that very many versions call: SQLite has places for 32,766 values."""
    everything = await fill(stores, 60)
    many = RunFilter(
        workflow_ids=(VERSIONS[1], *(f"0199a1b2-0000-7000-8000-{number:012x}" for number in range(33_000)))
    )

    page = await stores.pages.page(many, limit=100)

    expected = [record.identity.run_id for record in everything if record.identity.workflow_id == VERSIONS[1]]
    assert [record.identity.run_id for record in page.records] == expected != []


@pytest.mark.parametrize(("runs", "capped"), [(5, False), (6, True)])
@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param(RunFilter(user="anna"), id="by user"),
        pytest.param(RunFilter(min_elapsed=0.0), id="by what has to be looked up"),
        pytest.param(RunFilter(after=BEGIN, before=BEGIN + 60.0), id="within an hour"),
        pytest.param(RunFilter(app_id=APPS[0], after=BEGIN + 0.0), id="from within an hour on"),
    ],
)
async def test_counts_that_are_not_counted_to_their_end_say_so(
    stores: Stores, monkeypatch: pytest.MonkeyPatch, wanted: RunFilter, runs: int, capped: bool
) -> None:
    """As many as may be counted are; with one more the numbers are no longer those of all."""
    for name in ("MAX_COUNTED", "MAX_ROW_LOOKUPS"):
        monkeypatch.setattr(run_lists, name, 5)
    for number in range(runs):
        draft = Draft(app=APPS[0], user="anna")
        end = msgspec.structs.replace(finished(BEGIN + number + 1, "succeeded"), elapsed=1.0)
        await stores.runs.append(draft.step(started(BEGIN + number), *node(BEGIN + number), end))

    counts = await stores.pages.counts(wanted)

    assert counts.capped is capped
    if not capped:
        assert counts.by_status == {"succeeded": runs}


async def test_the_bars_have_each_run_once(stores: Stores) -> None:
    everything = await fill(stores)
    for wanted in (RunFilter(), RunFilter(app_id=APPS[0]), RunFilter(user="user-3"), RunFilter(min_elapsed=3.0)):
        expected = sum(passes(record, wanted) for record in everything)
        for first, step, buckets in ((BEGIN, 600.0, 20), (BEGIN // 3600 * 3600, 3600.0, 6)):
            bars = await stores.pages.histogram(wanted, first=first, step=step, buckets=buckets)
            assert [bar.at for bar in bars] == [first + step * number for number in range(buckets)]
            assert sum(sum(bar.by_status.values()) for bar in bars) == expected, (wanted, step)


async def test_figures_are_those_of_the_runs(stores: Stores) -> None:
    everything = await fill(stores)

    def count(records: Sequence[RunRecord]) -> dict[str, int]:
        statuses = {record.status for record in records}
        return {status: sum(record.status == status for record in records) for status in statuses}

    assert await stores.pages.earliest() == everything[-1].created_at
    assert await stores.pages.newest() == await stores.pages.place(everything[0].identity.run_id)
    assert await stores.pages.open_counts() == count([r for r in everything if r.status in ("running", "paused")])
    hour = (BEGIN + 5000) // 3600 * 3600
    recent = [record for record in everything if record.created_at >= hour]
    by_status, costs = await stores.pages.since(BEGIN + 5000)
    assert dict(by_status) == count(recent)
    assert dict(costs) == pytest.approx({"USD": sum(float(record.price or 0) for record in recent)})
    days = await stores.pages.app_days([*APPS[:2], new_id()], since=BEGIN + 5000, last=5)
    assert set(days) == set(APPS[:2])
    for app, day in days.items():
        assert isinstance(day, AppDay)
        own = [record for record in everything if record.identity.app_id == app]
        assert [record.identity.run_id for record in day.last] == [record.identity.run_id for record in own[:5]]
        assert dict(day.by_status) == count([record for record in own if record.created_at >= hour])
        newest = [r for r in own if r.created_at >= BEGIN + 5000 and r.status not in ("running", "paused")][:200]
        assert sorted(day.elapsed) == sorted(record.elapsed for record in newest)


@pytest.mark.parametrize("sampled", [4_000, 60], ids=["all looked at", "some looked at"])
async def test_strata_have_all_runs_that_ended_and_the_newest_of_each(
    stores: Stores, monkeypatch: pytest.MonkeyPatch, sampled: int
) -> None:
    monkeypatch.setattr(run_lists, "MAX_SAMPLED", sampled)
    everything = [record for record in await fill(stores) if not record.is_open]
    first, step = BEGIN // 3600 * 3600, 3600.0
    found = await stores.pages.strata(None, first=first, last=first + 3 * step, step=step)

    expected: dict[tuple[str, float], list[RunRecord]] = {}
    for record in everything:
        at = first + (record.created_at - first) // step * step
        if at < first + 3 * step:
            expected.setdefault((record.identity.app_id, at), []).append(record)
    assert {(one.app_id, one.at) for one in found} == set(expected)
    ended = sum(map(len, expected.values()))
    assert sum(len(one.newest) for one in found) == min(ended, sampled)
    for one in found:
        own = expected[one.app_id, one.at]
        assert dict(one.by_status) == dict(Counter(record.status for record in own))
        assert dict(one.costs) == pytest.approx({"USD": sum(float(record.price or 0) for record in own)})
        newest = [
            SampledRun(
                record.identity.workflow_id,
                record.identity.user,
                record.status,
                record.elapsed,
                record.total_tokens,
                f"{record.price} {record.currency}" if record.price else None,
            )
            for record in own[: len(one.newest)]
        ]
        assert len(newest) >= min(len(own), sampled // len(expected))
        assert sorted(one.newest, key=msgspec.json.encode) == sorted(newest, key=msgspec.json.encode)
    of_app = await stores.pages.strata(APPS[0], first=first, last=first + 3 * step, step=step)
    assert {one.app_id for one in of_app} == {APPS[0]}
    one_span = await stores.pages.strata(None, first=first, last=first + step, step=3 * step)
    in_it = [record for (_, at), own in expected.items() for record in own if at == first]
    assert sum(sum(one.by_status.values()) for one in one_span) == len(in_it)
    assert sum(len(one.newest) for one in one_span) == min(len(in_it), sampled)
    assert sum(sum(one.costs.values()) for one in one_span) == pytest.approx(
        sum(float(record.price or 0) for record in in_it)
    )
    assert await stores.pages.strata(new_id(), first=first, last=first + 3 * step, step=step) == []
    later = first + 1e6 // 3600 * 3600
    assert await stores.pages.strata(None, first=later, last=later + 3 * step, step=step) == []


async def test_the_first_text_of_a_run_is_that_of_the_message_that_it_answers(stores: Stores) -> None:
    spoken = conversation(new_id())
    await stores.conversations.add_turn(message(new_id(), spoken.id), spoken)
    runs = [Draft() for _ in range(5)]
    content = '"time_to_first_token":9 語 🎉 \ue000 \0 \\u0000 \\' * 1000
    passage: dict[str, Json] = {"content": content, "time_to_first_token": 7}
    for number, draft in enumerate(runs):
        await stores.runs.append(draft.whole(at=BEGIN + number))
    for draft, first in zip(runs, (0.25, None, 3.5, 1e-05), strict=False):
        usage: dict[str, Json] = {"total_tokens": 1, "time_to_first_token": first}
        metadata = MessageMetadata(usage=usage, retriever_resources=[passage])
        answer = MessageAnswer(text="語", files=[passage], metadata=metadata)
        await stores.conversations.add_turn(replace(message(new_id(), spoken.id, run_id=draft.id), answer=answer))
    begin = BEGIN // 3600 * 3600
    found = await stores.pages.strata(None, first=begin, last=begin + 7200, step=7200.0)

    told = sorted(str(run.first_text) for stratum in found for run in stratum.newest)
    assert told == ["0.25", "1e-05", "3.5", "None", "None"]


async def test_costs_are_told_by_currency(stores: Stores) -> None:
    for price, currency in (("0.25", "USD"), ("0.5", "USD"), ("3", "JPY")):
        draft = Draft()
        draft.record.price, draft.record.currency = price, currency
        append = draft.whole(at=BEGIN)
        record = msgspec.structs.replace(append.record, price=price, currency=currency)
        await stores.runs.append(Append(append.run_id, append.at, append.events, record))

    assert dict((await stores.pages.since(BEGIN))[1]) == pytest.approx({"USD": 0.75, "JPY": 3.0})


async def test_runs_of_a_conversation_are_those_that_answer_its_messages(stores: Stores) -> None:
    spoken, other = conversation(new_id()), conversation(new_id())
    await stores.conversations.add_turn(message(new_id(), spoken.id), spoken)
    await stores.conversations.add_turn(message(new_id(), other.id), other)
    runs = [Draft() for _ in range(3)]
    for number, draft in enumerate(runs):
        await stores.runs.append(draft.whole(at=BEGIN + number))
    for draft in runs[:2]:
        await stores.conversations.add_turn(message(new_id(), spoken.id, run_id=draft.id))

    page = await stores.pages.page(RunFilter(conversation_id=spoken.id.upper()))

    assert [record.identity.run_id for record in page.records] == [runs[1].id, runs[0].id]
    assert not (await stores.pages.page(RunFilter(conversation_id=other.id))).records
    assert await stores.pages.conversations([draft.id for draft in runs]) == {draft.id: spoken.id for draft in runs[:2]}


async def test_without_runs_there_is_nothing(stores: Stores) -> None:
    assert (await stores.pages.newest(), await stores.pages.earliest()) == (None, None)
    assert not (await stores.pages.page(RunFilter(user="anna", statuses=("failed",)))).records
    assert await stores.pages.place("no id") is None
    assert await stores.pages.newer(RunFilter(), None) == 0
