"""``jikko reload`` inside the server: a signal, reloaded files, and the result in the lock file."""

import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from jikko.errors import InvalidSettings
from jikko.server.process_signals import OperatorFileReload, refusals
from tests.runs.world import until

pytestmark = pytest.mark.anyio


@dataclass
class Files:
    """Files of the operator, and the file of the lock."""

    wrong: Any = ""
    reports: list[str | None] = field(default_factory=list)

    async def read(self) -> str:
        if isinstance(self.wrong, Exception):
            raise self.wrong
        text: str = self.wrong
        return text

    def say_read(self, refused: str | None = None) -> None:
        self.reports.append(refused)


@pytest.fixture
async def files() -> AsyncIterator[Files]:
    before = signal.getsignal(signal.SIGUSR1)
    files = Files()
    hold: Any = files
    reading = OperatorFileReload(hold, files.read)
    yield files
    reading.close()
    reading.close()
    # One that comes late ends nothing.
    os.kill(os.getpid(), signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, before)


async def read(files: Files) -> str | None:
    """What the file of the lock says after a signal."""
    count = len(files.reports)
    os.kill(os.getpid(), signal.SIGUSR1)
    await until(lambda: len(files.reports) > count)
    return files.reports[-1]


async def test_that_it_can_be_done_is_said_at_once_and_what_came_of_it_after_each_signal(
    files: Files, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    assert files.reports == [None]

    assert await read(files) == ""
    files.wrong = "tools.yml: b is wrong"
    assert await read(files) == "tools.yml: b is wrong"
    files.wrong = RuntimeError("a fault of ours")
    assert await read(files) == "Reading them failed; see the log."
    files.wrong = ""
    assert await read(files) == ""

    levels = [record.levelname for record in caplog.records if record.name == "jikko.server.process_signals"]
    assert levels == ["INFO", "ERROR", "ERROR", "ERROR", "INFO"]
    assert "tools.yml: b is wrong The previous contents stay in effect." in caplog.messages


async def test_wrong_files_are_told_and_other_errors_go_on() -> None:
    async def good() -> None:
        return None

    async def wrong() -> None:
        raise InvalidSettings("tools.yml: b is wrong")

    async def broken() -> None:
        raise RuntimeError("a fault of ours")

    assert [await refusals(good)(), await refusals(wrong)()] == ["", "tools.yml: b is wrong"]
    with pytest.raises(RuntimeError):
        await refusals(broken)()
