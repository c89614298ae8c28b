"""The locks that the fork server and its children put on themselves, one function each.

Every function either does what it says or raises ``LockFailed``: nothing here fails open.
"""

import contextlib
import ctypes
import os
import platform
import resource
import struct
import tempfile
from collections.abc import Mapping

from jikko.sandbox import syscalls

NOBODY = 65534

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_SECCOMP_SET_MODE_FILTER = 1
_CAPABILITY_VERSION_3 = 0x20080522
_SIGKILL = 9
_NORMAL_POLICY = 0
_LONG_SLICE = 10_000_000
"""Nanoseconds; usual are 0.7 to 3 ms, by the number of cores."""

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long

# Looked up once: in a child every object touched is a page copied.
_NUMBERS = syscalls.numbers()


class LockFailed(Exception):
    """A lock could not be put on. The message says which, why, and what to do about it."""


class _FilterProgram(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def system_call(name: str, *arguments: int | bytes | None) -> int:
    """Issue a system call as it is.

    Returns:
        What the kernel answered; never negative.

    Raises:
        OSError: The kernel answered with an error.
        KeyError: This machine has no such call.
    """
    return raw_system_call(_NUMBERS[name], *arguments)


def raw_system_call(number: int, *arguments: int | bytes | None) -> int:
    """Issue a system call by its number. Returns and raises as ``system_call`` does."""
    converted = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    result: int = _libc.syscall(ctypes.c_long(number), *converted)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def let_others_first(process_id: int, niceness: int) -> None:
    """Have a process of this user take less of a processor than others, and not keep anybody waiting who wakes up.

    Who wakes up interrupts a process whose slices are longer than his own; one with slices of the same length works on
    until the next tick of the clock, 4 ms by rule, however nice it is. Its share of the processor stays the same.
    Kernels before 6.12 have one length of slices for all.

    Raises:
        ProcessLookupError: It has ended.
    """
    os.setpriority(os.PRIO_PROCESS, process_id, niceness)
    # struct sched_attr: size, policy, flags, niceness, priority, runtime, deadline, period.
    attributes = struct.pack("=IIQiIQQQ", 48, _NORMAL_POLICY, 0, niceness, 0, _LONG_SLICE, 0, 0)
    # Only a courtesy, which not every kernel or container allows.
    with contextlib.suppress(OSError):
        system_call("sched_setattr", process_id, attributes, 0)


def become_nobody() -> None:
    """Give up root: move into an empty directory, and become a user and group that own nothing.

    Raises:
        LockFailed: The process is root but may not do so.
    """
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
    # Removed while inside: nothing can ever be created in it again, by anyone.
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


def drop_capabilities() -> None:
    """Give up every capability, also those that a plain user may have been granted."""
    header = struct.pack("Ii", _CAPABILITY_VERSION_3, 0)
    try:
        system_call("capset", header, bytes(24))
    except OSError as error:
        raise LockFailed(f"capabilities cannot be given up ({error.strerror})") from error


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends. Must follow any change of user, which undoes it.

    Args:
        parent: The process id that the parent must have now.

    Raises:
        LockFailed: Refused, or the parent is gone already.
    """
    _prctl(_PR_SET_PDEATHSIG, _SIGKILL, what="the death signal")
    if os.getppid() != parent:
        raise LockFailed("the parent process is gone")


def forbid_dumps() -> None:
    """Keep other processes of the same user from reading this one, and the kernel from dumping it."""
    _prctl(_PR_SET_DUMPABLE, 0, what="PR_SET_DUMPABLE")


def forbid_new_privileges() -> None:
    """Keep any later ``execve`` from gaining rights. Without it no filter can be installed by a plain user."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1, what="no_new_privs")


def landlock_abi() -> int:
    """Which version of Landlock the kernel has; 0 where it has none, or where it is switched off."""
    try:
        return system_call("landlock_create_ruleset", None, 0, 1)
    except OSError:
        return 0


def landlock_everything(abi: int) -> None:
    """Deny every right that Landlock can deny: all files, TCP, and signals and sockets out of the sandbox.

    Args:
        abi: What ``landlock_abi`` answered, at least 1.
    """
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


def install_filter(program: bytes) -> None:
    """Put a seccomp filter on this process and whatever it will fork, for good."""
    buffer = ctypes.create_string_buffer(program, len(program))
    described = _FilterProgram(len(program) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    try:
        system_call("seccomp", _SECCOMP_SET_MODE_FILTER, 0, ctypes.addressof(described))
    except OSError as error:
        raise LockFailed(
            f"seccomp refused the filter ({error.strerror}); it takes a kernel built with CONFIG_SECCOMP_FILTER, "
            "and a container runtime that lets seccomp(2) through"
        ) from error


def close_from(lowest: int) -> None:
    """Close every file descriptor from ``lowest`` up."""
    try:
        system_call("close_range", lowest, 0xFFFFFFFF, 0)
    except OSError as error:
        raise LockFailed(f"close_range failed ({error.strerror}); it takes Linux 5.9 or newer") from error


def set_limits(limits: Mapping[int, int]) -> None:
    """Set resource limits, soft and hard alike.

    Args:
        limits: ``resource.RLIMIT_*`` to its value, in the unit of that limit.
    """
    for kind, value in limits.items():
        try:
            resource.setrlimit(kind, (value, value))
        except (OSError, ValueError, OverflowError) as error:
            raise LockFailed(f"resource limit {kind} cannot be set to {value} ({error})") from error


def require_one_thread() -> None:
    """Refuse to go on if this process has more than one thread: forking it would not be safe."""
    threads = len(os.listdir("/proc/self/task"))
    if threads != 1:
        raise LockFailed(f"the fork server has {threads} threads, and must have one: a module it imports started one")


def require_known_machine() -> None:
    """Refuse to go on where there is no table of system call numbers."""
    machine = platform.machine()
    if machine not in syscalls.MACHINES:
        raise LockFailed(f"there is no system call table for {machine}; supported are {', '.join(syscalls.MACHINES)}")


def _prctl(option: int, value: int, *, what: str) -> None:
    try:
        system_call("prctl", option, value, 0, 0, 0)
    except OSError as error:
        raise LockFailed(f"{what} cannot be set ({error.strerror})") from error
