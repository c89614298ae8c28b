"""``jikko move`` that is broken off, at any point, and called again."""

from pathlib import Path
from typing import Any

import pytest

from jikko.assemble import assemble
from jikko.assemble.postgres.moving import move_to_postgres
from jikko.cluster.data_folder import MoveMark
from jikko.errors import InvalidSettings, StoreUnavailable
from jikko.settings import Settings
from jikko.store.postgres.database import Postgres
from tests.store.moving.test_move import drafts, fill, quiet
from tests.store.postgres_server import PostgresServer

pytestmark = [pytest.mark.anyio, pytest.mark.services, pytest.mark.postgres]


class Killed(BaseException):
    """The process ends here, without a word."""


@pytest.fixture
async def settings(tmp_path: Path) -> Settings:
    await fill(tmp_path / "jikko.db")
    return Settings(home=tmp_path)


async def arrived(url: str) -> int:
    database = Postgres(url)
    try:
        there: int = await database.value("SELECT (SELECT count(*) FROM runs) + (SELECT count(*) FROM open_runs)")
        return there
    finally:
        await database.close()


async def moved(settings: Settings, url: str) -> None:
    """Call it again, and see that all is there once and the folder has given up its own."""
    await move_to_postgres(settings, url, "", quiet)

    assert await arrived(url) == len(drafts())
    assert (settings.database.exists(), settings.database.with_name("jikko.db.moved").exists()) == (False, True)
    assert MoveMark(settings.home).read() == ""


async def refused(settings: Settings) -> str:
    with pytest.raises(InvalidSettings) as raised:
        async with assemble(settings, owned=True):
            pass
    return str(raised.value)


async def test_while_it_copies(settings: Settings, postgres_server: PostgresServer) -> None:
    url = postgres_server.made()

    def die(what: str, count: int) -> None:
        if what == "runs":
            raise Killed

    with pytest.raises(Killed):
        await move_to_postgres(settings, url, "", die)

    assert await arrived(url) == 0
    # Neither the one record nor the other changes before it is known which holds.
    assert "`jikko move` of" in await refused(settings)
    assert "`jikko move` of" in await refused(Settings(home=settings.home, database_url=url))
    await moved(settings, url)


async def test_when_all_has_arrived(
    settings: Settings, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres_server.made()

    def die(self: Path, target: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", die)
        with pytest.raises(Killed):
            await move_to_postgres(settings, url, "", quiet)

    assert await arrived(url) == len(drafts())
    assert "`jikko move` of" in await refused(settings)
    await moved(settings, url)
    async with assemble(Settings(home=settings.home, database_url=url), owned=True):
        pass
    assert "The record of" in await refused(settings), "an empty one would be begun"


async def test_what_fails_leaves_a_folder_that_is_served_as_before(
    settings: Settings, postgres_server: PostgresServer
) -> None:
    url = postgres_server.made()

    def fail(what: str, count: int) -> None:
        if what == "runs":
            raise StoreUnavailable("the database is away")

    with pytest.raises(StoreUnavailable, match="is away"):
        await move_to_postgres(settings, url, "", fail)

    assert (MoveMark(settings.home).read(), await arrived(url)) == ("", 0)
    async with assemble(settings, owned=True):
        pass
    await moved(settings, url)


async def test_behind_the_copy_with_another_database(
    settings: Settings, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, other = postgres_server.made(), postgres_server.made()

    def die(self: MoveMark) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(MoveMark, "remove", die)
        with pytest.raises(Killed):
            await move_to_postgres(settings, url, "", quiet)
    kept = settings.database.with_name("jikko.db.moved")
    size = kept.stat().st_size

    # It has nothing, and the record of the folder is not in its place any more.
    with pytest.raises(InvalidSettings, match="Call it again, with that one"):
        await move_to_postgres(settings, other, "", quiet)

    assert (settings.database.exists(), kept.stat().st_size) == (False, size)
    await moved(settings, url)


async def test_a_second_move_took_the_place_of_what_the_first_had_put_away(
    settings: Settings, postgres_server: PostgresServer
) -> None:
    first = await move_to_postgres(settings, postgres_server.made(), "", quiet)
    before = (settings.home / "jikko.db.moved").read_bytes()
    # The folder gets a record again, as by a backup that is brought back, and goes elsewhere with that.
    kept = [first.kept]
    for _ in range(2):
        await fill(settings.database)
        kept.append((await move_to_postgres(settings, postgres_server.made(), "", quiet)).kept)

    assert kept == ["jikko.db.moved", "jikko.db.moved-2", "jikko.db.moved-3"]
    assert (settings.home / "jikko.db.moved").read_bytes() == before
    assert all((settings.home / name).exists() for name in kept)
