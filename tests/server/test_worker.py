"""One of several workers, in this process: commands of its supervisor, and its end."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from jikko.cluster.cluster_messages import (
    Assembled,
    Begin,
    Channel,
    Measure,
    Measured,
    Members,
    Message,
    Serving,
    TakeOver,
)
from jikko.errors import Conflict
from jikko.exit_codes import of_error
from jikko.server import worker
from jikko.server.listening import listen
from jikko.server.worker_process import settings_to_json
from jikko.settings import Settings
from tests.acceptance.workflows import ECHO
from tests.effort import PATIENCE

pytestmark = pytest.mark.anyio


async def worked(first: Message | None, *later: Message, leaves_at: type[Any]) -> list[Message]:
    """What a worker says until its supervisor is gone, which goes as soon as it has said something of that kind."""
    ours, theirs = socket.socketpair()
    [listening] = listen("127.0.0.1", 0)
    channel = await Channel.open(ours)
    if first is not None:
        channel.send(first)
    else:
        channel._writer.write_eof()
    said: list[Message] = []
    working = asyncio.ensure_future(worker._work(theirs, listening))
    with listening:
        async with asyncio.timeout(PATIENCE):
            async for message in channel.messages():
                said.append(message)
                if isinstance(message, Assembled):
                    for each in later:
                        channel.send(each)
                if isinstance(message, leaves_at):
                    channel._writer.write_eof()
            await working
    channel.close()
    await channel._writer.wait_closed()
    return said


@pytest.mark.parametrize("publishes", [True, False])
async def test_a_worker_does_what_its_supervisor_says_and_ends_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, publishes: bool
) -> None:
    seen: dict[str, Any] = {}

    async def served(assembly: Any, listening: socket.socket, **given: Any) -> None:
        seen.update(given, assembly=assembly, apps=await assembly.apps.all())
        await given["ready"]()
        await given["stop_requested"].wait()
        given["at_end"](False)

    monkeypatch.setattr(worker, "serve_assembly", served)
    (tmp_path / "echo.yml").write_text(ECHO, encoding="utf-8")
    settings = Settings(home=tmp_path / "home", metrics_port=1)
    files = [str(tmp_path / "echo.yml")] if publishes else None
    begin = Begin(name="s/3", workers=2, settings=settings_to_json(settings), files=files, drains=publishes)

    said = await worked(begin, Members(["s/3"]), TakeOver([]), Measure(), leaves_at=Serving)

    [assembled] = [message for message in said if isinstance(message, Assembled)]
    assert said[0] is assembled
    assert any("curl" in line for line in assembled.lines) is publishes
    assert any(isinstance(message, Serving) for message in said)
    assert [bool(message.samples) for message in said if isinstance(message, Measured)] == [True]
    assert (seen["drains"], seen["assembly"].cluster.name, len(seen["apps"])) == (publishes, "s/3", publishes)
    assert seen["assembly"].console is not None
    assert seen["observers"].metrics is not None


async def test_one_whose_supervisor_is_gone_before_it_serves_does_not_begin_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def served(*given: Any, **named: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(worker, "serve_assembly", served)
    begin = Begin(name="s/0", workers=1, settings=settings_to_json(Settings(home=tmp_path)), files=[])

    said = await worked(begin, leaves_at=Assembled)

    assert Serving() not in said


async def test_a_worker_that_is_told_nothing_ends() -> None:
    assert await worked(None, leaves_at=Assembled) == []
    assert await worked(Measure(), leaves_at=Assembled) == []


def test_why_a_worker_cannot_start_is_said_and_its_exit_code_says_it_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prepared: list[Any] = []

    async def fails(end: socket.socket, listening: socket.socket) -> None:
        with end, listening:
            raise Conflict("it is in use")

    monkeypatch.setattr(worker, "_work", fails)
    monkeypatch.setattr(worker, "prepare_process", lambda *given: prepared.append(given))
    numbers = [str(each.detach()) for each in socket.socketpair()]
    with pytest.raises(SystemExit) as ended:
        worker.main([*numbers, "info", "text"])
    assert ended.value.code == of_error(Conflict("")) != 0
    assert capsys.readouterr().err == "Error: it is in use\n"
    assert prepared == [("info", "text")]
