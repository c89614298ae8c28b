"""Contract of ``EndUserStore``."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from jikko.ids import new_id
from jikko.ports.stores.file_index import StoredFile
from jikko.ports.stores.run_store import RunStore
from jikko.repositories.end_user_store import EndUser, EndUserStore
from jikko.repositories.file_index import FileIndex
from jikko.store.postgres.runs.run_store import PostgresRunStore
from jikko.store.sqlite import Database, SqliteRunStore
from tests.store.postgres_server import POSTGRES, new_database

from .runs import APP, OTHER_APP, Draft

pytestmark = pytest.mark.anyio

ANNA = "0199a1b2-0000-5000-8000-0000000000aa"


@dataclass
class Stores:
    end_users: EndUserStore
    runs: RunStore
    files: FileIndex


@pytest.fixture(params=["sqlite", POSTGRES])
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stores]:
    async with AsyncExitStack() as stack:
        if request.param == "postgres":
            postgres = await stack.enter_async_context(new_database(request))
            kept = PostgresRunStore(postgres)
            stack.push_async_callback(kept.close)
            yield Stores(EndUserStore(postgres), kept, FileIndex(postgres))
        else:
            database = Database.open(tmp_path / "jikko.db")
            store = SqliteRunStore(database)
            stack.push_async_callback(store.close)
            yield Stores(EndUserStore(database), store, FileIndex(database))


def file(at: float, *, app: str = APP, owner: str = ANNA) -> StoredFile:
    return StoredFile(
        id=new_id(),
        app_id=app,
        end_user_id=owner,
        name="a.txt",
        size=1,
        extension="txt",
        mime_type="text/plain",
        digest="ab" * 32,
        created_at=at,
    )


async def test_who_started_a_run_is_known(stores: Stores) -> None:
    await stores.runs.append(Draft(user="anna").whole(at=1005.5))
    await stores.runs.append(Draft(user="anna").whole(at=1000.5))
    await stores.runs.append(Draft(user="berta").whole(at=900))

    found = await stores.end_users.find(APP, "id of anna")

    assert found == EndUser(id="id of anna", app_id=APP, user="anna", created_at=1000.5)


async def test_who_was_added_is_known_by_a_file(stores: Stores) -> None:
    await stores.end_users.add(APP, ANNA, "anna 🙂")
    await stores.files.add(file(at=2000))
    await stores.files.add(file(at=1000))

    found = await stores.end_users.find(APP, ANNA)

    assert found == EndUser(id=ANNA, app_id=APP, user="anna 🙂", created_at=1000)


async def test_ids_are_found_in_any_case(stores: Stores) -> None:
    await stores.end_users.add(APP, ANNA, "anna")
    await stores.files.add(file(at=1000))

    found = await stores.end_users.find(APP, ANNA.upper())

    assert found is not None
    assert found.id == ANNA


async def test_adding_somebody_again_changes_nothing(stores: Stores) -> None:
    await stores.files.add(file(at=1000))
    for user in ("anna", "anna", "somebody else"):
        await stores.end_users.add(APP, ANNA, user)

    found = await stores.end_users.find(APP, ANNA)

    assert found is not None
    assert found.user == "anna"


async def test_who_uploaded_before_the_first_run_is_as_old_as_the_file(stores: Stores) -> None:
    await stores.runs.append(Draft(user="anna").whole(at=1000))
    await stores.end_users.add(APP, "id of anna", "anna")
    await stores.files.add(file(at=500, owner="id of anna"))

    found = await stores.end_users.find(APP, "id of anna")

    assert found is not None
    assert found.created_at == 500


async def test_nobody_is_known_to_another_app(stores: Stores) -> None:
    await stores.runs.append(Draft(user="anna").whole())
    await stores.end_users.add(APP, ANNA, "anna")
    await stores.files.add(file(at=1000))

    assert await stores.end_users.find(OTHER_APP, "id of anna") is None
    assert await stores.end_users.find(OTHER_APP, ANNA) is None


async def test_somebody_without_a_run_or_a_file_is_not_known(stores: Stores) -> None:
    await stores.runs.append(Draft(user="berta").whole())
    await stores.end_users.add(APP, ANNA, "anna")

    assert await stores.end_users.find(APP, ANNA) is None
    assert await stores.end_users.find(APP, "nobody") is None


async def test_who_has_nothing_left_is_forgotten(stores: Stores) -> None:
    await stores.runs.append(Draft(user="anna").whole(at=1000))

    await stores.runs.prune(2000)

    assert await stores.end_users.find(APP, "id of anna") is None


async def test_a_name_is_removed_once_nothing_is_left_of_its_end_user(stores: Stores) -> None:
    await stores.end_users.add(APP, ANNA, "anna")
    await stores.end_users.add(APP, "id of berta", "berta")
    await stores.files.add(file(at=1000, owner="id of berta"))

    await stores.end_users.remove(APP, ANNA.upper())
    await stores.end_users.remove(OTHER_APP, "id of berta")

    await stores.files.add(file(at=1000))
    assert await stores.end_users.find(APP, ANNA) is None
    assert await stores.end_users.find(APP, "id of berta") is not None


async def test_a_name_stays_while_a_run_is_there(stores: Stores) -> None:
    await stores.runs.append(Draft(user="anna").whole(at=1000))

    await stores.end_users.remove(APP, "id of anna")

    assert await stores.end_users.find(APP, "id of anna") is not None


async def test_whether_a_name_is_kept_can_be_asked_before_there_is_a_run(stores: Stores) -> None:
    assert not await stores.end_users.has(APP, ANNA)

    await stores.end_users.add(APP, ANNA, "anna")

    assert await stores.end_users.has(APP, ANNA.upper())
    assert not await stores.end_users.has(OTHER_APP, ANNA)
    await stores.end_users.remove(APP, ANNA)
    assert not await stores.end_users.has(APP, ANNA)
