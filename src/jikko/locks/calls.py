"""System call wrappers for locking a process down. Each does what it says, or raises.

They use the standard library alone: they run in processes that must start fast and stay small.
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

# Looked up once: in a child of the fork server every object touched copies a page.
_NUMBERS = numbers()


class LockFailed(Exception):
    """A lock failed. The message says which, why, and what to do."""


class _FilterProgram(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def system_call(name: str, *arguments: int | bytes | None) -> int:
    """Issue a system call. Returns the kernel's answer, never negative.

    Raises:
        OSError: The kernel returned an error.
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
    """Set an attribute of this process. Raises ``LockFailed`` if refused."""
    try:
        system_call("prctl", option, value, 0, 0, 0)
    except OSError as error:
        raise LockFailed(f"{what} cannot be set ({error.strerror})") from error


def drop_capabilities(*, but: int = 0) -> None:
    """Drop all capabilities, including those granted to a plain user. ``but``: Bit mask of those to keep."""
    header = struct.pack("Ii", _CAPABILITY_VERSION_3, 0)
    try:
        system_call("capset", header, struct.pack("IIIIII", but, but, but, 0, 0, 0))
    except OSError as error:
        raise LockFailed(f"capabilities cannot be given up ({error.strerror})") from error


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends. Must follow any change of user, which resets it.
    ``parent``: The parent's expected process id. Raises ``LockFailed``: refused, or the parent is already gone."""
    prctl(_PR_SET_PDEATHSIG, _SIGKILL, what="the death signal")
    if os.getppid() != parent:
        raise LockFailed("the parent process is gone")


def forbid_new_privileges() -> None:
    """Keep later ``execve`` calls from gaining privileges. A plain user can install filters only then."""
    prctl(_PR_SET_NO_NEW_PRIVS, 1, what="no_new_privs")


def landlock_abi() -> int:
    """Return the kernel's Landlock version; 0 if there is none or it is disabled."""
    try:
        return system_call("landlock_create_ruleset", None, 0, 1)
    except (OSError, KeyError):
        return 0


def install_filter(program: bytes, *, asks: bool = False) -> int:
    """Install a seccomp filter on this process and its descendants, permanently. ``asks``: Whether some answer is
    ``ASK``. Returns the descriptor of its notifications if it asks, else 0."""
    buffer = ctypes.create_string_buffer(program, len(program))
    described = _FilterProgram(len(program) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    try:
        if asks:
            # Once a notification is read, only a fatal signal interrupts the call. Linux before 5.19 lacks this.
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


def prefer_for_oom_kill() -> None:
    """Make the OOM killer prefer this process and its descendants to the server. Best effort."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("500")
