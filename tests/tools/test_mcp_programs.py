"""MCP servers that are programs of this machine, and are spoken with over pipes."""

import asyncio
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from jikko.ports.tools import ToolFailure, ToolNotFound
from tests.effort import PATIENCE
from tests.runs.world import until
from tests.tools.scene import scene

pytestmark = pytest.mark.anyio

PROGRAM = Path(__file__).with_name("mcp_server.py")
SAY = {"name": "say", "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}}}


def program(how: str, **more: Any) -> dict[str, Any]:
    return {"m": {"type": "mcp", "command": sys.executable, "args": [str(PROGRAM), how], **more}}


async def test_a_program_on_this_machine_can_be_a_server(tmp_path: Path) -> None:
    async with scene(tmp_path, program("fine")) as tools:
        assert (await tools.call("mcp", "m", "say", text="こんにちは")).text == "こんにちは"


async def test_what_a_program_prints_besides_does_no_harm(tmp_path: Path) -> None:
    async with scene(tmp_path, program("chatter")) as tools:
        assert (await tools.call("mcp", "m", "say", text="a")).text == "a"


async def test_a_program_sees_little_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-server")
    async with scene(tmp_path, program("fine", env={"OWN": "x"})) as tools:
        names = (await tools.call("mcp", "m", "env")).text.split()

    assert "OWN" in names
    assert "OPENAI_API_KEY" not in names


async def test_a_program_and_what_it_started_end_with_the_call(tmp_path: Path) -> None:
    async with scene(tmp_path, program("fine")) as tools:
        numbers = [int(number) for number in (await tools.call("mcp", "m", "pid")).text.split()]

    deadline = time.monotonic() + PATIENCE
    while any(map(_lives, numbers)):
        assert time.monotonic() < deadline


async def test_a_program_that_ignores_signals_is_killed_when_the_server_ends_meanwhile(tmp_path: Path) -> None:
    said = tmp_path / "pid"
    async with scene(tmp_path, program("stubborn")) as tools:
        before = asyncio.all_tasks()
        calling = asyncio.ensure_future(tools.call("mcp", "m", "say", text=str(said)))
        await until(lambda: said.exists() and said.read_text().isdigit())
        # As the loop does at its end: with all that goes on, and so with the end of the program, too.
        while tasks := asyncio.all_tasks() - before:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=0.01)

    assert calling.cancelled()
    await until(lambda: not _lives(int(said.read_text())))
    # Python 3.11 hears of it from a thread. The loop must not be closed before.
    await until(lambda: not any("waitpid" in thread.name for thread in threading.enumerate()))


def _lives(number: int) -> bool:
    try:
        # One that has ended and that nobody has asked for is still listed.
        return "Z" not in Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.parametrize("how", ["die", "hang", "flood"])
async def test_a_program_that_misbehaves_fails_the_call(how: str, tmp_path: Path) -> None:
    patience = (PATIENCE, PATIENCE) if how == "flood" else (0.2, 1.0)
    entries = program(how, timeout=patience[0], sse_read_timeout=patience[1])
    async with scene(tmp_path, entries) as tools:
        with pytest.raises((ToolFailure, ToolNotFound), match="more than 16 MiB" if how == "flood" else "."):
            await tools.call("mcp", "m", "say")


async def test_a_program_that_is_not_there_fails_the_call(tmp_path: Path) -> None:
    entries = {"m": {"type": "mcp", "command": "/no/such/program", "known_tools": [SAY]}}
    async with scene(tmp_path, entries) as tools:
        with pytest.raises(ToolFailure, match="program cannot be started: No such file or directory"):
            await tools.call("mcp", "m", "say")
