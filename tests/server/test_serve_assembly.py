"""Serving process until its stop: setup, order of shutdown, and output."""

import asyncio
import gc
import resource
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from jikko import __version__
from jikko.assemble import assemble
from jikko.build_commit import version
from jikko.errors import InvalidSettings
from jikko.http.operation import Operation
from jikko.http.request_observer import RequestObserver
from jikko.http.requests import Request
from jikko.server import api_serving, serving
from jikko.settings import Settings
from tests.runs.world import until

pytestmark = pytest.mark.anyio

_LISTENING: Any = None


@pytest.fixture(autouse=True)
def usual_collector() -> Iterator[None]:
    """What a server sets up for its whole process is taken back."""
    threshold, frozen = gc.get_threshold(), gc.get_freeze_count()
    yield
    gc.set_threshold(*threshold)
    if not frozen:
        gc.unfreeze()


class Scene:
    """A process whose connections are not looked at: only what it does around them."""

    def __init__(self, assembly: Any) -> None:
        self.assembly = assembly
        self.did: list[Any] = []
        self.given: dict[str, Any] = {}
        self.drained = 3.0
        self.parked = 0

    async def serve(self, app: Any, listening: Any, **given: Any) -> None:
        self.given = {"app": app, "listening": listening, **given}

    async def drain(self, seconds: float) -> float:
        self.did.append(("drain", seconds))
        return self.drained

    async def close(self, grace: float, drain: float) -> int:
        self.did.append(("runs", grace, drain))
        return self.parked

    async def stopped(self, at_once: bool, **options: Any) -> list[Any]:
        """What is done at the end, in its order."""

        async def ready() -> None:
            self.did.append("ready")

        def at_end(now: bool) -> None:
            self.did.append(("at_end", now))

        await api_serving.serve_assembly(self.assembly, _LISTENING, ready=ready, at_end=at_end, **options)
        await self.given["stopping"](at_once, self.drain)
        return self.did


@pytest.fixture
async def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    settings = Settings(
        home=tmp_path, shutdown_seconds=10.0, drain_seconds=4.0, max_head=9_999, head_seconds=7.0, body_seconds=8.0
    )
    async with assemble(settings) as assembly:
        made = Scene(assembly)
        with monkeypatch.context() as patched:
            patched.setattr(api_serving, "serve", made.serve)
            patched.setattr(assembly.runs, "close", made.close)
            yield made


async def test_runs_have_their_seconds_and_connections_go_on_meanwhile(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await scene.stopped(False) == [("at_end", False), ("runs", 10.0, 4.0)]
    assert capsys.readouterr().out == ""
    heads = scene.given["heads"]
    assert (heads.bytes, heads.seconds, heads.body_seconds) == (9_999, 7.0, 8.0)
    assert scene.given["stop_requested"] is None


async def test_what_comes_over_open_connections_is_done_first_if_another_process_takes_new_ones(scene: Scene) -> None:
    wanted = asyncio.Event()
    did = await scene.stopped(False, drains=True, stop_requested=wanted)
    assert did == [("at_end", False), ("drain", 10.0), ("runs", 7.0, 4.0)]
    assert scene.given["stop_requested"] is wanted


@pytest.mark.parametrize("drains", [False, True])
async def test_at_once_is_at_once(scene: Scene, drains: bool) -> None:
    assert await scene.stopped(True, drains=drains) == [("at_end", True), ("runs", 0, 0)]


@pytest.mark.parametrize(
    ("parked", "says"),
    [
        (0, ""),
        (1, "1 run was parked; it goes on at the next start.\n"),
        (2, "2 runs were parked; they go on at the next start.\n"),
    ],
)
async def test_it_says_how_many_runs_were_parked(
    scene: Scene, capsys: pytest.CaptureFixture[str], parked: int, says: str
) -> None:
    scene.parked = parked
    await scene.stopped(False)
    assert capsys.readouterr().out == says


async def test_lists_that_are_looked_at_end_before_runs_do(scene: Scene) -> None:
    feed = SimpleNamespace(close=lambda: scene.did.append("feed"))
    scene.assembly = replace(scene.assembly, console_feed=feed)
    assert await scene.stopped(False) == [("at_end", False), "feed", ("runs", 10.0, 4.0)]


async def test_what_is_there_when_it_begins_is_not_collected(scene: Scene) -> None:
    gc.unfreeze()
    await scene.stopped(False)
    assert gc.get_freeze_count() > 1_000
    assert gc.get_threshold()[:2] == (50_000, 20)


async def test_what_it_uses_is_there_before_it_serves_and_lag_is_measured_while_it_does(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    lags: list[float] = []
    seen = SimpleNamespace(requests=[], metrics=SimpleNamespace(lagged=lags.append))
    monkeypatch.setattr(api_serving, "_LAG_SECONDS", 0.001)
    prepare = scene.assembly.upkeep.indexing.prepare

    async def prepared() -> None:
        scene.did.append("prepared")
        await prepare()

    async def serve(app: Any, listening: Any, **given: Any) -> None:
        scene.did.append("serving")
        await scene.serve(app, listening, **given)
        await until(lambda: len(lags) > 2)

    monkeypatch.setattr(scene.assembly.upkeep.indexing, "prepare", prepared)
    monkeypatch.setattr(api_serving, "serve", serve)
    await scene.stopped(False, observers=seen)
    assert scene.did[:2] == ["prepared", "serving"]
    await asyncio.sleep(0)
    others = asyncio.all_tasks() - {asyncio.current_task()}
    assert not [task for task in others if "watch" in repr(task.get_coro()) and not task.done()]


async def test_its_requests_are_seen_by_its_observers(scene: Scene) -> None:
    seen: list[str] = []

    class Observer(RequestObserver):
        def began(self, request: Request, operation: Operation | None) -> None:
            seen.append("began")

    await scene.stopped(False, observers=SimpleNamespace(requests=[Observer()], metrics=None))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(scene.given["app"]), base_url="http://j") as client:
        answer = (await client.get("/health")).json()
        assert (await client.get("/console/api/session")).status_code == 404  # it has no console
    assert answer["version"] == __version__
    assert seen


@pytest.mark.parametrize(
    ("at_once", "under_way", "says"),
    [
        (True, None, "Stopping at once …"),
        (True, 0, "Stopping at once …"),
        (False, 0, "Stopping."),
        (False, 1, "Stopping: 1 run has 2.5 s to finish; Ctrl-C again parks it at once."),
        (False, 2, "Stopping: 2 runs have 2.5 s to finish; Ctrl-C again parks them at once."),
        (False, None, "Stopping: runs have 2.5 s to finish; Ctrl-C again parks them at once."),
    ],
)
def test_it_says_how_long_stopping_takes(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    at_once: bool,
    under_way: int | None,
    says: str,
) -> None:
    told: list[str] = []
    monkeypatch.setattr(serving, "notify", told.append)
    given = () if under_way is None else (under_way,)
    serving.print_stopping(Settings(shutdown_seconds=2.5), at_once, *given)
    assert (capsys.readouterr().out, told) == (f"{says}\n", ["STOPPING=1"])


@pytest.mark.parametrize(
    ("count", "says"),
    [
        (0, ""),
        (1, "1 run that was under way goes on.\n"),
        (2, "2 runs that were under way go on.\n"),
    ],
)
def test_it_says_how_many_runs_were_taken_over(capsys: pytest.CaptureFixture[str], count: int, says: str) -> None:
    serving.print_recovered(count)
    assert capsys.readouterr().out == says


def test_it_says_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[str] = []
    monkeypatch.setattr(serving, "notify", told.append)
    serving.print_ready(Settings(home=tmp_path), "http://h:1", ["a", "b"])
    lines = capsys.readouterr().out.splitlines()
    assert (lines, told) == (
        [f"Jikko {version()} serves http://h:1/v1 (data in {tmp_path})", "a", "b"],
        ["READY=1"],
    )


@pytest.mark.parametrize(
    ("public_url", "root_path", "address"),
    [
        ("", "", "http://h:1"),
        ("", "/a", "http://h:1/a"),
        ("", "/a/", "http://h:1/a"),
        ("https://x/y/", "/a", "https://x/y"),
        ("https://x", "", "https://x"),
    ],
)
async def test_on_a_terminal_a_link_opens_the_console(
    monkeypatch: pytest.MonkeyPatch, public_url: str, root_path: str, address: str
) -> None:
    async def ticket(role: str) -> str:
        return f"t-{role}"

    settings = Settings(public_url=public_url, root_path=root_path)
    console = SimpleNamespace(access=SimpleNamespace(ticket=ticket))
    assembly: Any = SimpleNamespace(console=console, settings=settings)
    without: Any = SimpleNamespace(console=None)
    assert await serving.console_lines(assembly, "http://h:1") == []
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(isatty=lambda: True))
    link = f"{address}/console/enter#ticket=t-operator"
    assert await serving.console_lines(assembly, "http://h:1") == [f"Console: {link} (opens it once, for 5 minutes)"]
    assert await serving.console_lines(without, "http://h:1") == []


def test_who_finds_the_folder_held_knows_how_long_it_may_take(tmp_path: Path) -> None:
    with serving.holding(Settings(home=tmp_path, shutdown_seconds=3.0, drain_seconds=20.0)) as hold:
        assert hold._owner.grace == 3.0 + 20.0 + 10.0


def test_a_mark_of_a_backup_that_cannot_be_removed_is_a_wrong_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(home: Path) -> None:
        raise OSError(30, "Read-only file system", "/x/mark")

    monkeypatch.setattr(serving, "unmark", fails)
    refused = pytest.raises(InvalidSettings, match=r"/x/mark cannot be removed: Read-only file system\.")
    with refused, serving.holding(Settings(home=tmp_path)):
        pass


def test_a_process_takes_as_many_files_as_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    policies: list[Any] = []
    limits: list[Any] = []
    logs: list[Any] = []
    monkeypatch.setattr(asyncio, "set_event_loop_policy", policies.append)
    monkeypatch.setattr(serving, "set_up_log", lambda *given: logs.append(given))
    monkeypatch.setattr(resource, "getrlimit", lambda which: (1_024, 4_096))
    monkeypatch.setattr(resource, "setrlimit", lambda which, both: limits.append((which, both)))
    serving.prepare_process("debug", "json")
    assert [type(each).__module__.partition(".")[0] for each in policies] == ["uvloop"]
    assert (limits, logs) == ([(resource.RLIMIT_NOFILE, (4_096, 4_096))], [("debug", "json")])
    assert gc.get_threshold()[:2] == (400_000, 20)
