"""The table of faults, and that each has its test and its row."""

import re
from pathlib import Path

from tests.faults.table import FAULTS

HERE = Path(__file__).parent


def test_each_fault_has_one_test() -> None:
    texts = "".join(file.read_text(encoding="utf-8") for file in sorted(HERE.glob("test_*.py")))
    assert sorted(map(int, re.findall(r"^@pytest\.mark\.fault\((\d+)\)$", texts, re.MULTILINE))) == sorted(FAULTS)
