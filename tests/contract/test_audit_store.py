"""Contract of ``AuditStore``."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from jikko.ids import new_id
from jikko.ports.stores.audit_store import STARTS, AuditEntry, AuditFilter
from jikko.repositories.audit_store import AuditStore
from jikko.store.sqlite import Database
from tests.store.postgres_server import POSTGRES, new_database

from .runs import APP, OTHER_APP

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["sqlite", POSTGRES])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[AuditStore]:
    async with AsyncExitStack() as stack:
        if request.param == "sqlite":
            database = Database.open(tmp_path / "jikko.db")
            stack.callback(database.close)
            yield AuditStore(database)
        else:
            yield AuditStore(await stack.enter_async_context(new_database(request)))


def entry(number: int, **fields: Any) -> AuditEntry:
    """The one of a number: later numbers have later ids."""
    given: dict[str, Any] = {
        "id": f"01a21069-21d3-76c6-be60-{number:012x}",
        "at": 1000.0 + number,
        "actor": "展開 🚢",
        "source": "",
        "via": "api",
        "action": "stop_run",
        "what": "stopped run \ue000",
    }
    return AuditEntry(**{**given, **fields})


async def test_entries_are_kept_as_they_are_newest_first(store: AuditStore) -> None:
    kept = [
        entry(1, before={"環境": [None, 1.5, "秘"]}, after="x", app_id=APP),
        entry(2, source=new_id(), via="cli", before=False, after=[]),
        entry(3, via="console"),
    ]
    for each in kept:
        await store.add(each)
    assert await store.entries(AuditFilter(), limit=9) == kept[::-1]
    assert await store.entries(AuditFilter(), limit=2) == [kept[2], kept[1]]
    assert await store.entries(AuditFilter(behind=kept[1].id), limit=9) == [kept[0]]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (AuditFilter(app_ids=(APP,)), [4, 1]),
        (AuditFilter(app_ids=(APP, OTHER_APP)), [4, 2, 1]),
        (AuditFilter(app_ids=()), []),
        (AuditFilter(actor="展開 🚢"), [3, 1]),
        (AuditFilter(actor="展開"), []),
        (AuditFilter(action="apps use"), [4]),
        (AuditFilter(since=1002.0, until=1003.0), [3, 2]),
        (AuditFilter(app_ids=(APP,), actor="root", since=1002.0), [4]),
    ],
    ids=str,
)
async def test_entries_are_found_by_app_actor_action_and_time(
    store: AuditStore, wanted: AuditFilter, found: list[int]
) -> None:
    for each in (
        entry(1, app_id=APP),
        entry(2, app_id=OTHER_APP, actor="root"),
        entry(3),
        entry(4, app_id=APP, actor="root", action="apps use"),
    ):
        await store.add(each)
    assert [int(each.at - 1000) for each in await store.entries(wanted, limit=9)] == found


async def test_of_a_large_value_the_first_half_is_kept(store: AuditStore) -> None:
    await store.add(entry(1, before={"x": "長" * 5000}, after="y" * 4000))
    [kept] = await store.entries(AuditFilter(), limit=9)
    assert isinstance(kept.before, str)
    assert kept.before.startswith('{"x":"長長')
    assert kept.before.endswith("…")
    assert len(kept.before) < 2048
    assert kept.after == "y" * 4000


async def test_entries_of_starts_are_removed_by_age_and_no_others(store: AuditStore) -> None:
    starts = [entry(number, action=action) for number, action in enumerate(STARTS, 1)]
    others = [entry(20, at=1.0), entry(21, at=1.0, action="apps delete"), entry(22, action="start_run", at=2000.0)]
    for each in [*starts, *others]:
        await store.add(each)
    removed = [await store.prune_starts(2000.0, limit=5) for _ in range(3)]
    assert (sum(removed), removed[0], removed[-1]) == (len(starts), 5, 0)
    assert await store.entries(AuditFilter(), limit=50) == others[::-1]
