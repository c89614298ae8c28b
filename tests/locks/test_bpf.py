import errno

import pytest

from jikko.locks.bpf import ALLOW, KILL, X32_BIT, answer, assemble, error, only, without
from jikko.locks.numbers import MACHINES, numbers
from tests.locks import interpreter
from tests.locks.interpreter import outcome


@pytest.mark.parametrize("machine", MACHINES)
def test_a_call_without_a_body_is_an_error(machine: str) -> None:
    program = assemble({"read": [answer(ALLOW)]}, machine=machine)
    assert outcome(program, "read", machine=machine) == "allowed"
    assert outcome(program, "write", machine=machine) == errno.EPERM


@pytest.mark.parametrize("machine", MACHINES)
def test_a_body_of_a_call_that_the_machine_lacks_is_left_out(machine: str) -> None:
    program = assemble({"open": [answer(ALLOW)], "read": [answer(error(errno.EIO))]}, machine=machine)
    assert outcome(program, "read", machine=machine) == errno.EIO
    assert {
        name
        for name, number in numbers(machine).items()
        if interpreter.answer(program, number, machine=machine) == ALLOW
    } == ({"open"} if machine == "x86_64" else set())


@pytest.mark.parametrize("foreign", [KILL, error(errno.ENOSYS)])
def test_calls_of_another_table_are_answered_first(foreign: int) -> None:
    program = assemble({"getpid": [answer(ALLOW)]}, machine="x86_64", foreign=foreign)
    assert interpreter.answer(program, numbers("aarch64")["getpid"], machine="aarch64") == foreign
    assert interpreter.answer(program, X32_BIT | numbers("x86_64")["getpid"], machine="x86_64") == foreign


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((2, 0x401, 7), "allowed"),
        ((10, 1, 0), "allowed"),
        ((1, 1, 0), errno.EAFNOSUPPORT),
        ((2, 3, 0), errno.EPERM),
        ((2, 0, 0), errno.EPERM),
        ((2, 1, 8), errno.EBADF),
        ((2, 1, 0x108), errno.EBADF),
        ((2 | 1 << 32, 1, 7), "allowed"),
    ],
)
def test_arguments_are_checked_one_after_the_other(arguments: tuple[int, ...], expected: object) -> None:
    body = [*only(0, (2, 10), errno.EAFNOSUPPORT), *only(1, (1, 2), mask=15), *without(2, 0x108, errno.EBADF)]
    program = assemble({"socket": [*body, answer(ALLOW)]}, machine="x86_64")
    assert outcome(program, "socket", arguments, machine="x86_64") == expected
