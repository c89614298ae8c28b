"""The table of faults, and that each has its test and its row."""

import re
from pathlib import Path

import pytest

from tests.faults import table
from tests.faults.table import BEGIN, END, FAULTS, PAGE, Seen

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


def test_a_row_is_made_of_what_was_seen_and_those_that_were_not_tried_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "KEPT", tmp_path)
    last = max(FAULTS)
    monkeypatch.setenv("TEST_FAULTS", f"2, {last}")
    table.keep(last, Seen(1234, 0, 5, 2.34, "as wanted"))
    before = table.documented(PAGE.read_text(encoding="utf-8"))

    found = table.rows(table.chosen(), before, tmp_path)

    assert [line for number, line in before.items() if number not in (2, last)] == [
        line for line in found[2:] if not line.startswith(("| 2 |", f"| {last} |"))
    ]
    assert found[-1] == f"| {last} | {FAULTS[last].what} | {FAULTS[last].wanted} | 2.3 s | 1,234 | 0 | 5 | as wanted |"
    assert found[3].endswith("| **failed** |")


def test_all_are_tried_unless_some_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEST_FAULTS", raising=False)
    assert table.chosen() == set(FAULTS)
