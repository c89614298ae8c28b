"""Contract of stores for each kind of projection: atomic with its events."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from jikko.errors import JikkoError, KeyTaken, LogConflict
from jikko.ports.stores.messages import MessageAnswer
from jikko.ports.stores.run_store import (
    Append,
    CallbackRequest,
    DeliveryReceived,
    KeyClaim,
    LogQuery,
    Projection,
    RunStore,
    TurnBegan,
    TurnChanged,
    TurnRepeated,
    VariablesAssigned,
)
from jikko.ports.stores.trigger_store import Delivery
from jikko.repositories.callback_store import CallbackStore
from jikko.repositories.conversation_store import ConversationStore
from jikko.repositories.delivery_store import DeliveryStore
from jikko.store.postgres.conversation_store import PostgresConversationStore
from jikko.store.postgres.runs.run_store import PostgresRunStore
from jikko.store.sqlite import Database, SqliteRunStore
from jikko.store.sqlite.conversation_store import SqliteConversationStore
from jikko.values import Json
from tests.store.postgres_server import POSTGRES, new_database

from .conversations import conversation, message, variable
from .runs import APP, WORKFLOW, Draft, finished, node, started

pytestmark = pytest.mark.anyio

Stores = tuple[RunStore, CallbackStore, ConversationStore, DeliveryStore]


@dataclass(frozen=True)
class Kind:
    """How a kind is tried."""

    example: Callable[[Draft], Projection]
    """For a run."""
    is_there: Callable[[Stores, Draft], Awaitable[bool]]
    """Whether the run has it."""
    refusal: type[JikkoError] | None = None
    """What is raised if another run has just that, and it cannot be both's."""
    needs: Callable[[Stores, Draft], Awaitable[object]] | None = None
    """Makes what is to be there before."""
    goes_with_its_run: bool = True


async def has_key(stores: Stores, run: Draft) -> bool:
    found = await stores[0].claimed(APP, "鍵 🔑", now=1000.0)
    return found == (run.id, b"print")


async def has_callback(stores: Stores, run: Draft) -> bool:
    found = await stores[1].find(run.id)
    return found is not None and found.url == "https://example.com/戻り?a=\ue000"


async def has_delivery(stores: Stores, run: Draft) -> bool:
    found = await stores[3].find(delivery(run).id)
    return found == msgspec.structs.replace(delivery(run), run_id=run.id)


def delivery(run: Draft) -> Delivery:
    return Delivery(
        id=f"{run.id[:-1]}0",
        app_id=APP,
        trigger_id=WORKFLOW,
        received_at=1000.0,
        sender_id="配達 📦",
        method="POST",
        size=7,
    )


async def begin_turn(stores: Stores, run: Draft) -> None:
    """A turn of a conversation of its own, which the run answers."""
    owner = f"c-{run.id}"
    await stores[2].add_turn(message(f"m-{run.id}", owner, run_id=run.id), conversation(owner), [variable("心")])


async def begin_other_turn(stores: Stores, run: Draft) -> None:
    """As ``begin_turn``, which another run has answered."""
    owner = f"c-{run.id}"
    await stores[2].add_turn(message(f"m-{run.id}", owner, run_id=f"other-{run.id}"), conversation(owner))


async def has_turn(stores: Stores, run: Draft) -> bool:
    found = await stores[2].message_of_run(run.id)
    return found is not None and found.id == f"m-{run.id}"


async def has_answer(stores: Stores, run: Draft) -> bool:
    found = await stores[2].message_of_run(run.id)
    return found is not None and found.answer.text == "はい 🙂 \ue000"


async def has_value(stores: Stores, run: Draft) -> bool:
    return [found.value for found in await stores[2].variables(f"c-{run.id}")] == [{"愛": ["💛", None]}]


KINDS: dict[type[Projection], Kind] = {
    KeyClaim: Kind(lambda run: KeyClaim(key="鍵 🔑", fingerprint=b"print", at=1000.0), has_key, KeyTaken),
    CallbackRequest: Kind(lambda run: CallbackRequest(url="https://example.com/戻り?a=\ue000"), has_callback),
    DeliveryReceived: Kind(lambda run: DeliveryReceived(delivery=delivery(run)), has_delivery, goes_with_its_run=False),
    TurnBegan: Kind(
        lambda run: TurnBegan(
            message=message(f"m-{run.id}", f"c-{run.id}", run_id=run.id), new=conversation(f"c-{run.id}")
        ),
        has_turn,
        goes_with_its_run=False,
    ),
    TurnRepeated: Kind(
        lambda run: TurnRepeated(message_id=f"m-{run.id}"), has_turn, needs=begin_other_turn, goes_with_its_run=False
    ),
    TurnChanged: Kind(
        lambda run: TurnChanged(answer=MessageAnswer(text="はい 🙂 \ue000")),
        has_answer,
        needs=begin_turn,
        goes_with_its_run=False,
    ),
    VariablesAssigned: Kind(
        lambda run: VariablesAssigned(values={"心": {"愛": ["💛", None]}, "unknown": 1}, at=1001.0),
        has_value,
        needs=begin_turn,
        goes_with_its_run=False,
    ),
}


@pytest.fixture(params=["sqlite", POSTGRES])
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stores]:
    if request.param == "postgres":
        async with new_database(request) as postgres:
            kept = PostgresRunStore(postgres)
            yield kept, CallbackStore(postgres), PostgresConversationStore(postgres), DeliveryStore(postgres)
            await kept.close()
    else:
        database = Database.open(tmp_path / "jikko.db")
        store = SqliteRunStore(database)
        yield store, CallbackStore(database), SqliteConversationStore(database), DeliveryStore(database)
        await store.close()


@pytest.fixture(params=KINDS.values(), ids=[kind.__name__ for kind in KINDS])
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


def having(append: Append, *projections: Projection) -> Append:
    return msgspec.structs.replace(append, projections=projections)


def url(run: Draft) -> tuple[Projection]:
    return (KINDS[CallbackRequest].example(run),)


async def new_run(stores: Stores, *kinds: Kind) -> Draft:
    """A run, with all that some kinds want to be there before. Nothing of it is written yet."""
    run = Draft()
    for kind in kinds:
        if kind.needs is not None:
            await kind.needs(stores, run)
    return run


def test_every_kind_is_tried() -> None:
    assert set(KINDS) == set(get_args(Projection))


async def test_it_is_there_with_the_events_that_it_came_with(stores: Stores, kind: Kind) -> None:
    run = await new_run(stores, kind)

    await stores[0].append(having(run.step(started()), kind.example(run)))

    assert await kind.is_there(stores, run)
    assert await stores[0].events(run.id) == run.events


async def test_it_is_there_with_a_run_that_ends_as_it_begins(stores: Stores, kind: Kind) -> None:
    run = await new_run(stores, kind)

    await stores[0].append(having(run.whole(), kind.example(run)))

    assert await kind.is_there(stores, run)


async def test_it_may_come_with_any_append(stores: Stores, kind: Kind) -> None:
    run = await new_run(stores, kind)
    await stores[0].append(run.step(started()))
    assert not await kind.is_there(stores, run)

    await stores[0].append(having(run.step(*node(), finished()), kind.example(run)))

    assert await kind.is_there(stores, run)


async def test_it_is_not_there_if_the_events_are_refused(stores: Stores, kind: Kind) -> None:
    run = await new_run(stores, kind)
    first = run.step(started())
    await stores[0].append(first)

    with pytest.raises(LogConflict):
        await stores[0].append(having(first, kind.example(run)))

    assert not await kind.is_there(stores, run)


async def test_the_events_are_not_there_if_it_is_refused(stores: Stores, kind: Kind) -> None:
    first, second = await new_run(stores, kind), await new_run(stores, kind)
    await stores[0].append(having(first.step(started()), kind.example(first)))
    writing = stores[0].append(having(second.step(started()), kind.example(second)))

    if kind.refusal is None:
        await writing
        assert await kind.is_there(stores, second)
    else:
        with pytest.raises(kind.refusal):
            await writing
        assert await stores[0].record(second.id) is None
        assert await kind.is_there(stores, first)


async def test_it_goes_with_its_run_if_it_is_of_that_alone(stores: Stores, kind: Kind) -> None:
    run = await new_run(stores, kind)
    await stores[0].append(having(run.whole(), kind.example(run)))
    for callback in await stores[1].due(5000.0):
        await stores[1].save(msgspec.structs.replace(callback, state="delivered", finished_at=5000.0))

    assert await stores[0].prune(9000.0) == 1

    assert await kind.is_there(stores, run) != kind.goes_with_its_run


@pytest.mark.parametrize(
    "needed", [kind for kind in KINDS.values() if kind.needs is None], ids=lambda kind: kind.is_there.__name__
)
async def test_several_kinds_come_together_or_not_at_all(stores: Stores, needed: Kind) -> None:
    first, second = Draft(), Draft()
    kinds = [kind for kind in KINDS.values() if kind.needs is None]

    def examples(run: Draft) -> list[Projection]:
        return [kind.example(run) for kind in kinds]

    await stores[0].append(having(first.step(started()), *examples(first)))

    with pytest.raises(KeyTaken):
        await stores[0].append(having(second.step(started()), *reversed(examples(second))))

    assert await needed.is_there(stores, first)
    assert not await needed.is_there(stores, second)


async def test_files_of_an_answer_become_files_of_its_message(stores: Stores) -> None:
    run = await new_run(stores, KINDS[TurnChanged])
    changed = TurnChanged(answer=MessageAnswer(files=[{"related_id": "made"}]))

    await stores[0].append(having(run.whole(), changed))

    assert await stores[2].uses_file(APP, "made")


async def test_a_turn_begins_and_changes_in_one_append(stores: Stores) -> None:
    run = Draft()
    changes = [KINDS[kind].example(run) for kind in (TurnChanged, VariablesAssigned)]
    began = TurnBegan(
        message=message(f"m-{run.id}", f"c-{run.id}", run_id=run.id),
        new=conversation(f"c-{run.id}"),
        variables=[variable("心")],
    )

    await stores[0].append(having(run.whole(), began, *changes))

    assert await has_answer(stores, run)
    assert await has_value(stores, run)


def turn(run: Draft, owner: str, at: float = 1000.0, *, is_first: bool = False) -> TurnBegan:
    asked = message(f"m-{run.id}", owner, run_id=run.id, at=at, files=[{"related_id": f"f-{run.id}"}])
    return TurnBegan(
        message=asked, new=conversation(owner) if is_first else None, variables=[variable("心"), variable("x", 7)]
    )


def assigned(**values: Json) -> VariablesAssigned:
    return VariablesAssigned(values=values, at=1002.0)


async def test_appends_that_come_at_once_have_each_what_is_theirs(stores: Stores) -> None:
    """Turns that are over at once, go on, and end; callbacks; one that is refused, and a conversation that is gone."""
    whole, lone, goes_on, gone, calls, ends, refused = (Draft() for _ in range(7))
    for run in (ends, refused):
        await stores[0].append(having(run.step(started()), turn(run, f"c-{run.id}", is_first=True)))
    again = having(refused.step(started()), TurnChanged(answer=MessageAnswer(text="never")), assigned(x="never"))
    again = msgspec.structs.replace(again, at=0)
    answer = MessageAnswer(text="はい", files=[{"related_id": "made"}])

    *written, conflict = await asyncio.gather(
        stores[0].append(
            having(
                whole.whole(), turn(whole, "c-1", is_first=True), assigned(x=[1], 心="💛"), TurnChanged(answer=answer)
            )
        ),
        stores[0].append(having(lone.whole(), TurnChanged(answer=answer), assigned(x=1))),
        stores[0].append(having(goes_on.step(started()), turn(goes_on, "c-2", is_first=True), *url(goes_on))),
        stores[0].append(having(gone.step(started()), turn(gone, "nowhere"))),
        stores[0].append(having(calls.whole(), *url(calls))),
        stores[0].append(
            having(ends.step(finished()), assigned(x=None), TurnChanged(answer=MessageAnswer(text="end")))
        ),
        stores[0].append(again),
        return_exceptions=True,
    )

    assert isinstance(conflict, LogConflict)
    assert written == [None] * 6
    told = [await stores[2].message_of_run(run.id) for run in (whole, lone, goes_on, gone, ends, refused)]
    assert [found and found.answer.text for found in told] == ["はい", None, "", None, "end", ""]
    values = {
        owner: {found.name: found.value for found in await stores[2].variables(owner)}
        for owner in ("c-1", "c-2", f"c-{ends.id}", f"c-{refused.id}")
    }
    assert values == {
        "c-1": {"心": "💛", "x": [1]},
        "c-2": {"心": 0, "x": 7},
        f"c-{ends.id}": {"心": 0, "x": None},
        f"c-{refused.id}": {"心": 0, "x": 7},
    }
    callbacks = [await stores[1].find(run.id) for run in (goes_on, calls, whole)]
    assert [found and found.state for found in callbacks] == ["pending", "pending", None]
    assert [found.run_id for found in await stores[1].due(5000.0)] == [calls.id]
    files = [f"f-{run.id}" for run in (whole, goes_on, ends, gone)]
    assert [await stores[2].uses_file(APP, file) for file in ["made", *files]] == [True, True, True, True, False]


async def test_turns_of_one_conversation_that_come_at_once_are_all_counted_and_the_last_value_counts(
    stores: Stores,
) -> None:
    runs = [Draft() for _ in range(4)]

    await asyncio.gather(
        *(
            stores[0].append(
                having(run.whole(), turn(run, "c", 1000.0 + number, is_first=number == 0), assigned(x=number, y=number))
            )
            for number, run in enumerate(runs)
        )
    )

    found = await stores[2].conversation(APP, "id of anna", "c")
    assert found is not None
    assert (found.turns, found.updated_at) == (4, 1003.0)
    asked = await stores[2].messages("c", limit=10)
    assert asked is not None
    assert [one.run_id for one in asked] == [run.id for run in reversed(runs)]
    assert {one.name: one.value for one in await stores[2].variables("c")} == {"心": 0, "x": 3}


async def test_of_repeated_turns_that_come_at_once_each_has_its_new_run(stores: Stores) -> None:
    before, after = [Draft() for _ in range(3)], [Draft() for _ in range(3)]
    for run in before:
        await stores[0].append(having(run.whole(), turn(run, f"c-{run.id}", is_first=True)))

    await asyncio.gather(
        *(
            stores[0].append(
                having(
                    run.step(started(), finished()),
                    TurnRepeated(message_id=f"m-{old.id}"),
                    TurnChanged(answer=MessageAnswer(text=run.id)),
                )
            )
            for old, run in zip(before, after, strict=True)
        )
    )

    for old, run in zip(before, after, strict=True):
        found = await stores[2].message_of_run(run.id)
        assert found is not None
        assert (found.id, found.answer.text) == (f"m-{old.id}", run.id)
        assert await stores[2].message_of_run(old.id) is None


async def test_what_follows_from_every_run_follows_from_its_status_and_its_removal(stores: Stores) -> None:
    """How many there are, and which are found by a keyword."""
    runs, totals = [Draft() for _ in range(8)], []

    async def count() -> None:
        page = await stores[0].list_runs(LogQuery(app_id=APP))
        failed = await stores[0].list_runs(LogQuery(app_id=APP, statuses=("failed",)))
        found = await stores[0].list_runs(LogQuery(app_id=APP, keyword="kyoto"))
        totals.append((page.total, failed.total, found.total))

    for run in runs:
        await stores[0].append(run.step(started(q="Kyoto")))
    await stores[0].index(limit=8)
    await count()
    await stores[0].append(runs[0].step(finished(1001.0, "failed")))
    await stores[0].append(runs[1].step(finished(1001.0)))
    await stores[0].index(limit=8)
    await count()
    await stores[0].prune(2000.0)
    await count()

    assert totals == [(8, 0, 8), (8, 1, 8), (6, 0, 6)]


async def test_a_conversation_names_the_version_that_answered_last_for_as_long_as_the_run_is_kept(
    stores: Stores,
) -> None:
    run = Draft()
    await stores[2].add_turn(message("m0", "c"), conversation("c"))
    assert await stores[2].version_of("c") is None

    began = TurnBegan(message=message("m1", "c", run_id=run.id))
    # Under way, and ended.
    await stores[0].append(having(run.step(started()), began))
    assert await stores[2].version_of("c") == WORKFLOW
    await stores[0].append(run.step(*node(), finished()))
    await stores[2].add_turn(message("m2", "c"))

    assert await stores[2].version_of("C") == WORKFLOW
    assert await stores[2].version_of("other") is None
    await stores[0].remove(run.id)
    assert await stores[2].version_of("c") is None
