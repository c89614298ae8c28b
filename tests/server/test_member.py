"""Server process's reactions to calls of its cluster."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from jikko.assemble import Assembly, assemble
from jikko.events import Event, RunStarted, UnknownEvent
from jikko.ids import new_id
from jikko.ports.cluster import JobDue, OrphanedRuns, RunChanged, RunsMoved, StopRun
from jikko.record import RunIdentity, RunRecord
from jikko.runs.run_log import RunLog
from jikko.server.member import ServerMember
from jikko.settings import Settings
from tests.acceptance.workflows import ECHO
from tests.virtual_time import run

pytestmark = pytest.mark.anyio


@dataclass
class Scene:
    """A process, and runs of others in its store."""

    assembly: Assembly
    member: ServerMember
    counts: list[int]
    """How many runs it said that it has found."""

    async def run_of(self, holder: str, *events: Event) -> str:
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
        live.append([RunStarted(at=1.0, inputs={"q": "x"}, system={}), *events])
        await live.committed()
        return identity.run_id

    async def holder(self, run_id: str) -> str:
        record = await self.assembly.store.record(run_id)
        assert record is not None
        return record.holder


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with assemble(Settings(home=tmp_path)) as assembly:
        counts: list[int] = []
        yield Scene(assembly, ServerMember(assembly, counts.append), counts)
        await assembly.runs.close(0)


async def test_runs_count_as_taken_over_once_their_records_say_so(scene: Scene, tmp_path: Path) -> None:
    run_id = await scene.run_of("s/0")
    with closing(sqlite3.connect(tmp_path / "jikko.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        taken = await scene.member.take_over(OrphanedRuns(holder="s/0"))
        waiting = asyncio.ensure_future(taken.durable())

        # It goes on with other things meanwhile.
        assert await scene.member.handle_command(StopRun(run_id="none", error="")) is None
        assert (scene.counts, waiting.done(), await scene.holder(run_id)) == ([1], False, "s/0")
        other.execute("ROLLBACK")

    await waiting
    assert await scene.holder(run_id) in (scene.assembly.cluster.name, "")


async def test_runs_of_others_are_left_alone(scene: Scene) -> None:
    run_id = await scene.run_of("s/5")
    ours = await scene.run_of(scene.assembly.cluster.name)

    for orphans in (OrphanedRuns(holder="s/0"), OrphanedRuns(holder="s/5", share=2, of=1)):
        await (await scene.member.take_over(orphans)).durable()

    assert scene.counts == [0, 0]
    assert await scene.holder(run_id) == "s/5"
    assert await scene.holder(ours) == scene.assembly.cluster.name


async def test_what_earlier_servers_left_is_not_what_this_one_has(scene: Scene) -> None:
    server = scene.assembly.cluster.name.partition("/")[0]
    runs = [await scene.run_of(holder) for holder in (f"{server}/1", f"{server}0/1", "")]

    await (await scene.member.take_over(OrphanedRuns())).durable()

    assert scene.counts == [2]
    assert await scene.holder(runs[0]) == f"{server}/1"


async def test_a_run_with_an_event_of_a_newer_version_is_left_to_that_whatever_its_record_says(scene: Scene) -> None:
    run_id = await scene.run_of("s/0", UnknownEvent(at=1.5, kind="noted"))

    taken = await scene.member.take_over(OrphanedRuns(holder="s/0"))

    assert (taken.count, taken.is_whole) == (0, False)
    assert await scene.holder(run_id) == "s/0"


@dataclass
class CallRecorder:
    """An alarm, or the feed of the console, that notes what it is told."""

    at: list[Any] = field(default_factory=list)

    def set(self, at: float) -> None:
        self.at.append(at)

    def moved(self, hint: RunsMoved) -> None:
        self.at.append(hint)

    def run_changed(self, run_id: str) -> None:
        self.at.append(run_id)


class Jobs:
    """An assembly of nothing but background jobs: each says that it began, and waits or fails."""

    def __init__(self, **settings: Any) -> None:
        self.settings = Settings(**settings)
        self.upkeep = self
        self.began: list[str] = []
        self.failing: set[str] = set()
        self.days: tuple[int, int] | None = None
        self.callbacks, self.keyword_indexing = map(self._job, ("callbacks", "keyword_indexing"))
        self.chat = self
        self.annotation_indexing, self.titles = map(self._job, ("annotation_indexing", "titles"))
        self.orphans, self.retention = map(self._job, ("orphans", "retention"))
        self.retention.watch_tokens = partial(self._run, "tokens")
        self.schedules = SimpleNamespace(watch=self._job("schedules"))
        self.configuration = SimpleNamespace(warn=partial(self._run, "triggers"))
        self.indexing = SimpleNamespace(lead=partial(self._run, "knowledge"), alarm=CallRecorder())
        self.measures = SimpleNamespace(tally=SimpleNamespace(watch=partial(self._run, "tally")))
        self.scheduled_backups: list[Any] = []
        self.archiving: Any = None
        self.console_feed: Any = CallRecorder()
        self.runs = SimpleNamespace(control=CallRecorder(), forms=self._job("forms"))

    def _job(self, name: str) -> Any:
        return SimpleNamespace(watch=partial(self._run, name), alarm=CallRecorder())

    async def _run(self, name: str, *arguments: Any) -> None:
        self.began.append(name)
        if name == "retention":
            self.days = arguments
        if name in self.failing:
            self.failing.discard(name)
            raise RuntimeError(name)
        await asyncio.Event().wait()


ALWAYS = {
    *("forms", "callbacks", "keyword_indexing", "annotation_indexing", "titles", "orphans", "knowledge"),
    *("schedules", "triggers", "tokens"),
}


async def led(jobs: Jobs) -> list[str]:
    """The jobs that have begun once all that begin at once have."""
    leading = asyncio.ensure_future(ServerMember(jobs, lambda count: None).lead())  # type: ignore[arg-type]
    for _ in range(20):
        await asyncio.sleep(0)
    leading.cancel()
    await asyncio.wait([leading])
    return jobs.began


async def test_who_leads_does_the_background_jobs_and_what_the_settings_want_besides(tmp_path: Path) -> None:
    plain = Jobs(home=tmp_path)
    metrics = Jobs(home=tmp_path, metrics_port=9999)
    backups = Jobs(home=tmp_path)
    backups.scheduled_backups = [
        SimpleNamespace(watch=partial(backups._run, name)) for name in ("whole", "knowledge_backup")
    ]

    archive = Jobs(home=tmp_path)
    archive.archiving = archive._job("archiving")

    assert set(await led(plain)) == ALWAYS
    assert set(await led(archive)) == {*ALWAYS, "archiving"}
    assert set(await led(metrics)) == {*ALWAYS, "tally"}
    assert set(await led(backups)) == {*ALWAYS, "whole", "knowledge_backup"}


@pytest.mark.parametrize(("days", "of_conversations"), [(3, 0), (0, 5), (3, 5)])
async def test_what_is_old_is_removed_if_runs_or_conversations_have_an_age(
    tmp_path: Path, days: int, of_conversations: int
) -> None:
    jobs = Jobs(home=tmp_path, retention_days=days, conversation_days=of_conversations)

    assert set(await led(jobs)) == {*ALWAYS, "retention"}
    assert jobs.days == (days, of_conversations)


def test_a_job_that_fails_begins_again_in_a_while_and_the_others_go_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    jobs = Jobs(home=tmp_path)
    jobs.failing = {"callbacks"}

    async def a_while() -> float:
        leading = asyncio.ensure_future(ServerMember(jobs, lambda count: None).lead())  # type: ignore[arg-type]
        for _ in range(100):
            await asyncio.sleep(0.5)
            if jobs.began.count("callbacks") == 2:
                break
        leading.cancel()
        await asyncio.wait([leading])
        return asyncio.get_running_loop().time()

    assert 2 <= run(a_while()) <= 10
    assert sorted(jobs.began) == sorted([*ALWAYS, "callbacks"])
    assert "a background job failed; trying again" in caplog.text


@pytest.mark.parametrize(
    ("job", "alarm"),
    [
        ("forms", lambda jobs: jobs.runs.forms),
        ("callbacks", lambda jobs: jobs.callbacks),
        ("keywords", lambda jobs: jobs.keyword_indexing),
        ("knowledge", lambda jobs: jobs.indexing),
        ("annotations", lambda jobs: jobs.annotation_indexing),
    ],
)
async def test_a_hint_that_a_job_is_due_sets_the_alarm_of_that_job(tmp_path: Path, job: Any, alarm: Any) -> None:
    jobs = Jobs(home=tmp_path)

    ServerMember(jobs, lambda count: None).on_hint(JobDue(job=job, at=7.0))  # type: ignore[arg-type]

    alarms = [jobs.runs.forms, jobs.callbacks, jobs.keyword_indexing, jobs.indexing, jobs.annotation_indexing]
    assert [each.alarm.at for each in alarms if each is not alarm(jobs)] == [[]] * 4
    assert alarm(jobs).alarm.at == [7.0]


async def test_hints_about_runs_come_to_who_follows_them(tmp_path: Path) -> None:
    jobs = Jobs(home=tmp_path)
    member = ServerMember(jobs, lambda count: None)  # type: ignore[arg-type]
    moved = RunsMoved(run_ids=("r",))

    member.on_hint(RunChanged("r"))
    member.on_hint(moved)
    jobs.console_feed, feed = None, jobs.console_feed
    member.on_hint(moved)

    assert (jobs.runs.control.at, feed.at) == (["r"], [moved])
