"""A run that has very much to write does so in pieces, between which others write."""

import asyncio
from typing import Any, Literal

import pytest
from msgspec import structs

from jikko.concurrency.scheduler import Scheduler
from jikko.events import NodeFinished, RunFinished
from jikko.ports.stores.run_store import Append
from jikko.runs.append_maker import MAX_APPEND_EVENTS
from jikko.runs.run_log import RunLog
from jikko.store.event_codec import MAX_PACKED_BYTES, encode_events, pack_events
from jikko.values import encode_json
from tests.contract.runs import Draft, finished, node, started
from tests.effort import cpu_seconds, longest_turn
from tests.runs.held_store import HeldStore
from tests.runs.world import end_of, until

pytestmark = pytest.mark.anyio


async def test_what_waits_is_written_in_pieces_and_the_record_goes_with_them() -> None:
    store = HeldStore()
    given: list[Append] = []
    store.given = given.append
    live = RunLog(store, Draft().record)
    live.record.holder = "worker-1"
    store.hold()
    live.append([started()])
    for _ in range(2 * MAX_APPEND_EVENTS):
        live.append([*node()])
    live.append([finished()])
    store.release()

    end = await end_of(live)

    assert isinstance(end, RunFinished)
    assert max(len(append.events) for append in given) == MAX_APPEND_EVENTS
    assert [append.at for append in given] == [0, *range(1, 4 * MAX_APPEND_EVENTS + 2, MAX_APPEND_EVENTS)]
    assert [append.record.is_open for append in given] == [True] * 5 + [False]
    assert {append.record.holder for append in given[:-1]} == {"worker-1"}
    assert given[-1].record.status == end.status
    stored = await store.events(live.record.identity.run_id)
    assert stored == list(live.events)


async def test_so_is_a_run_whose_very_first_write_is_large() -> None:
    store = HeldStore()
    given: list[Append] = []
    store.given = given.append
    live = RunLog(store, Draft().record)
    live.record.holder = "worker-1"

    live.append([started(), *(event for _ in range(MAX_APPEND_EVENTS) for event in node()), finished()])
    await end_of(live)

    assert [len(append.events) for append in given] == [MAX_APPEND_EVENTS, MAX_APPEND_EVENTS, 2]
    assert [append.record.status for append in given] == ["running", "running", live.record.status]
    assert [append.record.holder for append in given] == ["worker-1", "worker-1", ""]
    assert given[0].record.inputs == live.record.inputs


async def test_large_values_are_written_in_pieces_too(monkeypatch: pytest.MonkeyPatch) -> None:
    store = HeldStore()
    monkeypatch.setattr(store, "pack", pack_events)
    given: list[Append] = []
    store.given = given.append
    live = RunLog(store, Draft().record)

    live.append([started(), *(event for _ in range(20) for event in node(text="界" * 100_000)), finished()])
    await end_of(live)

    assert max(len(append.packed) for append in given) <= MAX_PACKED_BYTES
    assert len(given) >= 6
    assert [append.record.is_open for append in given] == [*[True] * (len(given) - 1), False]
    assert await store.events(live.record.identity.run_id) == list(live.events)


@pytest.mark.parametrize("status", ["succeeded", "failed"])
async def test_large_outputs_are_written_as_they_are(
    monkeypatch: pytest.MonkeyPatch, status: Literal["succeeded", "failed"]
) -> None:
    store = HeldStore()
    monkeypatch.setattr(store, "pack", pack_events)
    given: list[Append] = []
    store.given = given.append
    end = finished(status=status, text='say "界"\n😀\ud800' * 100_000, number=float("nan"), nested=[{"": None}])

    RunLog(store, Draft().record).append([started(), *node(), end])

    assert given[-1].packed == encode_events(given[-1].events)
    assert given[-1].events[-1] == end


@pytest.mark.serial
async def test_outputs_are_encoded_for_the_record_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both is done in one turn of the event loop, and line breaks are what takes longest."""
    store = HeldStore()
    monkeypatch.setattr(store, "pack", pack_events)
    end = finished(text="\n" * 4_000_000)

    def ended() -> None:
        live.append([end])

    costs = []
    for _ in range(5):
        live = RunLog(store, Draft().record)
        live.append([started()])
        costs.append(cpu_seconds(ended))
        await end_of(live)

    assert min(costs) < 1.6 * min(cpu_seconds(lambda: encode_json(end.outputs)) for _ in range(5))


LONG = 'say "界"\n😀' * 100_000


def handed_on(text: str, other: str) -> NodeFinished:
    """The end of a node that hands on what it got, and something besides."""
    [_, end] = node(text=text, short=f"界{other}", nested=[text])
    assert isinstance(end, NodeFinished)
    return structs.replace(end, inputs={"given": text, "other": "y" * 300_000}, process_data={"seen": text})


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize(
    ("text", "other", "counts"),
    [
        (LONG, "", [3, 1, 4]),
        (f"{LONG}\ud800", "", [3, 1, 4]),
        (LONG, "\udfff", [3, 1, 4]),
        ("短", "", [8]),
    ],
)
async def test_an_event_that_tells_long_texts_is_written_alone_and_as_it_is(
    monkeypatch: pytest.MonkeyPatch, text: str, other: str, counts: list[int], shared: bool
) -> None:
    store = HeldStore()
    monkeypatch.setattr(store, "pack", pack_events)
    given: list[Append] = []
    store.given = given.append
    live = RunLog(store, Draft().record, share=Scheduler() if shared else None)

    live.append([started(), *node(), handed_on(text, other), *node(), *node()[:1], finished()])
    await end_of(live)

    assert b"".join(append.packed for append in given) == b"".join(encode_events(append.events) for append in given)
    assert [len(append.events) for append in given] == counts


@pytest.mark.serial
async def test_others_have_the_loop_while_the_long_texts_of_an_event_are_encoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Line breaks are what takes longest."""
    store = HeldStore()
    monkeypatch.setattr(store, "pack", pack_events)
    texts: Any = {f"text {number}": f"{number}" + "\n" * 3_000_000 for number in range(4)}
    [_, end] = node(**texts)

    async def made() -> None:
        live = RunLog(store, Draft().record, share=Scheduler())
        live.append([started()])
        await live.committed()
        store.hold()
        live.append([end])
        await until(lambda: store.held > 0)
        store.release()

    longest, whole = min([await longest_turn(made()) for _ in range(3)])

    assert longest < whole / 3


async def test_of_logs_that_have_much_to_write_one_does_in_a_turn_of_the_loop() -> None:
    store, share = HeldStore(), Scheduler()
    turn = 0
    given: list[int] = []
    store.given = lambda append: given.append(turn)
    logs = [RunLog(store, Draft(app=f"app {index}").record, share=share) for index in range(5)]

    for live in logs:
        live.append([started(), *(event for _ in range(100) for event in node()), finished()])
    assert given == []
    while len(given) < len(logs):
        turn += 1
        await asyncio.sleep(0)

    assert len(set(given)) == len(logs)
    for live in logs:
        await end_of(live)
        assert await store.events(live.record.identity.run_id) == list(live.events)


async def test_a_log_that_has_little_to_write_waits_for_no_turn() -> None:
    store = HeldStore()
    given: list[Append] = []
    store.given = given.append
    live = RunLog(store, Draft().record, share=Scheduler())

    live.append([started(), *node(), finished()])

    assert [len(append.events) for append in given] == [4]


@pytest.mark.parametrize("is_input", [True, False])
async def test_a_log_that_has_large_values_to_write_waits_for_its_turn(is_input: bool) -> None:
    """In this one the record's inputs or outputs were encoded."""
    store = HeldStore()
    given: list[Append] = []
    store.given = given.append
    live = RunLog(store, Draft().record, share=Scheduler())
    large = "\n" * 1_000_000

    live.append([started(text=large if is_input else ""), finished(text="" if is_input else large)])

    assert given == []
    await end_of(live)
    assert await store.events(live.record.identity.run_id) == list(live.events)
