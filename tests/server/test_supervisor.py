"""A supervisor whom the system lets start no process."""

import asyncio
import errno
import os
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest

from jikko.cluster.data_folder_lock import sole_owner
from jikko.server.listening import listen
from jikko.server.supervisor import Supervisor
from jikko.settings import Settings

pytestmark = pytest.mark.anyio


async def test_a_worker_that_cannot_be_started_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refusals = [errno.EAGAIN, errno.EMFILE]
    start = asyncio.create_subprocess_exec

    async def start_or_not(*command: Any, **options: Any) -> asyncio.subprocess.Process:
        if refusals:
            number = refusals.pop()
            raise OSError(number, os.strerror(number))
        return await start(*command, **options)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", start_or_not)
    with sole_owner(tmp_path) as hold:
        [listening] = listen("127.0.0.1", 0)
        supervisor = Supervisor(Settings(home=tmp_path), [listening], hold, [])
        running = asyncio.get_running_loop().create_task(supervisor.run())

        # It waits at the door until somebody serves.
        async with httpx.AsyncClient(timeout=30) as client:
            answer = await client.get(f"http://127.0.0.1:{listening.getsockname()[1]}/health")
        assert answer.status_code == 200
        assert not refusals

        os.kill(os.getpid(), signal.SIGTERM)
        assert await running
        listening.close()
