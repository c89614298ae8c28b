"""What a child tries on itself before the sandbox is trusted: each of these must fail, and fail as listed."""

import errno
import os
from collections.abc import Iterator
from typing import Final

from jikko.locks.numbers import numbers
from jikko.sandbox import lock

_AF_INET, _SOCK_STREAM = 2, 1
_SIGCHLD = 17
_MAP_PRIVATE_ANONYMOUS = 0x22
_MAP_SHARED_ANONYMOUS = 0x21
_READ_WRITE, _READ_EXECUTE = 3, 5
_HERE = -100
_X32_GETPID = 0x40000000 | 39

_ATTEMPTS: Final[tuple[tuple[str, str, tuple[int | bytes, ...], int], ...]] = (
    ("no sockets", "socket", (_AF_INET, _SOCK_STREAM, 0), errno.EPERM),
    ("no files", "openat", (_HERE, b"/etc/passwd", 0, 0), errno.ENOENT),
    ("no forks", "clone", (_SIGCHLD, 0, 0, 0, 0), errno.EPERM),
    ("no other programs", "execve", (b"/bin/true", 0, 0), errno.ENOENT),
    ("no executable memory", "mmap", (0, 4096, _READ_EXECUTE, _MAP_PRIVATE_ANONYMOUS, -1, 0), errno.EPERM),
    ("no shared memory", "mmap", (0, 4096, _READ_WRITE, _MAP_SHARED_ANONYMOUS, -1, 0), errno.EPERM),
    ("no tracing", "ptrace", (16, 0, 0, 0), errno.EPERM),
    ("no change of its filter", "seccomp", (1, 0, 0), errno.EPERM),
    ("no change of its limits", "prlimit64", (0, 7, 0, 0), errno.EPERM),
    ("no other namespaces", "unshare", (0x10000000,), errno.EPERM),
    ("no io_uring", "io_uring_setup", (1, 0), errno.EPERM),
)


def attempts() -> Iterator[tuple[str, bool, str, dict[str, str]]]:
    """Try what is forbidden.

    Yields:
        What was tried, whether it was refused as it must be, and what happened: the code of its text, with parameters.
    """
    for title, name, arguments, expected in _ATTEMPTS:
        yield title, *_outcome(name, arguments, expected)
    yield "no signals to the fork server", *_outcome("kill", (os.getppid(), 0), errno.EPERM)
    open_files = [number for number in range(64) if _is_open(number)]
    yield "no inherited files", open_files == [0, 1, 2, 3], "sandbox.open_files", {"files": str(open_files)}
    yield "no superuser", os.geteuid() != 0, "sandbox.verbatim", {"text": f"uid {os.geteuid()}"}


def call_as_x32() -> None:
    """Issue a call of the x32 table. The filter kills the process for it, so this does not return."""
    lock.raw_system_call(_X32_GETPID)


def _outcome(name: str, arguments: tuple[int | bytes, ...], expected: int) -> tuple[bool, str, dict[str, str]]:
    if name not in numbers():
        return True, "sandbox.no_call", {}
    try:
        lock.system_call(name, *arguments)
    except OSError as error:
        name = errno.errorcode.get(error.errno or 0, str(error.errno))
        return error.errno == expected, "sandbox.verbatim", {"text": name}
    return False, "sandbox.allowed", {}


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True
