"""Lists of runs over all apps where pages end, and where several runs began at once."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jikko.ports.stores.run_pages import RunCursor, RunFilter
from jikko.ports.stores.run_store import Append
from jikko.store.sqlite import Database, SqliteRunStore
from jikko.store.sqlite.console.run_pages import SqliteRunPages
from tests.contract.runs import APP, OTHER_APP, Draft, finished, started

pytestmark = [pytest.mark.anyio, pytest.mark.once]


class Lists:
    """Runs in a database, and the lists of them."""

    def __init__(self, path: Path) -> None:
        database = Database.open(path)
        self.store = SqliteRunStore(database)
        self.pages = SqliteRunPages(database, scan_up_to=0)

    async def add(self, at: float, *, app: str = APP, user: str = "anna", text: str = "") -> str:
        draft = Draft(app=app, user=user)
        draft.step(started(at, q=text), finished(at + 1, answer=text))
        await self.store.append(Append(draft.id, 0, draft.events, draft.record))
        return draft.id

    async def read(self, wanted: RunFilter, limit: int) -> list[list[str]]:
        """All pages."""
        pages: list[list[str]] = []
        behind: RunCursor | None = None
        while len(pages) < 50:
            page = await self.pages.page(wanted, behind=behind, limit=limit)
            pages.append([record.identity.run_id for record in page.records])
            behind = page.next
            if behind is None:
                return pages
        raise AssertionError("it never ends")


@pytest.fixture
async def lists(tmp_path: Path) -> AsyncIterator[Lists]:
    lists = Lists(tmp_path / "jikko.db")
    yield lists
    await lists.store.close()


FILTERS = [
    RunFilter(),
    RunFilter(app_id=APP),
    RunFilter(statuses=("succeeded",)),
    RunFilter(user="anna"),
    RunFilter(keyword="needle"),
    RunFilter(app_id=APP, keyword="needle"),
]


@pytest.mark.parametrize("wanted", FILTERS)
@pytest.mark.parametrize("limit", [1, 2, 3, 5, 6, 7])
async def test_the_last_page_is_full_or_not_and_never_empty(lists: Lists, wanted: RunFilter, limit: int) -> None:
    ids = [await lists.add(float(at), text="a needle") for at in range(6)][::-1]

    pages = await lists.read(wanted, limit)

    assert pages == [ids[at : at + limit] for at in range(0, 6, limit)]


@pytest.mark.parametrize("wanted", FILTERS)
@pytest.mark.parametrize("limit", [1, 2, 4, 100])
async def test_of_runs_that_began_at_once_the_one_that_was_written_last_comes_first(
    lists: Lists, wanted: RunFilter, limit: int
) -> None:
    ids = [await lists.add(7.0, text="a needle") for _ in range(5)]
    ids.insert(0, await lists.add(6.0, text="a needle"))
    ids.append(await lists.add(8.0, text="a needle"))

    assert [each for page in await lists.read(wanted, limit) for each in page] == ids[::-1]


async def test_moments_belong_to_what_begins_and_ends_with_them(lists: Lists) -> None:
    ids = [await lists.add(float(at), text="a needle") for at in range(5)]

    for keyword in (None, "needle"):
        wanted = RunFilter(after=1.0, before=3.0, keyword=keyword)
        assert await lists.read(wanted, 10) == [ids[3:0:-1]]
        assert await lists.read(RunFilter(after=4.5, keyword=keyword), 10) == [[]]


async def test_how_many_are_newer_counts_what_the_filter_passes(lists: Lists) -> None:
    first = await lists.add(1.0)
    at = await lists.pages.place(first)
    await lists.add(1.0)
    await lists.add(2.0, app=OTHER_APP)
    await lists.add(3.0, user="ben")

    newer = [
        await lists.pages.newer(wanted, at)
        for wanted in (RunFilter(), RunFilter(app_id=APP), RunFilter(user="ben"), RunFilter(statuses=("failed",)))
    ]
    newest = await lists.pages.newest()

    assert newer == [3, 2, 1, 0]
    assert await lists.pages.newer(RunFilter(), newest) == 0
    assert await lists.pages.newer(RunFilter(), None) == 4
    assert await lists.pages.place("0199a1b2-0000-7000-8000-000000000000") is None


async def test_of_runs_that_are_named_those_that_pass_are_given_the_newest_first(lists: Lists) -> None:
    one, two, three = await lists.add(1.0), await lists.add(2.0, app=OTHER_APP), await lists.add(2.0)

    async def those(wanted: RunFilter, *ids: str) -> list[str]:
        return [record.identity.run_id for record in await lists.pages.those(wanted, ids)]

    assert await those(RunFilter(), one, two.upper(), three) == [three, two, one]
    assert await those(RunFilter(app_id=APP), one, two, three) == [three, one]
    assert await those(RunFilter(app_id="0199a1b2-0000-7000-8000-000000000000"), one) == []
    assert await those(RunFilter(), "0199a1b2-0000-7000-8000-000000000000") == []
    assert await those(RunFilter(user="ben"), one, two, three) == []
