"""Replays of recorded runs, for `jikko replay` and `jikko.replay`."""

import asyncio
import math
import os
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from functools import wraps
from heapq import heappush, heappushpop
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar, get_args

from msgspec import Struct, field

from jikko.apps.dsl_file import read_dsl_file
from jikko.apps.versions import Workflow
from jikko.assemble import assemble
from jikko.assemble.assembly import Assembly
from jikko.engine.limits import RunLimits
from jikko.errors import InvalidDocument, InvalidParam, LogDamaged, NotFound
from jikko.ids import is_uuid
from jikko.maintenance.transfer import MAX_LINE, BadLine, read_run
from jikko.ports.stores.run_store import LogQuery
from jikko.proving.coverage import Coverage
from jikko.proving.recording import Recording
from jikko.proving.replay_verdict import ReplayedResult, result_of, unknown
from jikko.proving.replayed_run import Replayer, ReplayMode, ReplayPrice
from jikko.record import RunIdentity, RunRecord
from jikko.repositories.app_store import App
from jikko.runs.reading.short_ids import run_of
from jikko.setting_sources import read_settings

_PAGE = 500


class RecordedRuns(Struct, eq=False):
    """Runs of one app in a data folder, newest first."""

    assembly: Assembly
    app: App
    _versions: dict[str, Workflow | None] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)
    """Unreadable parts of the archive."""

    async def named(self, ids: Sequence[str]) -> AsyncIterator[RunIdentity]:
        """Yield the runs with these ids or prefixes of ids.

        Raises:
            NotFound: One does not exist.
            InvalidParam: One is of another app.
        """
        for given in ids:
            record = await run_of(self.assembly.store, given)
            if record.identity.app_id != self.app.id:
                raise InvalidParam(f"run {record.identity.run_id} is of another app than the first")
            yield record.identity

    async def newest(self, most: int, since: float) -> AsyncIterator[RunIdentity]:
        """Yield the newest ended runs, those of the archive last, each once, even while runs begin or end. ``since``:
        Only those created then or later, in seconds since the Unix epoch."""
        page, given = 0, set[str]()
        while len(given) < most:
            page += 1
            query = LogQuery(app_id=self.app.id, page=page, limit=_PAGE, after=since or None)
            found: list[RunRecord] = (await self.assembly.store.list_runs(query)).records
            new = [each.identity for each in found if not each.is_open and each.identity.run_id not in given]
            for identity in new[: most - len(given)]:
                given.add(identity.run_id)
                yield identity
            if len(found) < _PAGE:
                break
        left = most - len(given)
        if not left or await self.assembly.store.archived_until() is None:
            return
        archived = self.assembly.store.archived(
            app_id=self.app.id, since=since, until=math.inf, on_damaged=lambda error: self.unread.append(str(error))
        )
        newest: list[tuple[float, str, RunIdentity]] = []
        async for record, _ in archived:
            if (run_id := record.identity.run_id) not in given:
                given.add(run_id)
                one = record.created_at, run_id, record.identity
                (heappushpop if len(newest) == left else heappush)(newest, one)
        for _, _, identity in sorted(newest, key=lambda one: one[:2], reverse=True):
            yield identity

    async def version_of(self, identity: RunIdentity) -> Workflow | None:
        """Return the version of a run; ``None`` if it is missing, or can no longer run."""
        id_ = identity.workflow_id
        if id_ not in self._versions:
            try:
                self._versions[id_] = await self.assembly.workflows.get(self.app, id_)
            except (NotFound, InvalidDocument):
                self._versions[id_] = None
        return self._versions[id_]

    async def recording(self, identity: RunIdentity) -> Recording:
        """Return a run's recording, without events if its log is unreadable."""
        try:
            return Recording(identity, await self.assembly.store.events(identity.run_id))
        except LogDamaged:
            return Recording(identity, [])


def exported(path: Path, app_id: str | None) -> Iterator[Recording | BadLine]:
    """Yield the runs in an export of `jikko runs export`, and its invalid lines. ``app_id``: Only those of that app."""
    with path.open("rb") as source:
        for number, line in enumerate(iter(lambda: source.readline(MAX_LINE + 1), b""), 1):
            try:
                read = read_run(number, line)
            except BadLine as error:
                yield error
            else:
                if app_id in (None, read.record.identity.app_id):
                    yield Recording(read.record.identity, read.events)


P = ParamSpec("P")
T = TypeVar("T")
_MAX_CONCURRENT_RUNS: Final = 16
_EVERYWHERE: Final = ("start", "end", "answer")
"""Types of nodes that most workflows have, often with the same ids."""


class ReplayChoice(Struct, frozen=True, kw_only=True):
    """Choice of runs, and what they are replayed on."""

    runs: Sequence[str] = ()
    """Ids of runs of one app, or their prefixes."""
    app: str = ""
    """Or the newest runs of an app, by name or id; with ``export`` its id."""
    last: int = 100
    since: float = 0.0
    """Only those created then or later, in seconds since the Unix epoch."""
    export: Path | None = None
    """Or the runs of an export of ``jikko runs export``."""
    against: Path | None = None
    """The changed workflow; by default the app's current version."""
    before: Path | None = None
    """The original workflow of an export, if known."""
    mode: ReplayMode = "nearest"
    price: float = 1.0
    """Budget for models in mode ``live``."""
    seconds: float = 60.0
    """Timeout of a run."""

    def problem(self) -> str:
        """Return why the choice is invalid; ``""`` if it is valid."""
        if bool(self.runs) + bool(self.export) + bool(self.app and not self.export) != 1:
            return "choose runs: by their ids, by app, or from an export"
        if self.export is not None and self.against is None:
            return "an export has no workflows: name one to replay it against"
        if self.export is not None and self.app and not is_uuid(self.app):
            return "an export has no app names: choose the app by its id"
        if self.before is not None and self.export is None:
            return "the version before is known of runs that are not exported"
        if self.mode not in get_args(ReplayMode):
            return f"mode is strict, nearest or live, not {self.mode!r}"
        return ""


class Replays(Struct, eq=False):
    """Replays runs concurrently."""

    replayer: Replayer
    recorded: RecordedRuns | None
    """Knows the versions of runs; without it all are of the version ``was``, if known."""
    was: Workflow | None
    seconds: float
    """Timeout of a run."""
    coverage: Coverage | None = None

    @property
    def unread(self) -> Sequence[str]:
        """Unreadable parts of the archive."""
        return () if self.recorded is None else self.recorded.unread

    async def results(
        self, source: AsyncIterator[RunIdentity | Recording | BadLine]
    ) -> AsyncIterator[tuple[ReplayedResult, bool]]:
        """Yield the result of each in the given order, and whether its version is known."""
        under_way: deque[asyncio.Task[tuple[ReplayedResult, bool]]] = deque()
        # Real calls are sequential: a run that waits for another's call would use up its own time.
        at_once = 1 if self.replayer.mode == "live" else _MAX_CONCURRENT_RUNS
        try:
            async for each in source:
                under_way.append(asyncio.ensure_future(self._result(each)))
                if len(under_way) == at_once:
                    yield await under_way.popleft()
            while under_way:
                yield await under_way.popleft()
        finally:
            for task in under_way:
                task.cancel()

    async def _result(self, given: RunIdentity | Recording | BadLine) -> tuple[ReplayedResult, bool]:
        if isinstance(given, BadLine):
            return unknown("", str(given)), False
        recording = given
        if isinstance(recording, RunIdentity):
            assert self.recorded is not None
            recording = await self.recorded.recording(recording)
        run_id, nodes = recording.identity.run_id, self.replayer.now.graph.nodes
        if problem := recording.problem:
            return unknown(run_id, problem), False
        own = [place for place, each in recording.executions.items() if each.node_type not in _EVERYWHERE]
        if own and not any(place.rpartition("/")[2] in nodes for place in own):
            return unknown(run_id, "it is a run of another workflow: none of its nodes is in this one"), False
        was = self.was if self.recorded is None else await self.recorded.version_of(recording.identity)
        replayed = await self.replayer.replay(recording, was, self.seconds)
        if self.coverage is not None:
            self.coverage.add(replayed.events)
        return result_of(replayed), was is not None


class ChosenReplay(Struct):
    """Chosen runs, with the workflow they are replayed on."""

    app: App
    now: Workflow
    text: bytes
    """Its file."""
    replays: Replays
    runs: AsyncIterator[RunIdentity | Recording | BadLine]

    def results(self) -> AsyncIterator[tuple[ReplayedResult, bool]]:
        """See ``Replays.results``."""
        return self.replays.results(self.runs)


async def chosen_replay(assembly: Assembly, choice: ReplayChoice) -> ChosenReplay:
    """Resolve a valid choice.

    Args:
        assembly: Of the record with the runs; for an export, one in memory.

    Raises:
        NotFound: No such app or run.
        InvalidDocument: A workflow cannot be imported.
        OSError: A file cannot be read.
    """
    if choice.export is None:
        owner = (await run_of(assembly.store, choice.runs[0])).identity.app_id if choice.runs else choice.app
        recorded = RecordedRuns(assembly, await assembly.apps.find(owner))
        app = recorded.app
        runs: AsyncIterator[RunIdentity | Recording | BadLine]
        runs = recorded.named(choice.runs) if choice.runs else recorded.newest(choice.last, choice.since)
    else:
        assert choice.against is not None
        recorded = None
        app = (await assembly.apps.publish(read_dsl_file(choice.against), source=str(choice.against))).app
        runs = _exported(choice.export, choice.app.lower() or None)

    async def version(path: Path | None) -> Workflow:
        if path is None:
            return await assembly.workflows.get(app)
        return assembly.workflows.of_file(app, read_dsl_file(path), source=str(path))

    settings = assembly.settings
    limits = RunLimits(max_steps=settings.max_steps, max_parallel_nodes=settings.max_parallel_nodes)
    now = await version(choice.against)
    was = None if choice.before is None else await version(choice.before)
    replayer = Replayer(now, assembly.ports, limits, choice.mode, ReplayPrice(Decimal(str(choice.price))))
    text = read_dsl_file(choice.against) if choice.against else (await assembly.apps.version(app, "")).source
    return ChosenReplay(app, now, text, Replays(replayer, recorded, was, choice.seconds), runs)


async def _exported(path: Path, app_id: str | None) -> AsyncIterator[Recording | BadLine]:
    for each in exported(path, app_id):
        yield each


async def replay_async(
    against: str | Path | None = None,
    *,
    app: str = "",
    runs: Sequence[str] = (),
    last: int = 100,
    since: datetime | None = None,
    export: str | Path | None = None,
    before: str | Path | None = None,
    mode: ReplayMode = "nearest",
    price: float = 1.0,
    seconds: float = 60.0,
    home: str | Path | None = None,
    providers: str | Path | None = None,
    tools: str | Path | None = None,
) -> list[ReplayedResult]:
    """Replay recorded runs on a changed workflow; return their results in order.

    Args:
        against: The changed workflow; by default the app's current version.
        app: Replay the newest runs of this app (name or id); with ``export`` its id.
        runs: Or these runs of one app: ids, or their prefixes.
        last: Number of newest runs.
        since: Only those created then or later.
        export: Or the runs of this file, written by ``jikko runs export``.
        before: Their original workflow, if known.
        mode: What happens to changed requests (docs/testing.md).
        price: Budget for models in mode ``live``.
        seconds: Timeout of a run.
        home: The data folder; by default ``JIKKO_HOME``. A server may be using it.
        providers: Providers file; by default ``JIKKO_PROVIDERS``.
        tools: Tools file, likewise.

    Raises:
        InvalidParam: The choice of runs is missing, or includes runs of several apps.
        NotFound: No such app, run or data folder.
        InvalidDocument: All problems that prevent a workflow's import.
        OSError: A file cannot be read.
    """
    choice = ReplayChoice(
        runs=runs,
        app=app,
        last=last,
        since=0.0 if since is None else since.timestamp(),
        export=_path(export),
        against=_path(against),
        before=_path(before),
        mode=mode,
        price=price,
        seconds=seconds,
    )
    if problem := choice.problem():
        raise InvalidParam(problem)
    settings = read_settings(os.environ, home=_path(home), providers=_path(providers), tools=_path(tools))
    if choice.export is None and not settings.has_database:
        raise NotFound(f"There is nothing in {settings.home}: it has no database.")
    async with assemble(settings, brief=True, in_memory=choice.export is not None) as assembly:
        chosen = await chosen_replay(assembly, choice)
        return [result async for result, _ in chosen.results()]


def _waiting(work: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    @wraps(work)
    def call(*arguments: P.args, **given: P.kwargs) -> T:
        return asyncio.run(work(*arguments, **given))

    return call


replay = _waiting(replay_async)


def _path(given: str | Path | None) -> Path | None:
    return None if given is None else Path(given)
