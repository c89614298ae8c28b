"""Interpreter of seccomp filters, equivalent to the kernel's, for machines that the tests do not run on."""

import struct
from collections.abc import Sequence

from jikko.locks.bpf import ALLOW, ARCH_OF, ASK, IF_ANY_BIT, IF_AT_LEAST, IF_EQUAL, KILL, LOAD, MASK, RETURN
from jikko.locks.numbers import numbers


def answer(program: bytes, number: int, arguments: Sequence[int] = (), *, machine: str) -> int:
    """Return a filter's verdict on a call."""
    words = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("=iIQ6Q", number, ARCH_OF[machine], 0, *(word & 0xFFFFFFFFFFFFFFFF for word in words))
    instructions = list(struct.iter_unpack("HBBI", program))
    at, value = 0, 0
    while True:
        code, if_true, if_false, operand = instructions[at]
        at += 1
        match code:
            case _ if code == LOAD:
                (value,) = struct.unpack_from("=I", data, operand)
            case _ if code == MASK:
                value &= operand
            case _ if code == RETURN:
                return int(operand)
            case _:
                holds = {IF_EQUAL: value == operand, IF_AT_LEAST: value >= operand, IF_ANY_BIT: value & operand}[code]
                at += if_true if holds else if_false


def outcome(program: bytes, name: str, arguments: Sequence[int] = (), *, machine: str) -> int | str:
    """Return ``"allowed"``, ``"asked"``, ``"killed"`` or the error number."""
    found = answer(program, numbers(machine)[name], arguments, machine=machine)
    return {ALLOW: "allowed", ASK: "asked", KILL: "killed"}.get(found, found & 0xFFFF)
