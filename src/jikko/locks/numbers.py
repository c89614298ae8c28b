"""System call numbers, by machine: ``numbers.txt``."""

import os

MACHINES = ("x86_64", "aarch64")
"""Machines with a table, as named by ``uname -m``."""
# Read with the import: behind the lock, nothing could be.
with open(f"{os.path.dirname(__file__)}/numbers.txt", encoding="ascii") as _file:
    _TABLE = {name: row for name, *row in map(str.split, _file) if name != "#"}
"""By the name of a call a number for each of ``MACHINES``; ``-``: the machine lacks it."""


def numbers(machine: str | None = None) -> dict[str, int]:
    """Return the call numbers of a machine, without missing calls. ``machine``: By default the one that this runs on.
    Unknown machines have none."""
    machine = machine or os.uname().machine
    if machine not in MACHINES:
        return {}
    column = MACHINES.index(machine)
    return {name: int(row[column]) for name, row in _TABLE.items() if row[column] != "-"}
