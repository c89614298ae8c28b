"""The list of logs, as every store of runs has it."""

import pytest
from msgspec.structs import replace

from jikko.ids import new_id
from jikko.ports.stores.run_store import LogQuery, RunStore

from .runs import APP, OTHER_APP, Draft, finished, listed, started

pytestmark = pytest.mark.anyio


async def test_a_list_shows_the_runs_of_one_app_newest_first(store: RunStore) -> None:
    old, new, same_time, other = Draft(), Draft(), Draft(), Draft(app=OTHER_APP)
    await store.append(new.step(started(2000)))
    await store.append(old.whole(1000))
    await store.append(other.whole(1500))
    await store.append(same_time.whole(2000))

    assert await listed(store) == (3, [same_time.id, new.id, old.id])
    assert await listed(store, app=OTHER_APP) == (1, [other.id])
    assert await listed(store, app="nobody's") == (0, [])
    page = await store.list_runs(LogQuery(app_id=APP))
    assert page.records == [same_time.record, new.record, old.record]


async def test_a_list_comes_in_pages(store: RunStore) -> None:
    runs = [Draft() for _ in range(5)]
    for time, run in enumerate(runs):
        await store.append(run.whole(time))
    newest_first = [run.id for run in reversed(runs)]

    assert await listed(store, limit=2) == (5, newest_first[:2])
    assert await listed(store, limit=2, page=3) == (5, newest_first[4:])
    assert await listed(store, limit=2, page=4) == (5, [])
    assert await listed(store, limit=100, page=99999) == (5, [])


async def test_a_list_is_filtered_by_status(store: RunStore) -> None:
    runs = {status: Draft() for status in ("succeeded", "failed", "stopped", "running")}
    await store.append(runs["succeeded"].whole())
    await store.append(runs["failed"].whole(status="failed"))
    await store.append(runs["stopped"].step(started()))
    await store.append(runs["stopped"].step(finished(status="stopped")))
    await store.append(runs["running"].step(started()))

    for status in ("succeeded", "failed", "stopped"):
        assert await listed(store, statuses=(status,)) == (1, [runs[status].id])
    assert (await listed(store))[0] == 4


async def test_a_list_is_filtered_by_time_both_ends_included(store: RunStore) -> None:
    runs = [Draft() for _ in range(4)]
    for time, run in enumerate(runs):
        await store.append(run.whole(time))

    assert await listed(store, after=1.0) == (3, [runs[3].id, runs[2].id, runs[1].id])
    assert await listed(store, before=1.0) == (2, [runs[1].id, runs[0].id])
    assert await listed(store, after=1.0, before=2.0, limit=1) == (2, [runs[2].id])
    assert await listed(store, after=2.5, before=2.6) == (0, [])


async def test_times_may_be_hours_apart(store: RunStore) -> None:
    times = [0.0, 3599.5, 3600.0, 7200.25, 10_799.0, 10_800.0, 36_000.0]
    for time in times:
        await store.append(Draft().whole(time, "failed" if time == 10_799 else "succeeded"))

    for after in (None, *times, 3601.0, 9000.0, 50_000.0):
        for before in (None, *times, 3599.9, 20_000.0):
            within = [t for t in times if (after is None or t >= after) and (before is None or t <= before)]
            page = await store.list_runs(LogQuery(app_id=APP, after=after, before=before))
            assert (page.total, [record.created_at for record in page.records]) == (len(within), within[::-1])
            failed = await listed(store, after=after, before=before, statuses=("failed",))
            assert failed[0] == len(failed[1]) == within.count(10_799)


async def test_a_list_is_filtered_by_the_exact_user(store: RunStore) -> None:
    anna, ann, other = Draft(user="anna"), Draft(user="ann"), Draft(user="anna", app=OTHER_APP)
    for run in (anna, ann, other):
        await store.append(run.whole())

    assert await listed(store, user="anna") == (1, [anna.id])
    assert await listed(store, user="ANNA") == (0, [])
    assert await listed(store, user="nobody") == (0, [])
    assert await listed(store, user="anna", statuses=("failed",)) == (0, [])


async def test_of_end_users_with_one_name_the_runs_of_one_are_listed(store: RunStore) -> None:
    of_client, of_trigger = Draft(user="DEFAULT-USER"), Draft(user="DEFAULT-USER")
    trigger = new_id()
    of_trigger.record.identity = replace(of_trigger.record.identity, end_user_id=trigger)
    for run in (of_client, of_trigger):
        await store.append(run.whole())

    assert (await listed(store, user="DEFAULT-USER"))[0] == 2
    assert await listed(store, user="DEFAULT-USER", end_user_id=trigger) == (1, [of_trigger.id])
    assert await listed(store, user="anna", end_user_id=trigger) == (0, [])


@pytest.mark.parametrize(
    ("keyword", "found"),
    [
        pytest.param("reset my", True, id="part of an input"),
        pytest.param("RESET MY", True, id="in another case"),
        pytest.param("answer", True, id="part of the outputs"),
        pytest.param("ONE TWO", True, id="part of the outputs in another case"),
        pytest.param("bert", True, id="part of the user"),
        pytest.param("BERT", True, id="part of the user in another case"),
        pytest.param("100%", True, id="a percent sign is itself"),
        pytest.param("0%!", False, id="a percent sign is not a wildcard"),
        pytest.param("a_b", True, id="an underscore is itself"),
        pytest.param("r_set", False, id="an underscore is not a wildcard"),
        pytest.param("c\\\\d", True, id="a backslash is itself, as JSON writes it"),
        pytest.param("absent", False, id="text that is nowhere"),
        pytest.param("sys.user_id", True, id="a system variable"),
        pytest.param("ÜBER", False, id="letters beyond ASCII do not change case"),
        pytest.param("u", True, id="one letter"),
        pytest.param(
            "how do i reset my password 100" + "% and then something else", True, id="only 30 characters count"
        ),
        pytest.param("how do i reset my password 100x", True, id="the one behind them does not"),
        pytest.param("how do i reset my password 10x%", False, id="the last of them does"),
    ],
)
async def test_a_list_is_filtered_by_a_keyword(store: RunStore, keyword: str, found: bool) -> None:
    run, other = Draft(user="Robert"), Draft(app=OTHER_APP, user="Robert")
    inputs = {"q": "How do I reset my password 100%? a_b c\\d"}
    for draft in (run, other):
        await store.append(draft.step(started(1000, **inputs), finished(answer="one two über")))
    rest = Draft(user="eve")
    if keyword not in ("u", "sys.user_id"):
        await store.append(rest.whole())

    assert await listed(store, keyword=keyword) == ((1, [run.id]) if found else (0, []))


async def test_a_keyword_that_is_a_run_id_finds_the_run(store: RunStore) -> None:
    run, other = Draft(), Draft(app=OTHER_APP)
    await store.append(run.whole())
    await store.append(other.whole())

    assert await listed(store, keyword=run.id) == (1, [run.id])
    assert await listed(store, keyword=run.id.upper().replace("-", "")) == (1, [run.id])
    assert await listed(store, keyword=other.id) == (0, [])


async def test_filters_add_up(store: RunStore) -> None:
    wanted = Draft(user="anna")
    await store.append(wanted.step(started(10, q="needle"), finished(11, "failed")))
    for user, at, text, status in (
        ("otto", 10, "needle", "failed"),
        ("anna", 30, "needle", "failed"),
        ("anna", 10, "straw", "failed"),
        ("anna", 10, "needle", "succeeded"),
    ):
        await store.append(Draft(user=user).step(started(at, q=text), finished(at + 1, status)))  # type: ignore[arg-type]

    assert await listed(store, user="anna", before=20, keyword="needle", statuses=("failed",)) == (1, [wanted.id])
