import pytest

from jikko.locks.numbers import MACHINES, numbers


@pytest.mark.parametrize("machine", MACHINES)
def test_the_numbers_of_a_machine_are_distinct(machine: str) -> None:
    known = numbers(machine)
    assert len(set(known.values())) == len(known)


def test_a_machine_without_a_table_has_no_numbers() -> None:
    assert numbers("riscv64") == {}


def test_newer_calls_have_the_same_number_everywhere() -> None:
    """Since Linux 5.1 all machines have one table."""
    x86, arm = map(numbers, MACHINES)
    assert {
        name: row for name in x86 | arm if max(row := (x86.get(name, 0), arm.get(name, 0))) >= 424 and row[0] != row[1]
    } == {}
