"""The table of faults, and that each has its test and its row."""

import re
from pathlib import Path

from tests.faults.table import BEGIN, END, FAULTS, PAGE

HERE = Path(__file__).parent


def test_each_fault_has_one_test() -> None:
    texts = "".join(file.read_text(encoding="utf-8") for file in sorted(HERE.glob("test_*.py")))
    assert sorted(map(int, re.findall(r"^@pytest\.mark\.fault\((\d+)\)$", texts, re.MULTILINE))) == sorted(FAULTS)


def test_the_page_has_a_row_of_each() -> None:
    _, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    table, _, _ = rest.partition(END)
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if line.startswith("| ")]
    documented = {int(cells[0]): cells for cells in rows if cells[0].isdigit()}
    assert {number: (cells[1], cells[2]) for number, cells in documented.items()} == {
        number: (fault.what, fault.wanted) for number, fault in FAULTS.items()
    }
    assert [number for number, cells in documented.items() if "failed" in cells[-1] or not cells[-1]] == []
