"""When processes of plugins start and end."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from jikko.concurrency.scheduler import Scheduler
from jikko.plugins.process.budget import Budgets
from jikko.plugins.process.call import PluginFailure, ProcessLimits
from jikko.plugins.process.pool import PoolLimits, ProcessPool
from jikko.plugins.process.process import PluginProcess
from tests.effort import PATIENCE
from tests.plugins.waiting import until

pytestmark = pytest.mark.anyio
STAND_IN = Path(__file__).with_name("stand_in.py")


class Plugins:
    """Starts stand-ins; the key says how."""

    def __init__(self, limits: ProcessLimits | None = None, **pool: Any) -> None:
        self.started: list[str] = []
        self.limits = limits or ProcessLimits()
        self.pool = ProcessPool(self.start, PoolLimits(**pool))

    async def start(self, key: str) -> PluginProcess:
        self.started.append(key)
        how = key.partition(":")[2]
        return await PluginProcess.start(
            [sys.executable, "-I", "-S", str(STAND_IN), how],
            folder=STAND_IN.parent,
            environment={},
            limits=self.limits,
            share=Scheduler(),
            budget=Budgets().open(),
        )

    async def call(self, key: str, tool: str = "echo", *, seconds: float = PATIENCE, **given: Any) -> int:
        """Returns the process that took the call."""
        async with self.pool.process(key) as process:
            await process.call({"tool": tool, "tool_parameters": given}, seconds=seconds, emit=lambda message: None)
            return process.pid


@pytest.fixture
async def plugins() -> Any:
    found = Plugins(first_pause=30.0, processes=2)
    yield found
    await found.pool.close()


async def test_nothing_is_started_before_the_first_call_and_one_process_takes_all_of_them(plugins: Plugins) -> None:
    assert plugins.pool.processes == []
    pids = await asyncio.gather(*(plugins.call("a") for _ in range(50)))
    assert len(set(pids)) == 1
    assert plugins.started == ["a"]


async def test_a_plugin_that_died_fails_calls_at_once_until_its_pause_is_over(plugins: Plugins) -> None:
    with pytest.raises(PluginFailure, match="status 3"):
        await plugins.call("a", "exit", status=3)
    with pytest.raises(PluginFailure, match=r"restarts in .* s: .*status 3"):
        await plugins.call("a")
    assert plugins.started == ["a"]


async def test_a_plugin_that_does_not_start_is_not_tried_again_at_once(plugins: Plugins) -> None:
    for _ in range(3):
        with pytest.raises(PluginFailure, match="I cannot go on"):
            await plugins.call("a:die")
    assert plugins.started == ["a:die"]


async def test_pauses_grow_and_end_with_the_first_call_that_succeeds() -> None:
    plugins = Plugins(first_pause=0.05)
    try:
        for expected in (1, 2):
            await _until_started(plugins, "exit")
            assert len(plugins.started) == expected
        await _until_started(plugins, "echo")
    finally:
        await plugins.pool.close()


async def _until_started(plugins: Plugins, tool: str) -> None:
    """Call until the pause is over."""
    count = len(plugins.started)
    while len(plugins.started) == count:
        try:
            await plugins.call("a", tool)
        except PluginFailure:
            await asyncio.sleep(0.01)


async def test_the_plugin_that_was_not_used_for_longest_makes_room(plugins: Plugins) -> None:
    first = await plugins.call("a")
    await plugins.call("b")
    assert await plugins.call("a") == first
    await plugins.call("c")
    assert len(plugins.pool.processes) == 2
    assert await plugins.call("a") == first
    assert plugins.started == ["a", "b", "c"]


async def test_a_plugin_waits_for_room_while_all_others_are_busy(plugins: Plugins) -> None:
    busy = [asyncio.create_task(_waiting(plugins, key)) for key in ("a", "b")]
    await until(lambda: len(plugins.pool.processes) == 2)
    third = asyncio.create_task(plugins.call("c"))
    await asyncio.gather(*busy)
    await third
    assert plugins.started == ["a", "b", "c"]


async def test_plugins_that_do_not_start_leave_their_room_to_others(plugins: Plugins) -> None:
    for key in ("a:die", "b:die", "c:die"):
        with pytest.raises(PluginFailure, match="I cannot go on"):
            await plugins.call(key)
    async with asyncio.timeout(PATIENCE):
        first = await plugins.call("d")
        assert await plugins.call("e") != first
    assert len(plugins.pool.processes) == 2


async def test_a_plugin_that_is_removed_ends_its_call_first_and_only_an_idle_process_is_ended(plugins: Plugins) -> None:
    idle = await plugins.call("a")
    busy = asyncio.create_task(_waiting(plugins, "b"))
    await until(lambda: len(plugins.pool.processes) == 2 and any(each.calls for each in plugins.pool.processes))
    for key in ("a", "b", "never started"):
        await plugins.pool.forget(key)
    assert idle not in [process.pid for process in plugins.pool.processes]
    await busy
    await plugins.pool.forget("b")
    assert plugins.pool.processes == []


async def _waiting(plugins: Plugins, key: str) -> None:
    async with plugins.pool.process(key) as process:
        request = {"tool": "wait", "tool_parameters": {"seconds": 0.5}}
        await process.call(request, seconds=PATIENCE, emit=lambda message: None)


async def test_an_idle_process_ends() -> None:
    plugins = Plugins(idle_seconds=0.1)
    try:
        await plugins.call("a")
        await until(lambda: not plugins.pool.processes)
        await plugins.call("a")
        assert plugins.started == ["a", "a"]
    finally:
        await plugins.pool.close()


async def test_while_one_process_computes_a_second_takes_new_calls(tmp_path: Path) -> None:
    plugins = Plugins(ProcessLimits(silent_seconds=0.6))
    try:
        async with plugins.pool.process("a") as process:
            request = {"tool": "stop_beating", "tool_parameters": {"until": str(tmp_path / "enough")}}
            computing = asyncio.create_task(process.call(request, seconds=PATIENCE, emit=lambda message: None))
            await until(process.is_silent)
            assert await plugins.call("a") != process.pid
            (tmp_path / "enough").touch()
            await computing
        assert plugins.started == ["a", "a"]
    finally:
        await plugins.pool.close()


async def test_a_process_with_too_many_forgotten_calls_is_replaced() -> None:
    plugins = Plugins(ProcessLimits(forgotten=0))
    try:
        with pytest.raises(PluginFailure, match="did not end"):
            await plugins.call("a", "never", seconds=0.2)
        await plugins.call("a")
        assert plugins.started == ["a", "a"]
    finally:
        await plugins.pool.close()


async def test_a_closed_pool_has_no_process_left(plugins: Plugins) -> None:
    await plugins.call("a")
    [process] = plugins.pool.processes
    await plugins.pool.close()
    assert not process.is_alive
    with pytest.raises(PluginFailure, match="stopping"):
        await plugins.call("a")


async def test_a_process_that_starts_while_the_pool_closes_ends_too(plugins: Plugins) -> None:
    call = asyncio.ensure_future(plugins.call("a"))
    await until(lambda: plugins.started == ["a"])

    await plugins.pool.close()

    with pytest.raises(PluginFailure, match="stopping"):
        await call
    assert plugins.pool.processes == []


async def test_a_closed_pool_has_waited_for_a_process_whose_end_was_not_waited_for(plugins: Plugins) -> None:
    await plugins.call("a")
    [process] = plugins.pool.processes
    forgetting = asyncio.ensure_future(plugins.pool.forget("a"))
    await asyncio.sleep(0)  # it has begun
    forgetting.cancel()

    await plugins.pool.close()

    assert "it ended with signal SIGKILL" in process.last_words
