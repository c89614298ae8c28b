"""The folder of the site of the documentation: replaced only if it has a site."""

import subprocess
import sys
from pathlib import Path

import pytest


def main(folder: Path) -> int:
    from scripts.site import main  # Sphinx is not in every process that collects these tests

    return main(folder)


@pytest.mark.parametrize(("option", "code"), [("--help", 0), ("--hlep", 2)])
def test_an_option_is_not_taken_for_a_folder(option: str, code: int) -> None:
    root = Path(__file__).parents[1]
    ended = subprocess.run([sys.executable, "-m", "scripts.site", option], cwd=root, capture_output=True, check=False)
    assert (ended.returncode, (root / option).exists()) == (code, False)
    assert b"[folder]" in ended.stdout + ended.stderr


@pytest.mark.parametrize("name", ["docs", "docs/設定.md"])
def test_a_folder_that_has_no_site_is_refused_and_stays_as_it_is(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "docs" / "設定.md"
    page.parent.mkdir()
    page.write_text("🙂", encoding="utf-8")
    assert main(tmp_path / name) == 1
    assert page.read_text("utf-8") == "🙂"
    assert str(tmp_path / name) in capsys.readouterr().err
