"""Assembler of seccomp filters, which needs no C library to build or load them.

A filter is a list of bodies, one for each system call with an answer of its own. A body is a list of instructions,
executed in order; the helpers below check one argument each, and fall through if it is acceptable. Only the lower 32
bits of an argument are checked, which is all that the kernel uses of the ones checked here.
"""

import errno
import os
import struct
from collections.abc import Mapping, Sequence

from jikko.locks.numbers import numbers

ALLOW = 0x7FFF0000
KILL = 0x80000000
ASK = 0x7FC00000
"""Ask the process that has the filter's notification descriptor."""
ARCH_OF = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
X32_BIT = 0x40000000

# Opcodes: load a word of ``struct seccomp_data``; mask it; jump if equal, greater or equal, or any bit is set; return.
LOAD, MASK, IF_EQUAL, IF_AT_LEAST, IF_ANY_BIT, RETURN = 0x20, 0x54, 0x15, 0x35, 0x45, 0x06
_AT_NUMBER, _AT_ARCH, _AT_ARGUMENTS = 0, 4, 16

Body = Sequence[bytes]


def assemble(
    bodies: Mapping[str, Body], *, machine: str | None = None, otherwise: Body = (), foreign: int = KILL
) -> bytes:
    """Assemble a filter.

    Args:
        bodies: By names of system calls; those that the machine lacks are left out. Earlier ones are matched sooner.
        machine: By default the one that this runs on.
        otherwise: Body for all other calls, with the call's number loaded. By default, and where it falls through, the
            call fails with ``EPERM``: an error instead of a kill, since a call that a new C library tries first must
            not end honest programs.
        foreign: Answer to calls of another architecture (``int 0x80`` on x86) or of x32, whose numbers have other
            meanings.
    """
    machine = machine or os.uname().machine
    known = numbers(machine)
    program = [
        instruction(LOAD, _AT_ARCH),
        instruction(IF_EQUAL, ARCH_OF[machine], 1, 0),
        answer(foreign),
        instruction(LOAD, _AT_NUMBER),
    ]
    if machine == "x86_64":
        program += [instruction(IF_AT_LEAST, X32_BIT, 0, 1), answer(foreign)]
    for name, body in bodies.items():
        number = known.get(name)
        if number is not None:
            program += [instruction(IF_EQUAL, number, 0, len(body)), *body]
    return b"".join([*program, *otherwise, answer(error(errno.EPERM))])


def error(code: int) -> int:
    """Return the answer that makes a call fail; with 0 the call returns 0 without effect."""
    return 0x00050000 | code


def answer(value: int) -> bytes:
    """Return from the filter with an answer."""
    return instruction(RETURN, value)


def load(argument: int) -> bytes:
    """Load an argument, 0 to 5."""
    return instruction(LOAD, _AT_ARGUMENTS + 8 * argument)


def without(argument: int, bits: int, code: int = errno.EPERM) -> list[bytes]:
    """Refuse a call whose argument has any of the bits."""
    return [load(argument), instruction(IF_ANY_BIT, bits, 0, 1), answer(error(code))]


def only(argument: int, values: Sequence[int], code: int = errno.EPERM, *, mask: int | None = None) -> list[bytes]:
    """Refuse a call whose argument, after masking, is not one of the values."""
    masked = [] if mask is None else [instruction(MASK, mask)]
    found = [
        instruction(IF_EQUAL, value, left, 0) for left, value in zip(range(len(values), 0, -1), values, strict=True)
    ]
    return [load(argument), *masked, *found, answer(error(code))]


def instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """Encode one instruction; jumps are relative, in instructions."""
    return struct.pack("HBBI", code, if_true, if_false, value)
