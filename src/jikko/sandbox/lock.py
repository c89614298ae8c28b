"""Locks of the fork server and its children, one function each.

Every function does what it says or raises ``LockFailed``: nothing here fails open.

Seccomp filters: unlisted calls fail with EPERM. Path calls fail with ENOENT instead, so that a missing import is a
``ModuleNotFoundError``.
"""

import contextlib
import errno
import os
import platform
import resource
import struct
import tempfile
from collections.abc import Mapping, Sequence

from jikko.locks.bpf import ALLOW, Body, answer, assemble, error, only, without
from jikko.locks.calls import LockFailed as LockFailed
from jikko.locks.calls import close_from as close_from
from jikko.locks.calls import die_with as die_with
from jikko.locks.calls import drop_capabilities as drop_capabilities
from jikko.locks.calls import forbid_new_privileges as forbid_new_privileges
from jikko.locks.calls import install_filter as install_filter
from jikko.locks.calls import landlock_abi as landlock_abi
from jikko.locks.calls import prctl
from jikko.locks.calls import prefer_for_oom_kill as prefer_for_oom_kill
from jikko.locks.calls import raw_system_call as raw_system_call
from jikko.locks.calls import system_call as system_call
from jikko.locks.numbers import MACHINES

NOBODY = 65534

_PR_SET_DUMPABLE = 4
_NORMAL_POLICY = 0
_LONG_SLICE = 10_000_000
"""Nanoseconds; the default is 0.7 to 3 ms, by the number of cores."""


def lower_priority(process_id: int, niceness: int) -> None:
    """Lower the priority of a process of this user, and let waking processes preempt it.

    A waking process preempts one with longer slices than its own; one with equal slices runs on until the next tick,
    usually 4 ms, whatever its niceness. Its share of the processor stays the same. Kernels before 6.12 have one slice
    length for all. Raises ``ProcessLookupError`` if it has ended.
    """
    os.setpriority(os.PRIO_PROCESS, process_id, niceness)
    # struct sched_attr: size, policy, flags, niceness, priority, runtime, deadline, period.
    attributes = struct.pack("=IIQiIQQQ", 48, _NORMAL_POLICY, 0, niceness, 0, _LONG_SLICE, 0, 0)
    # Best effort: some kernels and containers do not allow it.
    with contextlib.suppress(OSError):
        system_call("sched_setattr", process_id, attributes, 0)


def become_nobody() -> None:
    """Drop root: become a user that owns nothing, in an empty directory. Raises ``LockFailed`` if that fails."""
    try:
        _enter_empty_directory()
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    except OSError as error:
        raise LockFailed(
            f"the server runs as root but may not give root up ({error.strerror}); "
            "run it as a plain user, or grant CAP_SETUID, CAP_SETGID and CAP_SYS_CHROOT"
        ) from error
    if os.geteuid() == 0 or os.getuid() == 0 or os.getgroups():
        raise LockFailed("the kernel reports that root was given up, but it was not; run the server as a plain user")


def _enter_empty_directory() -> None:
    # Deleted while inside: nobody can create anything in it again.
    for parent in (tempfile.gettempdir(), "/dev/shm", "/run"):
        try:
            directory = tempfile.mkdtemp(prefix="jikko-empty-", dir=parent)
        except OSError:
            continue
        os.chdir(directory)
        os.rmdir(directory)
        os.chroot(".")
        return
    raise OSError(30, "no directory can be created under /tmp, /dev/shm or /run")


def forbid_dumps() -> None:
    """Keep other processes of the same user from reading this one, and the kernel from dumping it."""
    prctl(_PR_SET_DUMPABLE, 0, what="PR_SET_DUMPABLE")


def landlock_everything(abi: int) -> None:
    """Deny everything that Landlock can: files, TCP, signals and sockets outside. ``abi``: Of ``landlock_abi``, 1 or
    more."""
    files = (1 << 13) - 1
    for since, bit in ((2, 13), (3, 14), (5, 15)):
        if abi >= since:
            files |= 1 << bit
    network = 3 if abi >= 4 else 0
    scopes = 3 if abi >= 6 else 0
    attributes = struct.pack("QQQ", files, network, scopes)
    size = 8 if abi < 4 else 16 if abi < 6 else 24
    try:
        ruleset = system_call("landlock_create_ruleset", attributes, size, 0)
        system_call("landlock_restrict_self", ruleset, 0)
        os.close(ruleset)
    except OSError as error:
        raise LockFailed(f"Landlock (version {abi}) refused an empty rule set ({error.strerror})") from error


def set_limits(limits: Mapping[int, int]) -> None:
    """Set soft and hard limits. ``limits``: Values by ``resource.RLIMIT_*``, each in its own unit."""
    for kind, value in limits.items():
        try:
            resource.setrlimit(kind, (value, value))
        except (OSError, ValueError, OverflowError) as error:
            raise LockFailed(f"resource limit {kind} cannot be set to {value} ({error})") from error


def require_one_thread() -> None:
    """Require a single thread: forking would be unsafe otherwise. Raises ``LockFailed``."""
    threads = len(os.listdir("/proc/self/task"))
    if threads != 1:
        raise LockFailed(f"the fork server has {threads} threads, and must have one: a module it imports started one")


def require_known_machine() -> None:
    """Require a table of system call numbers for this machine. Raises ``LockFailed``."""
    machine = platform.machine()
    if machine not in MACHINES:
        raise LockFailed(f"no system call table for {machine}; supported are {', '.join(MACHINES)}")


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
"""Calls of user programs. Besides, by argument: ``mmap``, ``mprotect`` and ``fcntl``."""

SERVER_ALLOWED = (
    *CHILD_ALLOWED,
    "sendmsg", "recvmsg", "sendto", "recvfrom", "socketpair", "clone", "fork", "wait4", "waitid", "kill",
    "close_range", "prctl", "seccomp", "setrlimit", "prlimit64", "getrlimit", "dup", "dup2", "dup3", "pipe2",
    "shutdown", "setpriority", "sched_setattr", "pread64",
)  # fmt: skip
"""Calls of the fork server: to fork, lock and reap children."""

PATH_CALLS = (
    "open", "openat", "openat2", "stat", "lstat", "newfstatat", "statx", "access", "faccessat", "faccessat2",
    "readlink", "readlinkat", "getdents64", "chdir", "getcwd", "execve", "execveat",
)  # fmt: skip

CHILD_REFUSED: Mapping[str, int] = {
    **dict.fromkeys(PATH_CALLS, errno.ENOENT),
    "clone": errno.EPERM,
    # The C library tries clone3 first, and falls back to clone only on this answer.
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
    """Return the filter for user code: the boundary of the sandbox."""
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
    """Return the filter of the fork server. Children add theirs."""
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
