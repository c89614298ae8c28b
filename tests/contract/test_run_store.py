"""Contract of ``RunStore``."""

import asyncio

import msgspec
import pytest

from jikko.errors import LogConflict, StartRefused
from jikko.events import Event, RunRecovered, RunResumed
from jikko.ports.stores.run_store import Append, KeyClaim, RunStore, Withdrawal
from jikko.values import encode_json

from .runs import APP, OTHER_APP, Draft, finished, listed, node, paused, started

pytestmark = pytest.mark.anyio


# --- Appending ---


async def test_an_append_at_0_creates_the_run(store: RunStore) -> None:
    run = Draft(retry_of="0199a1b2-0000-7000-8000-0000000000ff")

    await store.append(run.step(started(q="hi")))

    assert await store.record(run.id) == run.record
    assert await store.events(run.id) == run.events


async def test_later_appends_follow_on(store: RunStore) -> None:
    run = Draft()
    await store.append(run.step(started()))
    await store.append(run.step(*node(index=1, text="ä")))
    await store.append(run.step(*node(index=2), *node(index=3)))

    assert await store.record(run.id) == run.record
    assert await store.events(run.id) == run.events


async def test_a_run_that_ends_in_its_first_append_is_kept_whole(store: RunStore) -> None:
    run = Draft()

    await store.append(run.whole())

    assert await store.record(run.id) == run.record
    assert await store.events(run.id) == run.events


async def test_a_run_that_ends_after_several_appends_is_kept_whole(store: RunStore) -> None:
    run = Draft()
    await store.append(run.step(started()))
    await store.append(run.step(*node(index=1)))
    await store.append(run.step(*node(index=2), finished(answer=[1, 2.5, None, {"deep": "é"}])))

    assert await store.record(run.id) == run.record
    assert await store.events(run.id) == run.events


async def test_the_end_of_a_log_is_known_while_it_grows_and_when_it_is_closed(store: RunStore) -> None:
    run = Draft()
    ends = [await store.log_end(run.id)]
    for events in ([started()], [*node()], [finished()]):
        await store.append(run.step(*events))
        ends.append(await store.log_end(run.id.upper()))

    assert ends == [0, 1, 3, 4]


async def test_an_append_may_change_the_record_and_bring_no_event(store: RunStore) -> None:
    run = Draft()
    await store.append(run.step(started()))
    await store.append(run.step())
    await store.append(run.step(finished()))

    assert await store.events(run.id) == run.events


async def test_a_start_that_was_withdrawn_is_not_written(store: RunStore) -> None:
    run = Draft()
    claim = KeyClaim(key="鍵 🔑", fingerprint=b"one", at=1000.0)
    start = msgspec.structs.replace(run.step(started()), projections=[claim], withdrawal=Withdrawal(is_made=True))

    with pytest.raises(StartRefused):
        await store.append(start)
    assert await store.record(run.id) is None
    assert await store.claimed(APP, claim.key, now=1000.0) is None
    # Offered without, it is as any other.
    await store.append(msgspec.structs.replace(start, withdrawal=None))
    assert await store.record(run.id) == run.record


async def test_appends_of_one_run_are_applied_in_the_order_of_the_calls(store: RunStore) -> None:
    run = Draft()
    steps = [run.step(started()), *(run.step(*node(index=index)) for index in range(1, 50)), run.step(finished())]

    await asyncio.gather(*[store.append(step) for step in steps])

    assert await store.events(run.id) == run.events


async def test_the_record_that_was_handed_in_may_change_afterwards(store: RunStore) -> None:
    run = Draft()
    first = run.step(started())
    appended = store.append(first)
    first.record.status = "failed"
    await appended

    found = await store.record(run.id)

    assert found is not None
    assert found.status == "running"


async def test_the_record_that_was_handed_out_may_be_changed(store: RunStore) -> None:
    run = Draft()
    await store.append(run.step(started()))
    found = await store.record(run.id)
    assert found is not None
    found.status = "failed"

    assert await store.record(run.id) == run.record


# --- Conflicts ---


@pytest.mark.parametrize(
    "at",
    [
        pytest.param(0, id="of two that create a run, the second is refused"),
        pytest.param(1, id="a position that is taken is refused"),
        pytest.param(4, id="a position that leaves a gap is refused"),
    ],
)
async def test_an_append_must_be_at_the_end_of_the_log(store: RunStore, at: int) -> None:
    run = Draft()
    await store.append(run.step(started(), *node()))

    with pytest.raises(LogConflict, match=f"has 3 events, not {at}"):
        await store.append(Append(run.id, at, [finished()], msgspec.structs.replace(run.record, status="succeeded")))

    assert await store.record(run.id) == run.record
    assert await store.events(run.id) == run.events


async def test_an_append_to_a_run_that_does_not_exist_is_refused(store: RunStore) -> None:
    run = Draft()
    run.step(started())

    with pytest.raises(LogConflict, match="has 0 events, not 1"):
        await store.append(run.step(*node()))

    assert await store.record(run.id) is None


async def test_a_closed_log_takes_no_more(store: RunStore) -> None:
    run = Draft()
    await store.append(run.whole())
    closed = msgspec.structs.replace(run.record)

    with pytest.raises(LogConflict, match="closed"):
        await store.append(run.step(finished(status="failed")))

    assert await store.record(run.id) == closed


async def test_an_owner_whose_run_was_taken_over_is_refused(store: RunStore) -> None:
    run = Draft()
    await store.append(run.step(started()))
    await store.append(run.step(RunRecovered(at=1001, epoch=2)))
    stale = run.step(*node())
    stale.record.epoch = 1

    with pytest.raises(LogConflict, match="taken over"):
        await store.append(stale)

    assert len(await store.events(run.id)) == 2


async def test_a_refusal_does_not_concern_the_appends_beside_it(store: RunStore) -> None:
    runs = [Draft() for _ in range(20)]
    steps = [run.whole() for run in runs]
    outcomes = await asyncio.gather(
        *[store.append(step) for pair in zip(steps, steps, strict=True) for step in pair], return_exceptions=True
    )

    assert [type(outcome) for outcome in outcomes] == [type(None), LogConflict] * 20
    for run in runs:
        assert await store.record(run.id) == run.record


# --- Reading ---


async def test_a_run_that_does_not_exist_has_no_record_and_no_events(store: RunStore) -> None:
    for unknown in (Draft().id, "", "no uuid", "x" * 36, "ä" * 5000):
        assert await store.record(unknown) is None
        assert await store.events(unknown) == []


async def test_a_run_is_hidden_from_another_app(store: RunStore) -> None:
    run, theirs = Draft(), Draft(app=OTHER_APP)
    for each in (run, theirs):
        await store.append(each.whole())

    assert await store.record(run.id, APP) == run.record
    assert await store.record(run.id, OTHER_APP) is None
    assert await store.record(theirs.id, APP) is None


async def test_a_run_is_found_by_its_id_in_any_case(store: RunStore) -> None:
    run = Draft()
    await store.append(run.whole())

    assert await store.record(run.id.upper()) == run.record
    assert await store.events(run.id.upper()) == run.events


@pytest.mark.parametrize("closed", [False, True], ids=["open", "closed"])
async def test_a_log_is_read_from_any_position(store: RunStore, closed: bool) -> None:
    run = Draft()
    await store.append(run.step(started()))
    for index in range(1, 6):
        await store.append(run.step(*node(index=index)))
    if closed:
        await store.append(run.step(finished()))

    for after in range(-1, len(run.events) + 2):
        assert await store.events(run.id, after=after) == run.events[after + 1 :]
    found: list[Event] = []
    while some := await store.events(run.id, after=len(found) - 1, most=1):
        found += some
    assert found == run.events


async def test_open_runs_are_those_that_run_oldest_first(store: RunStore) -> None:
    drafts = {name: Draft() for name in ("second", "first", "paused", "over", "resumed")}
    await store.append(drafts["second"].step(started(2000)))
    await store.append(drafts["first"].step(started(1000)))
    await store.append(drafts["paused"].step(started(500), paused()))
    await store.append(drafts["over"].whole())
    await store.append(drafts["resumed"].step(started(3000), paused()))
    await store.append(drafts["resumed"].step(RunResumed(at=3001)))

    assert await store.open_runs() == [drafts[name].record for name in ("first", "second", "resumed")]


async def test_open_runs_are_found_by_their_holder(store: RunStore) -> None:
    drafts = [Draft() for _ in range(4)]
    for draft, holder in zip(drafts, ("s/1", "s/2", "s/1", ""), strict=True):
        draft.record.holder = holder
        await store.append(draft.step(started()))
    ended = Draft()
    ended.record.holder = "s/3"
    await store.append(ended.whole())

    assert await store.holders() == {"s/1", "s/2"}
    assert await store.open_runs("s/1") == [drafts[0].record, drafts[2].record]
    assert await store.open_runs("s/3") == []


async def test_paused_runs_that_are_due_are_told_the_longest_overdue_first(store: RunStore) -> None:
    drafts = {name: Draft() for name in ("later", "sooner", "not yet", "never", "resumed", "over")}
    for name, wake_at in (("later", 200.0), ("sooner", 100.0), ("not yet", 300.5), ("never", None)):
        await store.append(drafts[name].step(started(), paused(wake_at=wake_at)))
    await store.append(drafts["resumed"].step(started(), paused(wake_at=100.0)))
    await store.append(drafts["resumed"].step(RunResumed(at=1)))
    await store.append(drafts["over"].whole())

    assert await store.due_runs(300.0) == [drafts["sooner"].record, drafts["later"].record]
    assert await store.due_runs(300.5, limit=1) == [drafts["sooner"].record]
    assert await store.due_runs(300.0, after=drafts["sooner"].record) == [drafts["later"].record]
    assert await store.due_runs(300.0, after=drafts["later"].record) == []
    assert await store.due_runs(99.9) == []
    assert [await store.next_wake(after) for after in (0.0, 100.0, 200.0, 300.5)] == [100.0, 200.0, 300.5, None]


async def test_a_task_is_found_in_its_app_while_its_run_is_open(store: RunStore) -> None:
    run, theirs = Draft(), Draft(app=OTHER_APP)
    task = run.record.identity.task_id
    for each in (run, theirs):
        await store.append(each.step(started()))

    assert await store.find_task(APP, task) == run.record
    assert await store.find_task(APP, task.upper()) == run.record
    assert await store.find_task(OTHER_APP, task) is None
    assert await store.find_task(APP, theirs.record.identity.task_id) is None

    await store.append(run.step(paused()))
    assert await store.find_task(APP, task) == run.record

    await store.append(run.step(RunResumed(at=1), finished()))
    assert await store.find_task(APP, task) is None


# --- Any text ---


async def test_lone_surrogates_are_question_marks_wherever_a_run_is_told_as_json(store: RunStore) -> None:
    run = Draft(user="u\ud800")
    step = run.step(started(), *node(text={"k\udfff": ["a\ud800b"]}), finished(status="failed"))
    step.record.error = "broken \udc00"

    await store.append(step)

    record = await store.record(run.id)
    assert record is not None
    decoded = msgspec.json.decode(encode_json([record.identity.user, record.error, await store.events(run.id)]))
    assert decoded[:2] == ["u?", "broken ?"]
    assert decoded[2][2]["outputs"] == {"text": {"k?": ["a?b"]}}
    assert decoded[2] == msgspec.json.decode(encode_json(run.events))
    for query in ({"user": "u\ud800"}, {"keyword": "u\ud800"}, {"keyword": "U?"}):
        assert await listed(store, **query) == (1, [run.id])
    assert await listed(store, user="u") == (0, [])


async def test_large_numbers_and_large_texts_are_kept(store: RunStore) -> None:
    run = Draft()
    await store.append(run.step(started(n=2**80, text="x" * 3_000_000)))
    await store.append(run.step(finished(n=-(2**70))))

    assert await store.record(run.id) == run.record
    assert await store.events(run.id) == run.events


# --- Retention ---


async def test_pruning_removes_runs_that_finished_before_a_time(store: RunStore) -> None:
    old, late, new = Draft(), Draft(), Draft()
    await store.append(old.whole(1000))
    await store.append(late.step(started(1000), paused()))
    await store.append(late.step(RunResumed(at=5000), finished(5000)))
    await store.append(new.whole(6000))

    assert await store.prune(2000) == 1

    assert await store.record(old.id) is None
    assert await store.events(old.id) == []
    assert await listed(store) == (2, [new.id, late.id])
    assert await store.events(late.id) == late.events


async def test_pruning_never_touches_open_or_paused_runs(store: RunStore) -> None:
    running, resting = Draft(), Draft()
    await store.append(running.step(started(1)))
    await store.append(resting.step(started(1), paused(2)))

    assert await store.prune(1e12) == 0

    assert await store.events(running.id) == running.events
    assert await store.events(resting.id) == resting.events


async def test_pruning_goes_in_steps_of_a_limited_size(store: RunStore) -> None:
    for app in (APP, APP, OTHER_APP, APP, OTHER_APP):
        await store.append(Draft(app=app).whole(1000))

    assert [await store.prune(2000, limit=2) for _ in range(4)] == [2, 2, 1, 0]
    assert await listed(store) == (0, [])
