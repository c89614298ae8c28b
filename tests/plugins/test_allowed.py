"""The allow list of plugins: each call has a use that fails without it, and means the same on each machine."""

import errno
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from jikko.locks.numbers import MACHINES, numbers
from jikko.plugins.process.allowed import ALLOWED, ATTRIBUTES, EPOLL, REFUSED, SIGNALS, plugin_filter
from tests.locks import interpreter
from tests.locks.interpreter import outcome
from tests.plugins.test_attacks import BY_ARGUMENT
from tests.plugins.uses import USES

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux locks")

EQUIVALENT = {
    "access": "faccessat", "alarm": "setitimer", "chmod": "fchmodat", "chown": "fchownat", "creat": "openat",
    "dup2": "dup3", "epoll_wait": "epoll_pwait", "fork": "clone", "futimesat": "utimensat", "getpgrp": "getpgid",
    "lchown": "fchownat",
    "link": "linkat", "lstat": "newfstatat", "mkdir": "mkdirat", "open": "openat", "pause": "ppoll", "pipe": "pipe2",
    "poll": "ppoll", "readlink": "readlinkat", "rename": "renameat", "rmdir": "unlinkat", "select": "pselect6",
    "stat": "newfstatat", "symlink": "symlinkat", "time": "gettimeofday", "unlink": "unlinkat", "utime": "utimensat",
    "utimes": "utimensat", "vfork": "clone",
}  # fmt: skip
"""What ARM64 has in the place of calls that it lacks."""


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, tuple[str, str]]:
    """How each use ends, with its call and without: an empty text if it works."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.plugins.behind_filter", str(tmp_path_factory.mktemp("uses"))],
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
    )
    found: Mapping[str, tuple[str, str]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", [name for name in USES if name in numbers()])
def test_a_use_works_with_its_call_and_fails_without(ends: Mapping[str, tuple[str, str]], name: str) -> None:
    with_call, without_call = ends[name]
    assert with_call == ""
    assert without_call != ""


def test_each_allowed_call_has_a_use() -> None:
    assert {*USES} == {*ALLOWED, *BY_ARGUMENT, *ATTRIBUTES, *SIGNALS, EPOLL} - {"sched_setaffinity"}


def test_each_allowed_call_is_one_of_arm64_too_or_has_an_equivalent_there() -> None:
    known = numbers("aarch64")
    lacking = {*USES} - {*known} - {"arch_prctl"}
    assert lacking == {*EQUIVALENT}
    assert {*EQUIVALENT.values()} <= {*USES} & {*known}


SAME_USER: dict[str, Any] = {"abi": 7}
GIVEN: dict[str, Any] = {"abi": 7, "asks": True}
OWN_USER: dict[str, Any] = {"abi": 7, "own_user": True}
DIRECT: dict[str, Any] = {"abi": 7, "direct": True}
OLD: dict[str, Any] = {"abi": 1, "process_id": 77}
GROUPED: dict[str, Any] = {"abi": 7, "cgroup": True}
STREAM, DATAGRAM, RAW, FLAGS = 1, 2, 3, 0o2004000

CASES = [
    (GIVEN, "socket", (2, STREAM | FLAGS, 0), "asked"),
    (GIVEN, "socket", (2, STREAM, 6), "asked"),
    (GIVEN, "socket", (2, STREAM, 262), errno.EPROTONOSUPPORT),
    (GIVEN, "socket", (2, STREAM, 132), errno.EPROTONOSUPPORT),
    (GIVEN, "socket", (2, DATAGRAM, 0), errno.EPERM),
    (GIVEN, "socket", (2, RAW, 6), errno.EPERM),
    (GIVEN, "socket", (10, STREAM, 0), errno.EAFNOSUPPORT),
    (GIVEN, "socket", (1, STREAM, 0), errno.EAFNOSUPPORT),
    (GIVEN, "socket", (40, STREAM, 0), errno.EAFNOSUPPORT),
    (SAME_USER, "socket", (2, STREAM, 6), errno.EPERM),
    (DIRECT, "socket", (10, STREAM, 6), "allowed"),
    (DIRECT, "socket", (2, DATAGRAM | FLAGS, 17), "allowed"),
    (DIRECT, "socket", (2, DATAGRAM, 1), errno.EPROTONOSUPPORT),
    (DIRECT, "socket", (2, STREAM, 262), errno.EPROTONOSUPPORT),
    (DIRECT, "socket", (1, STREAM, 0), errno.EAFNOSUPPORT),
    (DIRECT, "sendto", (3, 0, 1, 0x20000000), errno.EOPNOTSUPP),
    (DIRECT, "bind", (3, 0, 16), errno.EACCES),
    (SAME_USER, "socketpair", (1, STREAM | FLAGS, 0), "allowed"),
    (SAME_USER, "socketpair", (1, DATAGRAM, 0), errno.EPERM),
    (SAME_USER, "sendto", (3, 0, 1, 0x4000), "allowed"),
    (SAME_USER, "sendto", (3, 0, 1, 1), "allowed"),
    (SAME_USER, "sendmsg", (3, 0, 0x20004000), errno.EOPNOTSUPP),
    (SAME_USER, "sendmmsg", (3, 0, 1, 0x20000000), errno.EOPNOTSUPP),
    (SAME_USER, "setsockopt", (3, 6, 1), "allowed"),
    (SAME_USER, "setsockopt", (3, 6, 31), errno.ENOPROTOOPT),
    (SAME_USER, "setsockopt", (3, 1, 31), "allowed"),
    (SAME_USER, "clone", (0x3D0F00,), "allowed"),
    (SAME_USER, "clone", (0x4111,), "allowed"),
    *((SAME_USER, "clone", (flag | 17,), errno.EPERM) for flag in (0x10000000, 0x40000000, 0x20000, 0x2000000, 0x8000)),
    (SAME_USER, "clone3", (), errno.ENOSYS),
    (SAME_USER, "prlimit64", (0, 7), "allowed"),
    (SAME_USER, "prlimit64", (1, 7), errno.EPERM),
    (SAME_USER, "prctl", (15,), "allowed"),
    (SAME_USER, "prctl", (22,), errno.EINVAL),
    (SAME_USER, "fcntl", (3, 1030), "allowed"),
    (SAME_USER, "fcntl", (3, 8), errno.EINVAL),
    (SAME_USER, "fcntl", (3, 1024), errno.EINVAL),
    (SAME_USER, "ioctl", (3, 0x5421), "allowed"),
    (SAME_USER, "ioctl", (3, 0x5412), errno.ENOTTY),
    (SAME_USER, "ioctl", (3, 0x8901), errno.ENOTTY),
    (SAME_USER, "kill", (1, 9), "allowed"),
    (OLD, "kill", (77, 9), errno.EPERM),
    (OLD, "tgkill", (77, 78, 9), "allowed"),
    (OLD, "tgkill", (1, 1, 9), errno.EPERM),
    (OLD, "tkill", (1, 9), errno.EPERM),
    ({"abi": 1, "own_user": True}, "kill", (1, 9), "allowed"),
    (SAME_USER, "fchmodat", (), 0),
    (SAME_USER, "utimensat", (), 0),
    (SAME_USER, "fchownat", (), 0),
    (OWN_USER, "fchmodat", (), "allowed"),
    ({"abi": 7, "attributes": True}, "fchmodat", (), "allowed"),
    (SAME_USER, "epoll_create1", (0,), errno.ENOSYS),
    (GROUPED, "epoll_create1", (0,), errno.ENOSYS),
    (OWN_USER, "epoll_create1", (0,), "allowed"),
    ({"abi": 7, "epoll": True}, "epoll_create1", (0,), "allowed"),
    ({**DIRECT, "asks": True}, "epoll_create1", (0,), "asked"),
    ({**DIRECT, "asks": True}, "socket", (2, STREAM, 6), "allowed"),
    (SAME_USER, "sched_setaffinity", (0,), errno.EPERM),
    (OWN_USER, "sched_setaffinity", (0,), "allowed"),
    (SAME_USER, "openat", (-100, 0, 0o1000), "allowed"),
    (OLD, "openat", (-100, 0, 0o1101), "allowed"),
    (OLD, "openat", (-100, 0, 0o1102), "allowed"),
    (OLD, "openat", (-100, 0, 0o100), "allowed"),
    (OLD, "openat", (-100, 0, 0o1000), errno.EACCES),
    (OLD, "openat", (-100, 0, 0o1003), errno.EACCES),
    (OLD, "truncate", (), errno.EPERM),
    (GROUPED, "mmap", (0, 4096, 3, 0x21), "allowed"),
    (GROUPED, "mmap", (0, 4096, 3, 0x122), "allowed"),
    (GROUPED, "memfd_create", (), "allowed"),
    (GROUPED, "setsid", (), "allowed"),
    (SAME_USER, "setsid", (), 0),
    (SAME_USER, "mmap", (0, 4096, 3, 0x21), errno.EPERM),
    (SAME_USER, "mmap", (0, 4096, 3, 0x23), errno.EPERM),
    (SAME_USER, "mmap", (0, 4096, 3, 0x122), errno.EPERM),
    (SAME_USER, "mmap", (0, 4096, 3, 0x01), "allowed"),
    (SAME_USER, "mmap", (0, 4096, 7, 0x22), "allowed"),
    (SAME_USER, "memfd_create", (), errno.ENOSYS),
]  # fmt: skip


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(("settings", "name", "arguments", "expected"), CASES)
def test_arguments_decide(
    machine: str, settings: dict[str, Any], name: str, arguments: tuple[int, ...], expected: object
) -> None:
    program = plugin_filter(machine, **settings)
    assert outcome(program, name, arguments, machine=machine) == expected


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("settings", [SAME_USER, GIVEN, OWN_USER, DIRECT, OLD, GROUPED])
def test_nothing_else_is_allowed_on_any_machine(machine: str, settings: dict[str, Any]) -> None:
    program = plugin_filter(machine, **settings)
    assert len(program) // 8 < 4096, "the kernel takes no more instructions"
    known = numbers(machine)
    listed = {known[name] for name in (*ALLOWED, *BY_ARGUMENT, *ATTRIBUTES, *SIGNALS, EPOLL, *REFUSED) if name in known}
    for name in ALLOWED:
        if name in known:
            assert outcome(program, name, machine=machine) == "allowed"
    for name, code in REFUSED.items():
        if name in known:
            assert outcome(program, name, machine=machine) == code
    for number in {*range(600)} - listed:
        answered = interpreter.answer(program, number, machine=machine)
        assert answered == 0x00050000 | (errno.EPERM if number <= 448 else errno.ENOSYS)
