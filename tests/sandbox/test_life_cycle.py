"""Starting, dying, renewing and ending: leftovers, and the next run."""

import asyncio
import contextlib
import math
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import pytest

from jikko.assemble import make_sandbox
from jikko.ports.sandbox import SandboxFailure
from jikko.sandbox import programs
from jikko.sandbox.client import ForkServerSandbox
from jikko.sandbox.fork_server_client import ForkServerClient
from jikko.sandbox.limits import SandboxLimits
from jikko.settings import Settings
from tests.effort import PATIENCE
from tests.sandbox.scene import (
    Started,
    descendants,
    is_alive,
    open_files,
    outcome,
    outcome_in_time,
    running,
    stands_still,
    until,
)

pytestmark = pytest.mark.anyio

OK = "def main(): return {'ok': 1}"
SLEEP = "import time\ndef main(): time.sleep(60)"
LOOP = "def main():\n    while True: pass"


@pytest.fixture
async def sandbox() -> AsyncIterator[ForkServerSandbox]:
    made = ForkServerSandbox(SandboxLimits(wall_seconds=PATIENCE))
    yield made
    await made.close()


def server_of(sandbox: ForkServerSandbox) -> ForkServerClient:
    assert sandbox.fork_server is not None
    return sandbox.fork_server


async def only_idle_ones_are_left(server: ForkServerClient) -> None:
    """Wait until all children of a fork server wait for a program."""
    await until(lambda: server.idle == 4 and len(descendants(server.process_id)) == 4)


async def test_nothing_is_started_before_the_first_run(started: Started, sandbox: ForkServerSandbox) -> None:
    assert sandbox.fork_server is None
    assert started() == set()


def test_the_server_process_imports_no_heavy_module() -> None:
    code = (
        "import sys, jikko.sandbox.client, jikko.sandbox.programs, jikko.sandbox.selftest, jikko.sandbox.limits; "
        "print({'jinja2', '_quickjs', 'markupsafe', 'tzdata', 'ctypes'} & set(sys.modules))"
    )
    environment = {"PYTHONPATH": os.pathsep.join(sys.path)}

    shown = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)

    assert shown.stdout.strip() == "set()"


async def test_closing_leaves_no_process_and_no_descriptor(started: Started) -> None:
    before = open_files()
    made = ForkServerSandbox()
    run = asyncio.create_task(outcome(made, "python3", SLEEP))
    await until(lambda: made.fork_server is not None and made.fork_server.active > 0)

    await made.close()

    assert (await run).kind == "SandboxUnavailableError"
    await until(lambda: started() == set())
    # What others left behind may be closed meanwhile.
    await until(lambda: open_files() <= before)


async def test_cancelling_a_run_kills_its_program(sandbox: ForkServerSandbox) -> None:
    await outcome(sandbox, "python3", OK)
    server = server_of(sandbox)
    run = asyncio.create_task(sandbox.run_code("python3", LOOP, {}))
    await until(lambda: server.active == 1)
    # The children that wait are idle; the one that runs uses CPU time.
    await until(lambda: any(_cpu_seconds(child) > 0.3 for child in descendants(server.process_id)))

    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run

    await only_idle_ones_are_left(server)
    assert (await outcome(sandbox, "python3", OK)).result == {"ok": 1}


async def test_a_run_that_breaks_the_wall_limit_ends_behind_it_and_not_much_later() -> None:
    async with running(SandboxLimits(wall_seconds=0.3)) as made:
        await outcome(made, "python3", OK)
        much_later = asyncio.create_task(asyncio.sleep(PATIENCE / 2))

        seen = await outcome(made, "python3", SLEEP)

        assert seen.error == "The run broke the wall time limit of 0.3 s"
        assert seen.seconds >= 0.3
        # A timer of the same event loop, which what keeps the machine busy holds up as much.
        assert not much_later.done()
        much_later.cancel()
        await only_idle_ones_are_left(server_of(made))


@pytest.mark.slow
async def test_a_run_that_breaks_the_cpu_limit_is_told_so() -> None:
    # A second of the processor takes a program long that lets all others go first.
    async with running(SandboxLimits(wall_seconds=10 * PATIENCE, cpu_seconds=1)) as made:
        seen = await outcome(made, "python3", "import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\n" + LOOP)

        assert seen.error == "The run broke the CPU time limit of 1 s"
        assert seen.kind == "SandboxLimitError"


@pytest.mark.slow
async def test_a_full_queue_refuses_and_an_emptied_one_does_not() -> None:
    async with running(SandboxLimits(concurrent_runs=1, queued_runs=1, wall_seconds=1.5)) as made:
        await outcome(made, "python3", OK)

        seen = await asyncio.gather(*(outcome(made, "python3", SLEEP) for _ in range(3)))

        assert sorted(one.error for one in seen) == [
            "The run broke the wall time limit of 1.5 s",
            "The run broke the wall time limit of 1.5 s",
            "The sandbox is busy: its queue limit of 1 waiting runs of one app is reached",
        ]
        assert {one.kind for one in seen} == {"SandboxLimitError"}
        assert (await outcome_in_time(made, "python3", OK)).result == {"ok": 1}


@pytest.mark.slow
async def test_of_many_workers_each_runs_one_program_at_once_though_nobody_set_how_many() -> None:
    made = make_sandbox(Settings(home=Path("unused"), code_queue=1, code_seconds=1.5), workers=10_000)
    assert isinstance(made, ForkServerSandbox)
    try:
        await outcome(made, "python3", OK)

        seen = await asyncio.gather(*(outcome(made, "python3", SLEEP) for _ in range(3)))

        assert sum("The sandbox is busy" in one.error for one in seen) == 1
    finally:
        await made.close()


@pytest.mark.once
async def test_programs_of_one_app_that_wait_neither_delay_nor_refuse_those_of_another() -> None:
    async with running(SandboxLimits(concurrent_runs=1, queued_runs=50)) as made:
        await outcome(made, "python3", OK)
        first = asyncio.create_task(outcome(made, "python3", SLEEP, app_id="busy"))
        await until(lambda: server_of(made).active == 1)
        busy = [asyncio.create_task(outcome(made, "python3", OK, app_id="busy")) for _ in range(50)]
        other = asyncio.create_task(outcome(made, "jinja2", "{{ 1 }}", app_id="other"))
        await asyncio.sleep(0)

        first.cancel()

        assert (await other).result == "1"
        assert sum(run.done() for run in busy) <= 2
        assert {(await run).error for run in busy} == {""}


@pytest.mark.once
async def test_a_run_that_is_cancelled_in_the_queue_leaves_its_place() -> None:
    async with running(SandboxLimits(concurrent_runs=1, queued_runs=1, wall_seconds=1.5)) as made:
        await outcome(made, "python3", OK)
        first = asyncio.create_task(outcome(made, "python3", SLEEP))
        second = asyncio.create_task(outcome(made, "python3", SLEEP))
        await until(lambda: server_of(made).active == 1)

        second.cancel()
        await asyncio.gather(second, return_exceptions=True)

        assert (await outcome_in_time(made, "python3", OK)).result == {"ok": 1}
        assert "wall time" in (await first).error


@pytest.mark.slow
@pytest.mark.every_python
async def test_when_the_fork_server_is_killed_its_runs_fail_and_the_next_works(sandbox: ForkServerSandbox) -> None:
    await outcome(sandbox, "python3", OK)
    server = server_of(sandbox)
    runs = [asyncio.create_task(outcome(sandbox, "python3", LOOP)) for _ in range(3)]
    await until(lambda: server.active == 3)
    await until(lambda: sum(_cpu_seconds(child) > 0.05 for child in descendants(server.process_id)) >= 3)
    children = descendants(server.process_id)

    os.kill(server.process_id, signal.SIGKILL)

    for run in runs:
        seen = await run
        assert seen.kind == "SandboxUnavailableError"
        assert "fork server died" in seen.error
    await until(lambda: not any(map(is_alive, children)))
    assert (await outcome(sandbox, "python3", OK)).result == {"ok": 1}
    assert server_of(sandbox) is not server


async def test_a_fork_server_that_is_stopped_and_continued_goes_on(sandbox: ForkServerSandbox) -> None:
    """The kernel continues a wait by ``restart_syscall``."""
    assert (await outcome(sandbox, "python3", OK)).result == {"ok": 1}
    server = server_of(sandbox)
    await only_idle_ones_are_left(server)

    await until(lambda: state_of(server.process_id) == "S")
    os.kill(server.process_id, signal.SIGSTOP)
    await until(lambda: state_of(server.process_id) == "T")
    os.kill(server.process_id, signal.SIGCONT)

    for _ in range(server.idle + 1):
        assert (await outcome(sandbox, "python3", OK)).result == {"ok": 1}
    assert server_of(sandbox) is server


def state_of(process: int) -> str:
    """One letter, as ``/proc`` has it."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]


async def test_a_run_right_after_the_fork_server_was_killed_works(
    sandbox: ForkServerSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A busy machine takes its time to let a process die.
    monkeypatch.setattr(programs, "_RESTART_SECONDS", PATIENCE)
    for _ in range(3):
        assert (await outcome(sandbox, "python3", OK)).result == {"ok": 1}
        os.kill(server_of(sandbox).process_id, signal.SIGKILL)

    assert (await outcome(sandbox, "python3", OK)).result == {"ok": 1}


async def test_idle_children_that_are_killed_are_replaced(sandbox: ForkServerSandbox) -> None:
    await outcome(sandbox, "python3", OK)
    server = server_of(sandbox)
    await until(lambda: len(descendants(server.process_id)) >= 4)
    children = descendants(server.process_id)
    for child in children:
        # One may be on its way out: its own parent was killed a moment ago.
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    await until(lambda: not any(map(is_alive, children)))

    assert (await outcome(sandbox, "python3", OK)).result == {"ok": 1}
    assert server_of(sandbox) is server


async def test_a_program_that_was_handed_to_a_child_that_dies_goes_to_another(
    sandbox: ForkServerSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "_RESTART_SECONDS", PATIENCE)
    await outcome(sandbox, "python3", OK)
    for number in range(8):
        found = descendants(server_of(sandbox).process_id)
        # Without those that others are children of: with one of these, several die.
        children = sorted(child for child in found if not descendants(child))
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGSTOP)
        for child in children:
            await until(partial(stands_still, child))
        waiting = asyncio.ensure_future(outcome(sandbox, "python3", OK))
        for _ in range(100):
            await asyncio.sleep(0)
        # Now one of them has it, and stands still.
        for place, child in enumerate(children):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL if place == number % len(children) else signal.SIGCONT)
        assert (await waiting).result == {"ok": 1}


OWNER = """
import asyncio, signal, sys
from jikko.sandbox.client import ForkServerSandbox
async def main():
    sandbox = ForkServerSandbox()
    await sandbox.run_code("python3", "def main(): return {}", {})
    loop = "def main():\\n    while True: pass"
    runs = [asyncio.create_task(sandbox.run_code("python3", loop, {})) for _ in range(3)]
    while sandbox.fork_server.active < 3:
        await asyncio.sleep(0)
    print(sandbox.fork_server.process_id, flush=True)
    await asyncio.gather(*runs)
# A shell that starts the tests in the background has them ignore SIGINT, and what they start inherits it.
signal.signal(signal.SIGINT, signal.default_int_handler)
asyncio.run(main())
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
async def test_when_the_server_process_is_killed_nothing_is_left(how: signal.Signals) -> None:
    environment = {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(  # noqa: ASYNC220 (nothing else runs meanwhile)
        [sys.executable, "-c", OWNER], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as owner:
        assert owner.stdout is not None
        fork_server = int(owner.stdout.readline())
        await until(lambda: sum(_cpu_seconds(child) > 0 for child in descendants(fork_server)) >= 3)
        below = {fork_server, *descendants(fork_server)}

        owner.send_signal(how)
        await until(lambda: not any(map(is_alive, below)))


@pytest.mark.once
async def test_the_fork_server_is_renewed_after_n_runs_without_a_run_noticing() -> None:
    async with running(SandboxLimits(runs_per_server=5)) as made:
        seen: set[int] = set()

        async def caller() -> None:
            for _ in range(8):
                assert (await outcome(made, "python3", OK)).result == {"ok": 1}
                seen.add(server_of(made).process_id)

        long = asyncio.create_task(
            outcome(made, "python3", "import time\ndef main(): time.sleep(1); return {'long': 1}")
        )
        while len(seen) < 2:  # until then runs go on in the old one
            await asyncio.gather(*(caller() for _ in range(4)))

        assert (await long).result == {"long": 1}
        await until(lambda: sum(is_alive(process_id) for process_id in seen) <= 1)
    assert not any(map(is_alive, seen))


async def test_the_fork_server_is_renewed_after_so_long() -> None:
    async with running(SandboxLimits(server_seconds=0.05)) as made:
        await outcome(made, "python3", OK)
        first = server_of(made)
        await until(lambda: time.monotonic() - first.started_at > 0.06)

        await outcome(made, "python3", OK)

        await until(lambda: made.fork_server is not first)
        await until(lambda: not is_alive(first.process_id))


@pytest.mark.once
async def test_eight_endless_loops_do_not_hold_up_other_runs() -> None:
    async with running(SandboxLimits(wall_seconds=600, concurrent_runs=16)) as made:
        await outcome(made, "python3", OK)
        server = server_of(made)
        hogs = [asyncio.create_task(made.run_code("python3", LOOP, {})) for _ in range(8)]
        await until(lambda: server.active == 8)

        for _ in range(20):
            assert (await outcome(made, "python3", OK)).result == {"ok": 1}

        # Nobody waited for one of them. How long a run then takes, is measured in benchmarks.
        assert server.active == 8
        for hog in hogs:
            hog.cancel()
        await asyncio.gather(*hogs, return_exceptions=True)


@pytest.mark.slow
async def test_a_thousand_ordinary_runs_leave_nothing_behind() -> None:
    async with running(SandboxLimits(runs_per_server=1_000_000)) as made:
        programs = (
            ("python3", "import json\ndef main(n): return {'r': json.dumps([n])}", lambda n: {"r": f"[{n}]"}),
            ("javascript", "const main = ({n}) => ({r: JSON.stringify([n])})", lambda n: {"r": f"[{n}]"}),
            ("jinja2", "[{{ n }}]", lambda n: f"[{n}]"),
        )

        async def caller(first: int, runs: int) -> None:
            for number in range(first, runs, 4):
                language, code, expected = programs[number % 3]
                seen = await outcome(made, language, code, {"n": number})
                assert seen.result == expected(number), seen

        # What is imported and cached once is no growth.
        await asyncio.gather(*(caller(first, 500) for first in range(4)))
        server = server_of(made)
        await until(lambda: server.idle == 4)
        files, processes = (open_files(), _open_files(server.process_id)), (server.process_id, os.getpid())
        grown = [math.inf, math.inf]
        for _ in range(5):
            before = [_memory_kib(process) for process in processes]
            await asyncio.gather(*(caller(first, 1_000) for first in range(4)))
            await only_idle_ones_are_left(server)
            grown = [_memory_kib(process) - known for process, known in zip(processes, before, strict=True)]
            if max(grown) <= 96:
                break
        # 100 bytes a run would be more, each time. Nothing is usual; an allocator may keep something once.
        assert max(grown) <= 96, "the fork server grew, or the server"
        # What has just ended may not be gone yet; what is left behind never goes.
        await until(lambda: open_files() <= files[0] and _open_files(server.process_id) <= files[1])
        assert made.fork_server is server


@contextlib.contextmanager
def no_free_descriptor() -> Iterator[None]:
    """As in a server with as many connections as it may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 256), hard))
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.dup(0))
        yield
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def take_all(server: ForkServerClient) -> None:
    """Take children until the server has none for once."""
    children = []
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                children.append(await server.take("python3"))
    finally:
        for child in children:
            server.release(child, "python3", done=False)


async def test_without_a_free_descriptor_a_run_fails_and_later_ones_do_not(sandbox: ForkServerSandbox) -> None:
    await outcome(sandbox, "python3", OK)
    server = server_of(sandbox)
    with no_free_descriptor(), pytest.raises(SandboxFailure, match="no free file descriptor"):
        await take_all(server)

    assert (await outcome(sandbox, "python3", OK)).result == {"ok": 1}
    assert server_of(sandbox) is server


async def test_a_fork_server_that_forks_no_more_is_replaced(
    sandbox: ForkServerSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    await outcome(sandbox, "python3", OK)
    server = server_of(sandbox)
    monkeypatch.setattr("jikko.sandbox.fork_server_client._CHILD_SECONDS", 0.05)
    os.kill(server.process_id, signal.SIGSTOP)

    with pytest.raises(SandboxFailure, match="no process was started within"):
        await take_all(server)

    monkeypatch.undo()
    assert (await outcome(sandbox, "python3", OK)).result == {"ok": 1}
    assert server_of(sandbox) is not server


async def test_limits_outside_of_their_range_are_refused() -> None:
    for name, value in (
        ("wall_seconds", 0), ("wall_seconds", float("inf")), ("cpu_seconds", 0), ("memory_bytes", 1 << 20),
        ("output_bytes", 1), ("concurrent_runs", 0), ("queued_runs", -1), ("runs_per_server", 0),
        ("server_seconds", -1),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=name):
            SandboxLimits(**{name: value})  # type: ignore[arg-type]


async def test_a_run_after_a_failed_start_tries_again() -> None:
    async with running(program="raise SystemExit(3)") as made:
        with pytest.raises(SandboxFailure, match="SystemExit: 3"):
            await made.run_code("python3", OK, {})


def _cpu_seconds(process_id: int) -> float:
    try:
        with open(f"/proc/{process_id}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory_kib(process_id: int) -> int:
    with open(f"/proc/{process_id}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def _open_files(process_id: int) -> int:
    # Only root may look into a process that cannot be dumped.
    return len(os.listdir(f"/proc/{process_id}/fd")) if os.geteuid() == 0 else 0
