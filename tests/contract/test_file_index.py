"""Contract of file indexes."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import pytest

from jikko.errors import Conflict
from jikko.ids import new_id
from jikko.ports.stores.file_index import FileTotals, Kept, StoredFile
from jikko.repositories.file_index import FileIndex
from jikko.store.sqlite.database import Database
from tests.store.postgres_server import POSTGRES, new_database

pytestmark = pytest.mark.anyio

APP = "0195e7a0-0000-7000-8000-0000000000a1"
OTHER_APP = "0195e7a0-0000-7000-8000-0000000000a2"
USER = "0195e7a0-0000-7000-8000-0000000000b1"
OTHER_USER = "0195e7a0-0000-7000-8000-0000000000b2"


@pytest.fixture(params=["sqlite", POSTGRES])
async def index(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[FileIndex]:
    if request.param == "postgres":
        async with new_database(request) as postgres:
            yield FileIndex(postgres)
        return
    database = Database.open(tmp_path / "jikko.db")
    yield FileIndex(database)
    database.close()


def stored(**changes: object) -> StoredFile:
    file = StoredFile(
        id=new_id(),
        app_id=APP,
        end_user_id=USER,
        name="報告 📄.txt",
        size=3,
        extension="txt",
        mime_type="text/plain",
        digest="ab" * 32,
        created_at=1000.25,
    )
    return msgspec.structs.replace(file, **changes)


async def test_a_file_comes_back_as_it_was_added(index: FileIndex) -> None:
    file = stored(origin="node", size=2**40, name="a\u202eb\n\"'%.txt")

    await index.add(file)

    assert await index.find(file.id) == file


async def test_ids_are_found_in_any_case(index: FileIndex) -> None:
    file = stored()
    await index.add(file)

    assert await index.find(file.id.upper()) == file


@pytest.mark.parametrize("spelled", [str.lower, str.upper])
async def test_a_file_that_is_used_again_stays_as_if_it_had_been_added_then(
    index: FileIndex, spelled: Callable[[str], str]
) -> None:
    used, other = stored(created_at=1000.0), stored(created_at=1000.0)
    for file in (used, other):
        await index.add(file)

    await index.used(spelled(used.id), 2000.0)

    await index.expire(1500.0)
    assert [await index.find(file.id) is None for file in (used, other)] == [False, True]
    await index.expire(2000.5)
    assert await index.find(used.id) is None


@pytest.mark.parametrize("unknown", ["", "nonsense", "0195e7a0-0000-7000-8000-000000000000", "é" * 36])
async def test_an_unknown_id_finds_nothing(index: FileIndex, unknown: str) -> None:
    await index.add(stored())

    assert await index.find(unknown) is None


async def test_ids_that_are_no_uuids_are_kept_too(index: FileIndex) -> None:
    file = stored(id="file-one", app_id="app-one", end_user_id="user-one")
    await index.add(file)

    assert await index.find("file-one") == file


async def test_an_id_can_be_added_once(index: FileIndex) -> None:
    file = stored()
    await index.add(file)

    with pytest.raises(Conflict, match=file.id):
        await index.add(msgspec.structs.replace(file, name="other"))

    assert await index.find(file.id) == file


async def test_old_files_are_forgotten_and_content_that_nobody_has_is_named(index: FileIndex) -> None:
    old, shared, new = stored(digest="11" * 32, created_at=1.0), stored(created_at=2.0), stored(created_at=9.0)
    for file in (old, shared, new):
        await index.add(file)

    expired = await index.expire(9.0)

    assert (expired.files, expired.orphans) == (2, ["11" * 32])
    assert [await index.find(file.id) for file in (old, shared, new)] == [None, None, new]


async def test_the_oldest_are_forgotten_first_and_only_n(index: FileIndex) -> None:
    first, second = stored(created_at=1.0, digest="11" * 32), stored(created_at=2.0, digest="22" * 32)
    for file in (second, first):
        await index.add(file)

    assert (await index.expire(9.0, limit=1)).orphans == ["11" * 32]
    assert (await index.expire(9.0, limit=1)).orphans == ["22" * 32]
    assert (await index.expire(9.0, limit=1)).files == 0


async def test_files_that_are_to_stay_are_passed_over(index: FileIndex) -> None:
    one, other, theirs = stored(), stored(), stored(end_user_id=OTHER_USER)
    for file in (one, other, theirs):
        await index.add(file)

    assert (await index.expire(9000.0, keep=Kept(frozenset({one.id}), frozenset({(APP, OTHER_USER)})))).files == 1

    assert [await index.find(file.id) for file in (one, other, theirs)] == [one, None, theirs]


async def test_content_that_no_file_has_is_told(index: FileIndex) -> None:
    await index.add(stored(digest="11" * 32))

    assert await index.unnamed(["11" * 32, "22" * 32, "33" * 32]) == ["22" * 32, "33" * 32]
    assert await index.unnamed([]) == []


async def test_files_of_one_end_user_are_forgotten_and_content_that_nobody_else_has_is_told(index: FileIndex) -> None:
    shared, own = stored(), stored(digest="cd" * 32)
    others = [stored(end_user_id=OTHER_USER), stored(app_id=OTHER_APP, digest="ef" * 32)]
    for file in (shared, own, *others):
        await index.add(file)

    first = await index.forget_of_user(APP, USER, limit=1)
    rest = await index.forget_of_user(APP, USER)

    assert (first.files, rest.files) == (1, 1)
    assert {*first.orphans, *rest.orphans} == {"cd" * 32}
    assert [await index.find(file.id) for file in (shared, own)] == [None, None]
    assert [await index.find(file.id) for file in others] == others


async def test_files_are_counted_with_their_sizes(index: FileIndex) -> None:
    assert await index.totals() == FileTotals(0, 0)
    # Two of one content count twice.
    for size in (3, 2**41):
        await index.add(stored(size=size))
    assert await index.totals() == FileTotals(2, 2**41 + 3)
