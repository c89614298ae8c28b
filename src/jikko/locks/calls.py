"""Locks that a process puts on itself, whatever it is: each does what it says or raises.

It imports nothing but the standard library: it runs in processes that are to start at once and hold little.
"""

import contextlib
import ctypes
import os
import struct

from jikko.locks.numbers import numbers

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_SET_FILTER, _LISTENER, _KILLABLE = 1, 8, 32
_CAPABILITY_VERSION_3 = 0x20080522
_SIGKILL = 9

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long

# Looked up once: in a child of the fork server every object touched is a page copied.
_NUMBERS = numbers()


class LockFailed(Exception):
    """A lock could not be put on. The message says which, why, and what to do about it."""


class _FilterProgram(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def system_call(name: str, *arguments: int | bytes | None) -> int:
    """Issue a system call as it is. Returns what the kernel answered; never negative.

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


def prctl(option: int, value: int, *, what: str) -> None:
    """Set an attribute of this process. Raises ``LockFailed``: refused."""
    try:
        system_call("prctl", option, value, 0, 0, 0)
    except OSError as error:
        raise LockFailed(f"{what} cannot be set ({error.strerror})") from error


def drop_capabilities(*, but: int = 0) -> None:
    """Give up every capability, also those that a plain user may have been granted.
    ``but``: those to keep, a bit for each."""
    header = struct.pack("Ii", _CAPABILITY_VERSION_3, 0)
    try:
        system_call("capset", header, struct.pack("IIIIII", but, but, but, 0, 0, 0))
    except OSError as error:
        raise LockFailed(f"capabilities cannot be given up ({error.strerror})") from error


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends. Must follow any change of user, which undoes it.
    ``parent``: the process id that the parent must have now.
    Raises ``LockFailed``: refused, or the parent is gone already."""
    prctl(_PR_SET_PDEATHSIG, _SIGKILL, what="the death signal")
    if os.getppid() != parent:
        raise LockFailed("the parent process is gone")


def forbid_new_privileges() -> None:
    """Keep any later ``execve`` from gaining rights. Without it no filter can be installed by a plain user."""
    prctl(_PR_SET_NO_NEW_PRIVS, 1, what="no_new_privs")


def landlock_abi() -> int:
    """Which version of Landlock the kernel has; 0 where it has none, or where it is switched off."""
    try:
        return system_call("landlock_create_ruleset", None, 0, 1)
    except (OSError, KeyError):
        return 0


def install_filter(program: bytes, *, asks: bool = False) -> int:
    """Put a seccomp filter on this process and whatever it will start, for good. ``asks``: whether the answer to some
    call is ``ASK``. Returns the descriptor of its notifications if it asks, else 0."""
    buffer = ctypes.create_string_buffer(program, len(program))
    described = _FilterProgram(len(program) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    try:
        if asks:
            # Once a call is looked at, only a fatal signal interrupts it. Linux before 5.19 cannot have it so.
            with contextlib.suppress(OSError):
                return system_call("seccomp", _SET_FILTER, _LISTENER | _KILLABLE, ctypes.addressof(described))
        return system_call("seccomp", _SET_FILTER, _LISTENER if asks else 0, ctypes.addressof(described))
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


def offer_to_the_oom_killer() -> None:
    """Where memory runs out, end this process, and what it starts, before the server. A courtesy: may do nothing."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("500")
