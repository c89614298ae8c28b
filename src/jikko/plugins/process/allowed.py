"""System-call filter of plugins. Calls outside of the allowlist fail with ``EPERM``.

Arguments decide where a call could reach another process or host, or allocate memory outside of every limit. Landlock
decides by path; calls that Landlock does not cover are denied.
"""

import errno

from jikko.locks.bpf import (
    ALLOW,
    ASK,
    IF_ANY_BIT,
    IF_AT_LEAST,
    IF_EQUAL,
    MASK,
    Body,
    answer,
    assemble,
    error,
    instruction,
    load,
    only,
    without,
)

_FILES = (
    "access", "chdir", "close", "close_range", "copy_file_range", "creat", "dup", "dup2", "dup3", "faccessat",
    "faccessat2", "fadvise64", "fallocate", "fchdir", "fdatasync", "flock", "fstat", "fstatfs", "fsync", "ftruncate",
    "getcwd", "getdents64", "link", "linkat", "lseek", "lstat", "mkdir", "mkdirat", "newfstatat", "pipe", "pipe2",
    "pread64", "preadv", "preadv2", "pwrite64", "pwritev", "pwritev2", "read", "readlink", "readlinkat", "readv",
    "rename", "renameat", "renameat2", "rmdir", "sendfile", "stat", "statfs", "statx", "symlink", "symlinkat", "umask",
    "unlink", "unlinkat", "write", "writev",
)  # fmt: skip
_MEMORY = ("brk", "madvise", "membarrier", "mlock", "mprotect", "mremap", "msync", "munlock", "munmap")
_PROCESSES = (
    "arch_prctl", "execve", "exit", "exit_group", "fork", "futex", "getcpu", "getegid", "geteuid", "getgid",
    "getgroups", "getpgid", "getpgrp", "getpid", "getppid", "getpriority", "getresgid", "getresuid", "getrlimit",
    "getrusage", "getsid", "gettid", "getuid", "rseq", "sched_get_priority_max", "sched_get_priority_min",
    "sched_getaffinity", "sched_getparam", "sched_getscheduler", "sched_yield", "set_robust_list", "set_tid_address",
    "setpgid", "setrlimit", "sysinfo", "times", "uname", "vfork", "wait4", "waitid",
)  # fmt: skip
_SIGNALS_AND_TIME = (
    "alarm", "clock_getres", "clock_gettime", "clock_nanosleep", "getitimer", "gettimeofday", "nanosleep", "pause",
    "restart_syscall", "rt_sigaction", "rt_sigpending", "rt_sigprocmask", "rt_sigreturn", "rt_sigsuspend",
    "rt_sigtimedwait", "setitimer", "sigaltstack", "time", "timerfd_create", "timerfd_gettime", "timerfd_settime",
)  # fmt: skip
_WAITING_AND_SOCKETS = (
    "connect", "epoll_ctl", "epoll_pwait", "epoll_wait", "eventfd2", "getpeername", "getrandom",
    "getsockname", "getsockopt", "poll", "ppoll", "pselect6", "recvfrom", "recvmsg", "select", "shutdown",
)  # fmt: skip

ALLOWED = (*_FILES, *_MEMORY, *_PROCESSES, *_SIGNALS_AND_TIME, *_WAITING_AND_SOCKETS)
"""Allowed with any arguments. For calls allowed by argument see ``plugin_filter``."""

REFUSED = {
    # The C library or the language runtime falls back on this error.
    **dict.fromkeys(
        ("clone3", "inotify_init", "inotify_init1", "io_uring_setup", "openat2", "pidfd_open"), errno.ENOSYS
    ),
    # Same error as Landlock, which does not see the port that `listen` picks.
    "bind": errno.EACCES,
    "listen": errno.EACCES,
    # Same error as a file system without extended attributes, which Landlock does not cover.
    **dict.fromkeys(
        (
            "fgetxattr", "flistxattr", "fremovexattr", "fsetxattr", "getxattr", "lgetxattr", "listxattr", "llistxattr",
            "lremovexattr", "lsetxattr", "removexattr", "setxattr",
        ),
        errno.EOPNOTSUPP,
    ),
}  # fmt: skip
"""Calls that fail with another error than ``EPERM``."""

ATTRIBUTES = (
    "chmod", "chown", "fchmod", "fchmodat", "fchmodat2", "fchown", "fchownat", "futimesat", "lchown", "utime",
    "utimensat", "utimes",
)  # fmt: skip
"""Landlock does not restrict these: they work on every file of the process's user, including the server's."""

SIGNALS = ("kill", "tgkill", "tkill")

EPOLL = "epoll_create1"
"""Epoll watches are counted per user, and libuv aborts the server when they run out."""

_NEWEST = 448
"""Highest reviewed system-call number. Higher numbers fail as on a kernel without the call."""

_AF_INET, _AF_UNIX, _AF_INET6 = 2, 1, 10
_SOCK_STREAM, _SOCK_DGRAM, _KIND = 1, 2, 15
_TCP, _UDP = 6, 17
_TCP_ULP = 31
_MSG_FASTOPEN = 0x20000000
_NAMESPACES = 0x7E020000
_CLONE_PARENT = 0x8000
_O_TRUNC, _O_ACCMODE = 0o1000, 3
_MAP_SHARED, _MAP_ANONYMOUS, _MAP_GROWSDOWN = 1, 0x20, 0x100
_FIONREAD, _FIONBIO, _FIONCLEX, _FIOCLEX = 0x541B, 0x5421, 0x5450, 0x5451
_IOCTL = (_FIONREAD, _FIONBIO, _FIONCLEX, _FIOCLEX)
# Duplicates, flags, locks, pipe sizes and seals; not F_SETOWN (signal recipient), nor leases.
_FCNTL = (0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030, 1031, 1032, 1033, 1034)
# PR_GET_DUMPABLE, _SET_NAME, _GET_NAME, _GET_SECCOMP, _CAPBSET_READ, _SET_NO_NEW_PRIVS, _GET_NO_NEW_PRIVS, _SET_VMA
_PRCTL = (3, 15, 16, 21, 23, 38, 39, 0x53564D41)
_ALLOW: Body = [answer(ALLOW)]


def plugin_filter(
    machine: str | None = None,
    *,
    abi: int,
    direct: bool = False,
    asks: bool = False,
    own_user: bool = False,
    attributes: bool = False,
    epoll: bool = False,
    cgroup: bool = False,
    process_id: int = 0,
) -> bytes:
    """Build the filter for a plugin's process and its children.

    Args:
        machine: Architecture, by default this machine's.
        abi: Landlock version in force. The filter denies what an old version does not cover.
        direct: The plugin creates its own sockets, UDP included.
        asks: The server grants sockets on request; with ``direct``, it grants ``epoll``. With neither there are no
            sockets.
        own_user: The plugin's user owns none of the server's files.
        attributes: File modes, owners and times can be changed. Otherwise, if the user is the server's, such a change
            is a silent no-op, since programs that copy files fail on an error.
        epoll: ``epoll`` is allowed although the user is the server's. Otherwise, without ``asks``, event loops fall
            back to ``poll`` and ``select``, as on a kernel without it.
        cgroup: A control group counts and ends every child. Then memory outside of per-process limits is allowed, and
            so is leaving the session, which otherwise identifies the plugin's processes.
        process_id: The plugin's own.
    """
    # Argument-dependent calls first: the kernel caches the verdict for all others.
    made = {
        **_by_argument(),
        **_network(direct=direct, asks=asks),
        **_memory(uncounted=cgroup),
        "setsid": _ALLOW if cgroup else [answer(error(0))],
        **(_openings() if abi < 3 else dict.fromkeys(("openat", "open"), _ALLOW)),
        **dict.fromkeys(ALLOWED, _ALLOW),
        # Safe if the user has only this plugin's processes, or Landlock scopes signals.
        **(dict.fromkeys(SIGNALS, _ALLOW) if own_user or abi >= 6 else {"tgkill": [*only(0, (process_id,)), *_ALLOW]}),
        **({"sched_setaffinity": _ALLOW} if own_user else {}),
        EPOLL: _ALLOW if own_user or epoll else [answer(ASK if direct and asks else error(errno.ENOSYS))],
        **dict.fromkeys(ATTRIBUTES, _ALLOW if own_user or attributes else [answer(error(0))]),
        **{name: [answer(error(code))] for name, code in REFUSED.items()},
    }
    newer = [instruction(IF_AT_LEAST, _NEWEST + 1, 0, 1), answer(error(errno.ENOSYS))]
    return assemble(made, machine=machine, otherwise=newer, foreign=error(errno.ENOSYS))


def _by_argument() -> dict[str, Body]:
    return {
        "fcntl": [*only(1, _FCNTL, errno.EINVAL), *_ALLOW],
        "ioctl": [*only(1, _IOCTL, errno.ENOTTY), *_ALLOW],
        "clone": [*without(0, _NAMESPACES | _CLONE_PARENT), *_ALLOW],
        "prctl": [*only(0, _PRCTL, errno.EINVAL), *_ALLOW],
        "prlimit64": [*only(0, (0,)), *_ALLOW],
        # A pair of datagram sockets could send to other sockets.
        "socketpair": [*only(0, (_AF_UNIX,)), *only(1, (_SOCK_STREAM,), mask=_KIND), *_ALLOW],
    }


def _network(*, direct: bool, asks: bool) -> dict[str, Body]:
    # With MSG_FASTOPEN these connect without a Landlock check.
    at = {"sendto": 3, "sendmsg": 2, "sendmmsg": 3}
    sending = {name: [*without(flags, _MSG_FASTOPEN, errno.EOPNOTSUPP), *_ALLOW] for name, flags in at.items()}
    # Landlock may not cover a protocol layered on TCP.
    another = [load(1), instruction(IF_EQUAL, _TCP, 0, 3), load(2), instruction(IF_EQUAL, _TCP_ULP, 0, 1)]
    options = [*another, answer(error(errno.ENOPROTOOPT)), *_ALLOW]
    return {**({"socket": _socket(direct)} if direct or asks else {}), **sending, "setsockopt": options}


def _memory(*, uncounted: bool) -> dict[str, Body]:
    if uncounted:
        return dict.fromkeys(("mmap", "memfd_create"), _ALLOW)
    # MAP_SHARED without a file creates an unnamed file; MAP_GROWSDOWN creates a stack, which is limited only in growth.
    unnamed = [load(3), instruction(IF_ANY_BIT, _MAP_SHARED, 0, 2), instruction(IF_ANY_BIT, _MAP_ANONYMOUS, 0, 1)]
    mapping = [*unnamed, answer(error(errno.EPERM)), *without(3, _MAP_GROWSDOWN), *_ALLOW]
    return {"mmap": mapping, "memfd_create": [answer(error(errno.ENOSYS))]}


def _openings() -> dict[str, Body]:
    """Deny truncating a file that is not opened for writing, which Landlock before version 3 permits."""
    emptying = [
        instruction(IF_ANY_BIT, _O_TRUNC, 0, 4),
        instruction(MASK, _O_ACCMODE),
        instruction(IF_EQUAL, 1, 2, 0),
        instruction(IF_EQUAL, 2, 1, 0),
        answer(error(errno.EACCES)),
    ]
    return {name: [load(flags), *emptying, *_ALLOW] for name, flags in (("openat", 2), ("open", 1))}


def _socket(direct: bool) -> Body:
    families = (_AF_INET, _AF_INET6) if direct else (_AF_INET,)
    kinds = (_SOCK_STREAM, _SOCK_DGRAM) if direct else (_SOCK_STREAM,)
    protocols = (0, _TCP, _UDP) if direct else (0, _TCP)
    return [
        *only(0, families, errno.EAFNOSUPPORT),
        *only(1, kinds, mask=_KIND),
        *only(2, protocols, errno.EPROTONOSUPPORT),
        answer(ALLOW if direct else ASK),
    ]
