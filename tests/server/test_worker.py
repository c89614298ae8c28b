"""What a worker does and says: here the test sits at the other end of its line, as the supervisor does."""

import asyncio
import socket
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from jikko.assemble import Assembly, assemble
from jikko.cluster.messages import Ask, Estate, Inherit, Inherited, Line, Message, Reply, Serving, Stop
from jikko.cluster.peers import PeersOverLine
from jikko.events import RunStarted
from jikko.ids import new_id
from jikko.record import RunOwner, RunRecord
from jikko.runs.run_log import RunLog
from jikko.server.worker import Worker
from jikko.settings import Settings
from tests.acceptance.workflows import ECHO
from tests.effort import PATIENCE

pytestmark = pytest.mark.anyio


@dataclass
class Scene:
    """The worker ``s/1``, and the supervisor's end of its line."""

    assembly: Assembly
    worker: Worker
    line: Line
    messages: AsyncIterator[Message]

    async def hear(self) -> Message:
        async with asyncio.timeout(PATIENCE):
            return await anext(self.messages)

    async def run_of(self, holder: str) -> str:
        """A run that another process has begun."""
        published = await self.assembly.apps.publish(ECHO.encode(), source="echo")
        owner = RunOwner(
            run_id=new_id(),
            task_id=new_id(),
            app_id=published.app.id,
            workflow_id=published.version.id,
            version=published.version.version,
            end_user_id=new_id(),
            user="someone",
        )
        live = RunLog(self.assembly.store, RunRecord(owner=owner, holder=holder))
        live.append([RunStarted(at=1.0, inputs={"q": "x"}, system={})])
        await live.committed()
        return owner.run_id

    async def holder(self, run_id: str) -> str:
        record = await self.assembly.store.record(run_id)
        assert record is not None
        return record.holder


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    ours, theirs = socket.socketpair()
    line, its_line = await Line.open(ours), await Line.open(theirs)
    peers = PeersOverLine("s/1", its_line, 2)
    async with assemble(Settings(home=tmp_path), peers=peers) as assembly:
        worker = Worker(assembly, peers, its_line)
        obeying = asyncio.get_running_loop().create_task(worker.obey(its_line.messages()))
        yield Scene(assembly, worker, line, line.messages())
        line.close()
        await obeying
        worker.rest()
        await assembly.runs.close(0)
        its_line.close()


async def test_one_that_has_nothing_to_take_over_may_serve(scene: Scene) -> None:
    scene.line.send(Inherit([]))
    await scene.worker.may_serve.wait()
    scene.worker.serves()

    assert await scene.hear() == Serving()


async def test_runs_count_as_taken_over_once_their_records_say_so(scene: Scene, tmp_path: Path) -> None:
    run_id, estate = await scene.run_of("s/0"), Estate(left_by="s/0")
    with closing(sqlite3.connect(tmp_path / "jikko.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        scene.line.send(Inherit([estate]))
        await scene.worker.may_serve.wait()
        scene.worker.serves()
        scene.line.send(Ask(to="s/1", sender="s/2", number=7, question=Stop(run_id="none", error="")))

        # It serves, and has said nothing of the runs.
        assert [await scene.hear(), await scene.hear()] == [Serving(), Reply(to="s/2", number=7, answer=None)]
        assert await scene.holder(run_id) == "s/0"
        other.execute("ROLLBACK")

    assert await scene.hear() == Inherited([estate])
    # Or nobody's, if it has ended meanwhile.
    assert await scene.holder(run_id) in ("s/1", "")


async def test_runs_of_another_estate_are_left_alone(scene: Scene) -> None:
    run_id = await scene.run_of("s/5")

    scene.line.send(Inherit([Estate(left_by="s/0"), Estate(left_by="")]))

    assert isinstance(await scene.hear(), Inherited)
    assert await scene.holder(run_id) == "s/5"
