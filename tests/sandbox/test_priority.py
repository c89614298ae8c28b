"""Programs that run for long let those go first that began later: else a small one waits for a processor among them."""

import asyncio
import ctypes
import os
import struct

import pytest

from jikko.sandbox import lock
from tests.sandbox.scene import descendants, outcome, running, until

pytestmark = pytest.mark.anyio

ENDLESS = "def main():\n    while True: pass"
SHORT = "def main():\n    return {}"


def niceness(process_id: int) -> int:
    return os.getpriority(os.PRIO_PROCESS, process_id)


def slice_of(process_id: int) -> int:
    """How long the scheduler lets it work at a time, in nanoseconds; 0 on a kernel that does not tell."""
    attributes = ctypes.create_string_buffer(48)
    number = {"x86_64": 315, "aarch64": 275}[os.uname().machine]
    lock.raw_system_call(number, process_id, ctypes.addressof(attributes), len(attributes), 0)
    runtime: int = struct.unpack("=IIQiIQQQ", attributes.raw)[5]
    return runtime


async def test_a_program_without_end_soon_goes_behind_those_that_begin() -> None:
    async with running() as sandbox:
        assert (await outcome(sandbox, "python3", SHORT)).result == {}
        server = sandbox.fork_server
        assert server is not None
        own = niceness(server.process_id)
        at_the_start, behind_a_while = min(19, own + 5), min(19, own + 10)
        endless = asyncio.ensure_future(outcome(sandbox, "python3", ENDLESS, app_id="held"))

        def busy() -> list[int]:
            return [child.process_id for child in server._children.values() if child not in server._idle]

        # The child of the first program may still be ending.
        await until(lambda: server.active == 1 and len(busy()) == 1)
        (held,) = busy()
        await until(lambda: niceness(held) == behind_a_while)
        await until(lambda: server.idle > 0)
        idle = [child.process_id for child in server._idle]

        # One that was forked a moment ago may not have come to it.
        await until(lambda: {niceness(process_id) for process_id in idle} == {at_the_start})
        # Who wakes up beside a process with longer slices need not wait for its end.
        if usual := slice_of(os.getpid()):
            await until(lambda: slice_of(held) > 3 * usual)
        else:
            assert slice_of(held) == 0
        assert {slice_of(process_id) for process_id in idle} == {usual}
        assert (await outcome(sandbox, "python3", SHORT, app_id="small")).result == {}
        assert held in descendants(server.process_id)
        endless.cancel()
        await asyncio.wait([endless])
