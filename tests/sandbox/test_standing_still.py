"""A server that stands still: the time that it did counts for no program."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

LENGTHS, LOOPS = (1, 1_000_000), ("asyncio", "uvloop")
SLEEP = "import time\ndef main(): time.sleep(60)"
STANDING_STILL = """
import asyncio, sys
from jikko.ports.sandbox import SandboxFailure
from jikko.sandbox.client import ForkServerSandbox
from jikko.sandbox.limits import SandboxLimits

async def main():
    sandbox = ForkServerSandbox(SandboxLimits(wall_seconds=3))
    await sandbox.run_code("python3", "def main(): return {}", {})
    run = asyncio.ensure_future(sandbox.run_code("python3", sys.argv[1], {}))
    while not sandbox.fork_server.active:
        await asyncio.sleep(0)
    print("begun", flush=True)
    try:
        print(len((await run)["text"]), flush=True)
    except SandboxFailure as error:
        print(error, flush=True)
    await sandbox.close()

asyncio.run(main())
"""


def after_standing_still(code: str, loop: str) -> str:
    """What comes of a program whose server stands still from its beginning until its time is up."""
    script = STANDING_STILL if loop == "asyncio" else f"import uvloop; uvloop.install()\n{STANDING_STILL}"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", script, code], env=environment, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "begun\n"
        begun = time.monotonic()
        server.send_signal(signal.SIGSTOP)
        # The clock is what this is about.
        while time.monotonic() < begun + 4:
            time.sleep(0.1)
        server.send_signal(signal.SIGCONT)
        return server.stdout.read()


def answers(length: int) -> str:
    return f"import time\ndef main():\n    time.sleep(0.2)\n    return {{'text': 'x' * {length}}}"


@pytest.fixture(scope="module")
def ends() -> Mapping[tuple[str, str], str]:
    """What comes of each, by program and event loop: their servers stand still side by side."""
    cases = [(answers(length), loop) for length in LENGTHS for loop in LOOPS] + [(SLEEP, "uvloop")]
    with ThreadPoolExecutor(len(cases)) as pool:
        return dict(zip(cases, pool.map(lambda case: after_standing_still(*case), cases), strict=True))


@pytest.mark.slow
@pytest.mark.every_python
@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("loop", LOOPS)
def test_a_program_that_answered_in_time_while_its_server_stood_still_has_not_failed(
    ends: Mapping[tuple[str, str], str], length: int, loop: str
) -> None:
    """1 MB does not fit into the connection: the program waits until its answer is read."""
    assert ends[answers(length), loop] == f"{length}\n"


@pytest.mark.slow
@pytest.mark.every_python
def test_one_that_does_not_end_has_no_more_time_than_its_server_stood_still(
    ends: Mapping[tuple[str, str], str],
) -> None:
    assert ends[SLEEP, "uvloop"] == "The run broke the wall time limit of 3 s\n"
