"""Exit of a child is known even on a busy machine, if the fork server reports it late."""

import asyncio
import socket

import pytest

from jikko.sandbox.child import Child, Ended
from jikko.sandbox.fork_server_client import _PROBE_SECONDS
from tests.virtual_time import run

KILLED = Ended(signal=31, code=0, cpu_seconds=1.0, memory_bytes=0)


@pytest.mark.parametrize(
    ("told_after", "waited", "known"),
    [(0.0, None, KILLED), (1.5, None, KILLED), (60.0, None, None), (20.0, _PROBE_SECONDS, KILLED)],
)
def test_its_end_is_waited_for(told_after: float, waited: float | None, known: Ended | None) -> None:
    async def play() -> None:
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[Ended | None] = loop.create_future()
        with socket.socket() as connection:
            child = Child(process_id=1, connection=connection, kind="python3", ended=ended)
            loop.call_later(told_after, ended.set_result, KILLED)

            assert await (child.wait_ended() if waited is None else child.wait_ended(waited)) == known
            # Whoever gives up takes nothing away from others that wait.
            assert not ended.cancelled()

    run(play())
