"""Table of a small app's delays by heavy work: complete, with the test that bounds each."""

import re
from pathlib import Path

from benchmarks.heavy_work import WORKS

ROOT = Path(__file__).parents[1]
ROWS = re.findall(
    r"^\| ([^|]+?) \|[^|]*\|[^|]*\|[^|]*\|[^|]*\| ([^|]+) \| ([^|]+) \|$",
    (ROOT / "docs" / "performance.md").read_text(encoding="utf-8").partition("| beside |")[2].partition("\n## ")[0],
    re.MULTILINE,
)


def test_every_kind_of_work_has_a_row() -> None:
    assert sorted(kind for kind, _, _ in ROWS if kind != "---") == sorted(WORKS)


def test_every_test_and_every_setting_that_is_named_exists() -> None:
    settings = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    for _, bound, counted in ROWS:
        for path in re.findall(r"`(tests/[^`]+)`", counted):
            assert (ROOT / path).is_file(), path
        for name in re.findall(r"`(JIKKO_\w+)`", bound):
            assert f"`{name}`" in settings, name
