"""Only the calls of the allow-list answer; every other number fails with EPERM."""

import errno
import os
import signal
from collections.abc import AsyncIterator

import pytest

from jikko.locks.bpf import LOAD, instruction
from jikko.locks.numbers import MACHINES, numbers
from jikko.sandbox import lock
from jikko.sandbox.client import ForkServerSandbox
from jikko.sandbox.launch import PROGRAM
from jikko.sandbox.limits import SandboxLimits
from tests.effort import PATIENCE
from tests.sandbox.scene import WITHOUT_LANDLOCK, outcome

pytestmark = pytest.mark.anyio

LAST = 475
PROBE = """
import ctypes, os
L = ctypes.CDLL(None, use_errno=True); L.syscall.restype = ctypes.c_long
def main(numbers):
    answers = {}
    for number in numbers:
        ctypes.set_errno(0)
        result = L.syscall(ctypes.c_long(number), *[ctypes.c_long(0)] * 6)
        answers[str(number)] = ctypes.get_errno() if result == -1 else 0
    return answers
"""

BY_DESIGN = {335: "uretprobe", 336: "uprobe"} if os.uname().machine == "x86_64" else {}
"""The kernel lets these past every filter, for its own tracing. They do nothing for a program that is not traced."""


@pytest.fixture(scope="module", params=[PROGRAM, WITHOUT_LANDLOCK], ids=["all layers", "no Landlock"])
async def sandbox(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[ForkServerSandbox]:
    made = ForkServerSandbox(SandboxLimits(wall_seconds=PATIENCE), program=request.param)
    yield made
    await made.close()


async def test_a_sweep_over_all_numbers_finds_nothing_else(sandbox: ForkServerSandbox) -> None:
    known = numbers()
    allowed = {known[name] for name in (*lock.CHILD_ALLOWED, "mmap", "mprotect", "fcntl") if name in known}
    listed = {known[name]: code for name, code in lock.CHILD_REFUSED.items() if name in known}
    others = [number for number in range(LAST) if number not in allowed and number not in BY_DESIGN]

    seen = await outcome(sandbox, "python3", PROBE, {"numbers": others})

    assert not seen.error
    expected = {str(number): listed.get(number, errno.EPERM) for number in others}
    assert seen.result == expected


async def test_what_the_kernel_lets_past_the_filter_does_nothing(sandbox: ForkServerSandbox) -> None:
    for number in BY_DESIGN:
        seen = await outcome(sandbox, "python3", PROBE, {"numbers": [number]})

        harmless = seen.result is not None and seen.result[str(number)] != 0
        assert harmless or signal.SIGILL.name in seen.error or signal.SIGSYS.name in seen.error, seen


async def test_the_allow_list_is_the_documented_one() -> None:
    documented = (
        "read write readv writev close fstat lseek munmap mremap madvise brk rt_sigaction rt_sigprocmask rt_sigreturn "
        "sigaltstack sched_yield sched_getaffinity nanosleep clock_gettime clock_getres clock_nanosleep gettimeofday "
        "time times getrusage getrandom futex poll ppoll select pselect6 membarrier rseq set_robust_list getpid gettid "
        "restart_syscall getppid getuid getgid geteuid getegid uname exit exit_group"
    )

    assert sorted(lock.CHILD_ALLOWED) == sorted(documented.split())


async def test_calls_with_a_path_find_no_file(sandbox: ForkServerSandbox) -> None:
    """A library that looks for an optional file goes on, as it does where there is none."""
    names = (
        "open openat openat2 stat lstat newfstatat statx access faccessat faccessat2 readlink readlinkat getdents64 "
        "chdir getcwd execve execveat"
    )
    known = {name: numbers()[name] for name in names.split() if name in numbers()}

    seen = await outcome(sandbox, "python3", PROBE, {"numbers": list(known.values())})

    assert len(known) > 9
    assert seen.result == dict.fromkeys(map(str, known.values()), errno.ENOENT)


@pytest.mark.parametrize("machine", MACHINES)
def test_filters_can_be_assembled_for_every_machine(machine: str) -> None:
    for program in (lock.child_filter(machine), lock.server_filter(machine)):
        assert len(program) % 8 == 0
        assert len(program) // 8 < 4096, "the kernel takes no more instructions"
        assert program[:8] == instruction(LOAD, 4), "the architecture must be checked first"
