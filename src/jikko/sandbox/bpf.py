"""The seccomp filters of the sandbox: lists of allowed calls, and what their arguments may be.

What is not named fails with EPERM. Paths fail with ENOENT instead, so that an import of what is not there is a
``ModuleNotFoundError``.
"""

import errno
from collections.abc import Mapping, Sequence

from jikko.locks.bpf import ALLOW, Body, answer, assemble, error, only, without

F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC = 0, 1, 2, 3, 4, 1030
FIONBIO, FIONCLEX, FIOCLEX = 0x5421, 0x5450, 0x5451
PROT_EXEC = 4
MAP_SHARED = 1

CHILD_ALLOWED = (
    "read", "write", "readv", "writev", "close", "fstat", "lseek", "munmap", "mremap", "madvise", "brk",
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "sched_yield", "sched_getaffinity",
    "nanosleep", "clock_gettime", "clock_getres", "clock_nanosleep", "gettimeofday", "time", "times", "getrusage",
    "getrandom", "futex", "poll", "ppoll", "select", "pselect6", "membarrier", "rseq", "set_robust_list",
    "restart_syscall", "getpid", "gettid", "getppid", "getuid", "getgid", "geteuid", "getegid", "uname", "exit",
    "exit_group",
)  # fmt: skip
"""What a user's program may call. ``mmap``, ``mprotect`` and ``fcntl`` besides, by argument."""

SERVER_ALLOWED = (
    *CHILD_ALLOWED,
    "sendmsg", "recvmsg", "sendto", "recvfrom", "socketpair", "clone", "fork", "wait4", "waitid", "kill",
    "close_range", "prctl", "seccomp", "setrlimit", "prlimit64", "getrlimit", "dup", "dup2", "dup3", "pipe2",
    "shutdown", "setpriority", "sched_setattr", "pread64",
)  # fmt: skip
"""What the fork server may call: what it takes to fork, lock and reap a child."""

PATH_CALLS = (
    "open", "openat", "openat2", "stat", "lstat", "newfstatat", "statx", "access", "faccessat", "faccessat2",
    "readlink", "readlinkat", "getdents64", "chdir", "getcwd", "execve", "execveat",
)  # fmt: skip

CHILD_REFUSED: Mapping[str, int] = {
    **dict.fromkeys(PATH_CALLS, errno.ENOENT),
    "clone": errno.EPERM,
    # The C library asks clone3 first, and falls back to clone only on this answer.
    "clone3": errno.ENOSYS,
    "fork": errno.EPERM,
    "vfork": errno.EPERM,
    "ioctl": errno.ENOTTY,
}
SERVER_REFUSED: Mapping[str, int] = {
    **dict.fromkeys(PATH_CALLS, errno.ENOENT),
    "clone3": errno.ENOSYS,
    "vfork": errno.EPERM,
}


def child_filter(machine: str | None = None) -> bytes:
    """The filter that a child runs user code under: the boundary of the sandbox."""
    return _filter(
        machine,
        allowed=CHILD_ALLOWED,
        refused=CHILD_REFUSED,
        by_argument={
            **_nothing_executable(),
            # Nor is any shared, which no limit of data counts: the memory that a program may have would grow by the
            # size of the libraries that it unmaps.
            "mmap": [*without(2, PROT_EXEC), *without(3, MAP_SHARED), answer(ALLOW)],
            "fcntl": [*only(1, (F_GETFD, F_GETFL)), answer(ALLOW)],
        },
    )


def server_filter(machine: str | None = None) -> bytes:
    """The filter of the fork server. Children put theirs on top of it."""
    return _filter(
        machine,
        allowed=SERVER_ALLOWED,
        refused=SERVER_REFUSED,
        by_argument={
            **_nothing_executable(),
            "fcntl": [*only(1, (F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC)), answer(ALLOW)],
            "ioctl": [*only(1, (FIONBIO, FIONCLEX, FIOCLEX)), answer(ALLOW)],
        },
    )


def _filter(
    machine: str | None, *, allowed: Sequence[str], refused: Mapping[str, int], by_argument: Mapping[str, Body]
) -> bytes:
    answers = [*((name, ALLOW) for name in allowed), *((name, error(code)) for name, code in refused.items())]
    return assemble({name: [answer(value)] for name, value in answers} | dict(by_argument), machine=machine)


def _nothing_executable() -> dict[str, Body]:
    return {name: [*without(2, PROT_EXEC), answer(ALLOW)] for name in ("mmap", "mprotect")}
