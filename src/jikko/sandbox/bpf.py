"""The seccomp filters, assembled by hand: no C library is needed to build or load them."""

import errno
import platform
import struct
from collections.abc import Mapping, Sequence

from jikko.sandbox import syscalls

ALLOW = 0x7FFF0000
KILL = 0x80000000
ARCH_OF = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
X32_BIT = 0x40000000

F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC = 0, 1, 2, 3, 4, 1030
FIONBIO, FIONCLEX, FIOCLEX = 0x5421, 0x5450, 0x5451
PROT_EXEC = 4
MAP_SHARED = 1

# Instructions: load a word of ``struct seccomp_data``; jump if equal, greater or equal, any bit set; return.
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _IF_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_AT_NUMBER, _AT_ARCH, _AT_ARGUMENTS = 0, 4, 16


def child_filter(machine: str | None = None) -> bytes:
    """The filter that a child runs user code under: the boundary of the sandbox."""
    machine = machine or platform.machine()
    return _assemble(
        machine,
        allowed=syscalls.CHILD_ALLOWED,
        refused=syscalls.CHILD_REFUSED,
        by_argument={
            **_nothing_executable(),
            # Nor is any shared, which no limit of data counts: the memory that a program may have would grow by the
            # size of the libraries that it unmaps.
            "mmap": [*_none_of_bit(2, PROT_EXEC), *_none_of_bit(3, MAP_SHARED), _instruction(_RETURN, ALLOW)],
            "fcntl": _one_of(1, (F_GETFD, F_GETFL)),
        },
    )


def server_filter(machine: str | None = None) -> bytes:
    """The filter of the fork server. Children put theirs on top of it."""
    machine = machine or platform.machine()
    return _assemble(
        machine,
        allowed=syscalls.SERVER_ALLOWED,
        refused=syscalls.SERVER_REFUSED,
        by_argument={
            **_nothing_executable(),
            "fcntl": _one_of(1, (F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC)),
            "ioctl": _one_of(1, (FIONBIO, FIONCLEX, FIOCLEX)),
        },
    )


def _assemble(
    machine: str, *, allowed: Sequence[str], refused: Mapping[str, int], by_argument: Mapping[str, Sequence[bytes]]
) -> bytes:
    program = [
        _instruction(_LOAD, _AT_ARCH),
        # Another architecture has other numbers (int 0x80 on x86): never legitimate, so the process dies.
        _instruction(_IF_EQUAL, ARCH_OF[machine], 1, 0),
        _instruction(_RETURN, KILL),
        _instruction(_LOAD, _AT_NUMBER),
    ]
    if machine == "x86_64":
        program += [_instruction(_IF_AT_LEAST, X32_BIT, 0, 1), _instruction(_RETURN, KILL)]
    bodies: list[tuple[str, Sequence[bytes]]] = [
        *((name, [_instruction(_RETURN, ALLOW)]) for name in allowed),
        *((name, [_instruction(_RETURN, _error(code))]) for name, code in refused.items()),
        *by_argument.items(),
    ]
    numbers = syscalls.numbers(machine)
    for name, body in bodies:
        number = numbers.get(name)
        if number is not None:
            program += [_instruction(_IF_EQUAL, number, 0, len(body)), *body]
    # An error and not a kill by default: a call that a new C library tries first must not end honest runs.
    program.append(_instruction(_RETURN, _error(errno.EPERM)))
    return b"".join(program)


def _nothing_executable() -> dict[str, list[bytes]]:
    """No memory that can be executed is mapped."""
    return {name: _without_bit(2, PROT_EXEC) for name in ("mmap", "mprotect")}


def _without_bit(argument: int, bit: int) -> list[bytes]:
    return [*_none_of_bit(argument, bit), _instruction(_RETURN, ALLOW)]


def _none_of_bit(argument: int, bit: int) -> list[bytes]:
    """Refuse a call whose argument has the bit, and go on with any other."""
    return [
        _instruction(_LOAD, _AT_ARGUMENTS + 8 * argument),
        _instruction(_IF_ANY_BIT, bit, 0, 1),
        _instruction(_RETURN, _error(errno.EPERM)),
    ]


def _one_of(argument: int, values: Sequence[int]) -> list[bytes]:
    body = [_instruction(_LOAD, _AT_ARGUMENTS + 8 * argument)]
    for value in values:
        body += [_instruction(_IF_EQUAL, value, 0, 1), _instruction(_RETURN, ALLOW)]
    return [*body, _instruction(_RETURN, _error(errno.EPERM))]


def _error(code: int) -> int:
    return 0x00050000 | code


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)
