"""System call numbers, and which of them a fork server and its children may use.

The filters are allow-lists: what is not named fails with EPERM. Paths fail with ENOENT instead, so that an import of
what is not there is a ``ModuleNotFoundError``.

Source: the kernel's ``arch/x86/entry/syscalls/syscall_64.tbl`` and ``include/uapi/asm-generic/unistd.h``.
"""

import errno
import platform
from collections.abc import Mapping

NUMBERS: dict[str, tuple[int | None, int | None]] = {
    # name: (x86_64, aarch64); None where the machine has no such call
    "access": (21, None),
    "brk": (12, 214),
    "capset": (126, 91),
    "chdir": (80, 49),
    "clock_getres": (229, 114),
    "clock_gettime": (228, 113),
    "clock_nanosleep": (230, 115),
    "clone": (56, 220),
    "clone3": (435, 435),
    "close": (3, 57),
    "close_range": (436, 436),
    "dup": (32, 23),
    "dup2": (33, None),
    "dup3": (292, 24),
    "execve": (59, 221),
    "execveat": (322, 281),
    "exit": (60, 93),
    "exit_group": (231, 94),
    "faccessat": (269, 48),
    "faccessat2": (439, 439),
    "fcntl": (72, 25),
    "fork": (57, None),
    "fstat": (5, 80),
    "futex": (202, 98),
    "getcwd": (79, 17),
    "getdents64": (217, 61),
    "getegid": (108, 177),
    "geteuid": (107, 175),
    "getgid": (104, 176),
    "getpid": (39, 172),
    "getppid": (110, 173),
    "getrandom": (318, 278),
    "getrlimit": (97, 163),
    "getrusage": (98, 165),
    "gettid": (186, 178),
    "gettimeofday": (96, 169),
    "getuid": (102, 174),
    "io_uring_setup": (425, 425),
    "ioctl": (16, 29),
    "kill": (62, 129),
    "landlock_create_ruleset": (444, 444),
    "landlock_restrict_self": (446, 446),
    "lseek": (8, 62),
    "lstat": (6, None),
    "madvise": (28, 233),
    "membarrier": (324, 283),
    "memfd_create": (319, 279),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "mremap": (25, 216),
    "munmap": (11, 215),
    "nanosleep": (35, 101),
    "newfstatat": (262, 79),
    "open": (2, None),
    "openat": (257, 56),
    "openat2": (437, 437),
    "pipe2": (293, 59),
    "poll": (7, None),
    "ppoll": (271, 73),
    "pread64": (17, 67),
    "prctl": (157, 167),
    "prlimit64": (302, 261),
    "process_vm_readv": (310, 270),
    "pselect6": (270, 72),
    "ptrace": (101, 117),
    "read": (0, 63),
    "readlink": (89, None),
    "readlinkat": (267, 78),
    "readv": (19, 65),
    "recvfrom": (45, 207),
    "recvmsg": (47, 212),
    "rseq": (334, 293),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sched_getaffinity": (204, 123),
    "sched_setattr": (314, 274),
    "sched_yield": (24, 124),
    "seccomp": (317, 277),
    "select": (23, None),
    "sendmsg": (46, 211),
    "sendto": (44, 206),
    "set_robust_list": (273, 99),
    "setpriority": (141, 140),
    "setrlimit": (160, 164),
    "shutdown": (48, 210),
    "sigaltstack": (131, 132),
    "socket": (41, 198),
    "socketpair": (53, 199),
    "stat": (4, None),
    "statx": (332, 291),
    "time": (201, None),
    "times": (100, 153),
    "uname": (63, 160),
    "unshare": (272, 97),
    "vfork": (58, None),
    "wait4": (61, 260),
    "waitid": (247, 95),
    "write": (1, 64),
    "writev": (20, 66),
}

MACHINES = ("x86_64", "aarch64")
"""The machines that there is a table for, as ``uname -m`` names them."""

CHILD_ALLOWED = (
    "read", "write", "readv", "writev", "close", "fstat", "lseek", "munmap", "mremap", "madvise", "brk",
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "sched_yield", "sched_getaffinity",
    "nanosleep", "clock_gettime", "clock_getres", "clock_nanosleep", "gettimeofday", "time", "times", "getrusage",
    "getrandom", "futex", "poll", "ppoll", "select", "pselect6", "membarrier", "rseq", "set_robust_list",
    "getpid", "gettid", "getppid", "getuid", "getgid", "geteuid", "getegid", "uname", "exit", "exit_group",
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


def numbers(machine: str | None = None) -> dict[str, int]:
    """The numbers of the calls in the table, without those that the machine lacks.

    Args:
        machine: By default the one that this runs on. One that is not in ``MACHINES`` has no numbers.
    """
    machine = machine or platform.machine()
    if machine not in MACHINES:
        return {}
    column = MACHINES.index(machine)
    return {name: number for name, row in NUMBERS.items() if (number := row[column]) is not None}
