"""Requests to a closing process are refused, even pending ones; the next process continues."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from jikko.assemble import assemble
from jikko.errors import ServerStopping
from jikko.repositories.app_store import WorkflowVersion
from jikko.settings import Settings
from jikko.store.sqlite import SqliteRunStore
from tests.effort import PATIENCE
from tests.runs.test_forms import branching, ended_or_paused, paused
from tests.runs.world import World
from tests.store.in_memory import AppsInMemory

pytestmark = pytest.mark.anyio


class Gate:
    """Something that takes as long as the test wants."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.open = asyncio.Event()

    async def passed(self) -> None:
        self.reached.set()
        async with asyncio.timeout(PATIENCE):
            await self.open.wait()


async def test_a_run_whose_start_took_until_then_is_refused_and_leaves_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, process, gate = await world.chain(), world.process(), Gate()
    quick = AppsInMemory.version

    async def slow(self: AppsInMemory, app_id: str, workflow_id: str) -> WorkflowVersion | None:
        await gate.passed()
        return await quick(self, app_id, workflow_id)

    monkeypatch.setattr(AppsInMemory, "version", slow)
    starting = asyncio.ensure_future(process.start(app))
    await gate.reached.wait()

    assert await process.runs.close(0) == 0
    gate.open.set()

    with pytest.raises(ServerStopping):
        await starting
    assert await world.store.open_runs() == []
    assert process.admission.running == 0


async def test_a_form_whose_run_could_not_go_on_by_then_is_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    quick = SqliteRunStore.events

    async def slow(self: SqliteRunStore, run_id: str, *, after: int = -1) -> Any:
        events = await quick(self, run_id, after=after)
        if asking:
            await gate.passed()
        return events

    asking = False
    monkeypatch.setattr(SqliteRunStore, "events", slow)
    async with assemble(Settings(home=tmp_path)) as one:
        app, live, (requested,) = await paused(one, branching())
        run_id, token = live.record.identity.run_id, requested.form["form_token"]
        await ended_or_paused(one, run_id)
        asking = True
        answering = asyncio.ensure_future(one.runs.forms.submit(app.id, token, "yes", {"comment": "now"}, ""))
        await gate.reached.wait()

        assert await one.runs.close(0) == 0
        gate.open.set()
        with pytest.raises(ServerStopping):
            await answering
        asking = False

    async with assemble(Settings(home=tmp_path)) as other:
        await other.runs.forms.submit(app.id, token, "yes", {"comment": "later"}, "")
        assert (await ended_or_paused(other, run_id)).status == "succeeded"
