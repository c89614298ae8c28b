"""Files that runs make, on the command line."""

import json
from pathlib import Path

import pytest

from tests.acceptance.processes import Command
from tests.acceptance.workflows import app, end, node, start


@pytest.fixture
def maker(tmp_path: Path) -> Path:
    """A workflow that returns one file, and makes another that it does not return."""
    code = 'def main():\n    return {"report": {"filename": "売上 📈.csv", "content": "a,b"}, "more": b"%PDF-1.4 x"}\n'
    made = node(
        "c",
        "code",
        code=code,
        code_language="python3",
        variables=[],
        outputs={"report": {"type": "file"}, "more": {"type": "file"}},
    )
    file = tmp_path / "maker.yml"
    file.write_text(app("Maker", [start(), made, end(report="c.report")], "start>c c>end"), encoding="utf-8")
    return file


def test_files_of_a_run_are_saved_and_its_outputs_name_their_paths(jikko: Command, maker: Path, tmp_path: Path) -> None:
    ended = jikko("run", maker, "--save-files", tmp_path / "out")

    report = json.loads(ended.out)["report"]
    assert report["path"] == str(tmp_path / "out/売上 📈.csv")
    assert "url" not in report
    assert Path(report["path"]).read_text() == "a,b"
    assert sorted(path.read_bytes() for path in (tmp_path / "out").iterdir()) == [b"%PDF-1.4 x", b"a,b"]
    assert not jikko.home.exists()


def test_a_file_that_exists_is_not_overwritten(jikko: Command, maker: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/売上 📈.csv").write_text("mine")

    ended = jikko("run", maker, "--save-files", tmp_path / "out")

    assert json.loads(ended.out)["report"]["path"] == str(tmp_path / "out/売上 📈-2.csv")
    assert (tmp_path / "out/売上 📈.csv").read_text() == "mine"


def test_files_of_a_kept_run_are_listed_and_saved_later(jikko: Command, maker: Path, tmp_path: Path) -> None:
    kept = jikko("run", maker, "--home", jikko.home)
    [run] = jikko.json("runs", "list")
    assert f"jikko runs files {run['workflow_run_id']} --to DIR" in kept.err

    listed = jikko.json("runs", "files", run["workflow_run_id"])
    saved = jikko.json("runs", "files", run["workflow_run_id"], "--to", tmp_path / "out")

    assert next((file["filename"], file["size"], file["path"]) for file in listed) == ("売上 📈.csv", 3, None)
    assert len(listed) == len(saved) == 2
    assert Path(saved[0]["path"]).read_text() == "a,b"


def test_files_that_are_not_saved_are_told_of(jikko: Command, maker: Path) -> None:
    assert "the run made 2 files: --save-files DIR saves them" in jikko("run", maker).err


def test_a_folder_that_cannot_be_written_is_told(jikko: Command, maker: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    ended = jikko("run", maker, "--save-files", tmp_path / "file/below")

    assert (ended.code, ended.has_traceback, "cannot be written" in ended.err) == (2, False, True)
