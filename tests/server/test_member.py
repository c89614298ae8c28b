"""What a server process does when its cluster tells it something."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from jikko.assemble import Assembly, assemble
from jikko.events import RunStarted
from jikko.ids import new_id
from jikko.ports.cluster import OrphanedRuns, StopRun
from jikko.record import RunIdentity, RunRecord
from jikko.runs.run_log import RunLog
from jikko.server.member import ServerMember
from jikko.settings import Settings
from tests.acceptance.workflows import ECHO

pytestmark = pytest.mark.anyio


@dataclass
class Scene:
    """A process, and runs of others in its store."""

    assembly: Assembly
    member: ServerMember
    said: list[int]
    """How many runs it said that it has found."""

    async def run_of(self, holder: str) -> str:
        """A run that another process has begun."""
        published = await self.assembly.apps.publish(ECHO.encode(), source="echo")
        identity = RunIdentity(
            run_id=new_id(),
            task_id=new_id(),
            app_id=published.app.id,
            workflow_id=published.version.id,
            version=published.version.version,
            end_user_id=new_id(),
            user="someone",
        )
        live = RunLog(self.assembly.store, RunRecord(identity=identity, holder=holder))
        live.append([RunStarted(at=1.0, inputs={"q": "x"}, system={})])
        await live.committed()
        return identity.run_id

    async def holder(self, run_id: str) -> str:
        record = await self.assembly.store.record(run_id)
        assert record is not None
        return record.holder


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with assemble(Settings(home=tmp_path)) as assembly:
        said: list[int] = []
        yield Scene(assembly, ServerMember(assembly, said.append), said)
        await assembly.runs.close(0)


async def test_runs_count_as_taken_over_once_their_records_say_so(scene: Scene, tmp_path: Path) -> None:
    run_id = await scene.run_of("s/0")
    with closing(sqlite3.connect(tmp_path / "jikko.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        taken = await scene.member.take_over(OrphanedRuns(holder="s/0"))
        waiting = asyncio.ensure_future(taken.durable())

        # It goes on with other things meanwhile.
        assert await scene.member.handle_command(StopRun(run_id="none", error="")) is None
        assert (scene.said, waiting.done(), await scene.holder(run_id)) == ([1], False, "s/0")
        other.execute("ROLLBACK")

    await waiting
    assert await scene.holder(run_id) in (scene.assembly.cluster.name, "")


async def test_runs_of_others_are_left_alone(scene: Scene) -> None:
    run_id = await scene.run_of("s/5")
    ours = await scene.run_of(scene.assembly.cluster.name)

    for orphans in (OrphanedRuns(holder="s/0"), OrphanedRuns(holder="s/5", share=2, of=1)):
        await (await scene.member.take_over(orphans)).durable()

    assert scene.said == [0, 0]
    assert await scene.holder(run_id) == "s/5"
    assert await scene.holder(ours) == scene.assembly.cluster.name


async def test_what_earlier_servers_left_is_not_what_this_one_has(scene: Scene) -> None:
    server = scene.assembly.cluster.name.partition("/")[0]
    runs = [await scene.run_of(holder) for holder in (f"{server}/1", f"{server}0/1", "")]

    await (await scene.member.take_over(OrphanedRuns())).durable()

    assert scene.said == [2]
    assert await scene.holder(runs[0]) == f"{server}/1"
