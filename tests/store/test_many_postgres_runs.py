"""PostgreSQL's reads for a page, figure, command or job do not grow with the number of runs."""

from collections.abc import AsyncIterator, Iterator

import pytest

from jikko.store import run_lists
from jikko.store.postgres.console import run_pages
from jikko.store.postgres.database import Postgres
from jikko.store.postgres.migrate import migrate
from jikko.store.postgres.runs import hour_counts
from tests.store.explained import Explained
from tests.store.many_postgres_runs import Filled, fill
from tests.store.postgres_server import PostgresServer, postgres_running
from tests.store.questions import filters, listed, questions, stores_of

pytestmark = [pytest.mark.anyio, pytest.mark.services, pytest.mark.slow, pytest.mark.once]

RUNS = 20_000
MOST = 3_000
"""Rows and entries of indices that a question may look at."""
FEW = {
    run_lists: {
        "MAX_COUNTED": 500,
        "MAX_ROW_LOOKUPS": 500,
        "SAMPLED": 10,
        "MAX_SCANNED_ROWS": 500,
        "MAX_NEWER": 500,
        "MAX_SAMPLED": 500,
    },
    run_pages: {"_MAX_BARRED": 500, "_SEARCHED": 500, "MIN_KEPT_RUNS": 500},
    hour_counts: {"MIN_KEPT_RUNS": 500},
}
"""Bounds, which are lower here, so that no table has to be larger."""
EXCEPT = {
    "logs, a common keyword": "tells how many have it: all of an app are looked through, by a connection of its own",
    "logs, a rare keyword": "likewise",
    "logs, no keyword": "likewise",
    "prune --dry-run, all": "tells how many are old",
    "prune --dry-run, a large app": "likewise",
    "export, a small app": "goes through all, in pieces",
}
"""What looks at more, and why."""
WITHOUT_FIGURES = {"console, user, over time", "console, user, between", "console, nobody, between"}
"""Look at all of a span of time until the database has figures of its tables, a minute after they were filled."""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_running(("fsync=off", "shared_buffers=128MB", "autovacuum=off")) as running:
        yield running


@pytest.fixture
async def filled(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch, analysed: bool
) -> AsyncIterator[tuple[Explained, Filled]]:
    for module, names in FEW.items():
        for name, few in names.items():
            monkeypatch.setattr(module, name, few)
    url = server.made()
    plain = Postgres(url)
    await migrate(plain)
    made = await fill(plain, RUNS, analysed=analysed)
    await plain.close()
    watched = Explained(url)
    yield watched, made
    await watched.close()


@pytest.mark.parametrize("analysed", [True, False], ids=["known figures", "no figures"])
async def test_what_is_asked_looks_at_few_rows(filled: tuple[Explained, Filled], analysed: bool) -> None:
    """Whether the database has figures of its tables, or not yet."""
    database, made = filled
    stores = stores_of(database)
    asked = questions(stores, made)
    asked |= {f"console, {name}": listed(stores, wanted) for name, wanted in filters(made, 2).items()}
    more = {*EXCEPT} | (set() if analysed else WITHOUT_FIGURES)
    assert more <= set(asked)
    too_much = {}
    for name, ask in asked.items():
        await ask()  # what is remembered of it is not counted
        database.statements.clear()
        await ask()
        gone_through = any(statement.goes_through("runs") for statement in database.statements)
        if name not in more and (database.rows > MOST or gone_through):
            too_much[name] = database.rows, gone_through
    await stores.runs.close()
    assert too_much == {}
