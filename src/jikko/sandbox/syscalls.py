"""Which system calls a fork server and its children may use.

The filters are allow-lists: what is not named fails with EPERM. Paths fail with ENOENT instead, so that an import of
what is not there is a ``ModuleNotFoundError``.
"""

import errno
from collections.abc import Mapping

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
