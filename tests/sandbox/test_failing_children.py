"""Children failing by themselves are not their programs' failures: another child takes over, or the sandbox fails."""

import asyncio

import pytest

from jikko.sandbox.launch import PROGRAM
from tests.sandbox.scene import outcome, running, until

pytestmark = [pytest.mark.anyio, pytest.mark.once]

OK = "def main(): return {'ok': 1}"

LATE = """
import time, jikko.sandbox.fork_server as z
fork = z._fork
def late():
    process_id = fork()
    if process_id == 0:
        time.sleep(0.3)
    return process_id
z._fork = late
"""
"""Children that get no processor until the server has asked that they let others go first."""

EVERY_OTHER_CHILD = """
import os, jikko.sandbox.fork_server as z, jikko.sandbox.runner as r
fork, forked = z._fork, 0
def counting():
    global forked
    forked += 1
    return fork()
z._fork = counting
def fail_sometimes():
    if forked % 2:
        raise OSError(5, "故障 🔥")
"""
BEFORE_THE_PROGRAM = """
loads = r._loads
def failing(text, **options):
    if b"main" in text:
        fail_sometimes()
    return loads(text, **options)
r._loads = failing
"""
BEHIND_THE_PROGRAM = """
reply = r.JobRunner._reply
def failing(self, job, block):
    made = reply(self, job, block)
    if b'"ok": 1' in made:
        fail_sometimes()
    return made
r.JobRunner._reply = failing
"""
ALWAYS = "forked = 1\nz._fork = fork\n"
IMPORTING_AHEAD = ALWAYS + "z.ForkServer._import = lambda self, module: fail_sometimes()\n"


async def test_a_child_that_comes_to_its_program_late_does_it_all_the_same() -> None:
    async with running(program=LATE + PROGRAM) as made:
        # More than there are children that wait: some get one that was forked just now.
        seen = await asyncio.gather(*(outcome(made, "python3", OK) for _ in range(8)))

    assert [(one.result, one.error) for one in seen] == [({"ok": 1}, "")] * 8


async def test_the_program_of_a_child_that_failed_before_it_goes_to_another(caplog: pytest.LogCaptureFixture) -> None:
    async with running(program=EVERY_OTHER_CHILD + BEFORE_THE_PROGRAM + PROGRAM) as made:
        seen = [await outcome(made, "python3", OK) for _ in range(6)]

    assert [one.result for one in seen] == [{"ok": 1}] * 6
    # The operator sees why.
    assert "故障 🔥" in caplog.text


async def test_a_program_that_no_child_could_begin_is_told_as_a_failure_of_the_sandbox() -> None:
    async with running(program=EVERY_OTHER_CHILD + ALWAYS + BEFORE_THE_PROGRAM + PROGRAM) as made:
        seen = await outcome(made, "python3", OK)

    assert seen.kind == "SandboxUnavailableError"
    assert seen.error == (
        "The sandbox is not available: its process failed before the program began (OSError: [Errno 5] 故障 🔥)"
    )


async def test_a_program_that_had_begun_is_not_run_again_and_the_sandbox_is_what_failed() -> None:
    async with running(program=EVERY_OTHER_CHILD + BEHIND_THE_PROGRAM + PROGRAM) as made:
        seen = [await outcome(made, "python3", OK) for _ in range(4)]

    failed = [one for one in seen if one.error]
    assert {one.kind for one in failed} == {"SandboxUnavailableError"}
    assert {one.error for one in failed} == {
        "The sandbox is not available: its process failed while the program ran (OSError: [Errno 5] 故障 🔥)"
    }
    assert [one.result for one in seen if not one.error] == [{"ok": 1}] * (4 - len(failed))


async def test_the_log_says_why_a_fork_server_failed_and_the_next_program_has_another(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running(program=EVERY_OTHER_CHILD + IMPORTING_AHEAD + PROGRAM) as made:
        await outcome(made, "python3", "import requests\n" + OK)
        await until(lambda: "the fork server failed: OSError: [Errno 5] 故障 🔥" in caplog.text)

        assert (await outcome(made, "python3", OK)).result == {"ok": 1}


@pytest.mark.parametrize("code", [0, 1, 70])
async def test_a_program_that_ends_its_process_is_told_so_whatever_its_exit_code(code: int) -> None:
    async with running() as made:
        seen = await outcome(made, "python3", f"import os\ndef main(): os._exit({code})")

    assert seen.kind == "CodeExecutionError"
    assert seen.error == f"The program ended its process (exit code {code}) before main returned"


async def test_a_program_that_claims_not_to_have_begun_is_run_once_more_at_most() -> None:
    forged = "import os, struct\ndef main(n):\n    os.write(3, struct.pack('>II', 12, 0) + b'not begun: \\xff')\n"
    async with running() as made:
        seen = await outcome(made, "python3", forged, {"n": 1})

    assert seen.kind == "SandboxUnavailableError"
    assert "before the program began (\ufffd)" in seen.error
