"""Lists of runs over all apps take a time that does not depend on how many runs there are."""

from pathlib import Path

import pytest

from jikko.store.sqlite import Database
from jikko.store.sqlite.console.run_pages import SqliteRunPages
from tests.store.console.many_runs import BEGIN, milliseconds, write_runs

pytestmark = pytest.mark.anyio


@pytest.mark.slow
@pytest.mark.once
async def test_page_one_takes_no_longer_with_many_runs(tmp_path: Path) -> None:
    apps, versions = write_runs(tmp_path / "jikko.db", 200_000)
    database = Database.open(tmp_path / "jikko.db")
    medians = await milliseconds(SqliteRunPages(database), apps[0], versions, BEGIN + 2.0 * 200_000)
    database.close()
    assert {name: took for name, took in medians.items() if took > (100 if "charts" in name else 50)} == {}
