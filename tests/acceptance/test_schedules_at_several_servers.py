"""Each due time of a schedule has one run, though the server that leads is killed."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from jikko.store.postgres.database import Postgres
from tests.acceptance.faults import until
from tests.acceptance.several_servers import SeveralServers
from tests.acceptance.workflows import app, end, node, template

pytestmark = [pytest.mark.services, pytest.mark.slow]

EVERY_SECOND = app(
    "毎秒",
    [
        node("clock", "trigger-schedule", mode="cron", cron_expression="@every 1s"),
        template("say", "x"),
        end(out="say.output"),
    ],
    "clock>say>end",
)


@pytest.fixture
def several(tmp_path: Path, several_settings: dict[str, str]) -> Iterator[SeveralServers]:
    made = SeveralServers(tmp_path, {"every": EVERY_SECOND}, several_settings, count=2)
    yield made
    made.close()


def counted(several: SeveralServers) -> tuple[int, int]:
    """How many runs there are, and how many of them due times have, one each."""

    async def count() -> tuple[int, int]:
        database = Postgres(several.settings["JIKKO_DATABASE_URL"])
        try:
            runs = await database.value("SELECT (SELECT count(*) FROM runs) + (SELECT count(*) FROM open_runs)")
            noted = await database.value("SELECT count(DISTINCT run_id) FROM due_times WHERE state = 'started'")
            return int(runs), int(noted)
        finally:
            await database.close()

    return asyncio.run(count())


def test_each_due_time_has_one_run_though_the_leader_is_killed(several: SeveralServers) -> None:
    until(lambda: counted(several)[1] >= 2, "the first leader starts runs")
    several.servers[0].kill()
    before = counted(several)[1]

    until(lambda: counted(several)[1] > before + 1, "the other one goes on")
    until(lambda: len(set(counted(several))) == 1, "each run is that of one due time")
