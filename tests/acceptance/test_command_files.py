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
    assert "run started" not in ended.err


def test_a_name_that_is_too_long_for_the_disk_is_cut(jikko: Command, maker: Path, tmp_path: Path) -> None:
    maker.write_text(maker.read_text("utf-8").replace("売上 📈", "売" * 200), encoding="utf-8")

    first, second = (json.loads(jikko("run", maker, "--save-files", tmp_path / "out").out) for _ in range(2))

    assert Path(first["report"]["path"]).name == f"{'売' * 78}.csv"
    assert Path(second["report"]["path"]).name == f"{'売' * 78}-2.csv"


def test_a_file_that_is_gone_keeps_no_other_from_being_saved(jikko: Command, maker: Path, tmp_path: Path) -> None:
    jikko("run", maker, "--home", jikko.home)
    [run] = jikko.json("runs", "list")
    [gone] = [path for path in (jikko.home / "files").rglob("*") if path.is_file() and path.read_bytes() == b"a,b"]
    gone.unlink()

    ended = jikko("runs", "files", run["workflow_run_id"], "--to", tmp_path / "out")

    assert (ended.code, "the content of '売上 📈.csv' is missing" in ended.err) == (7, True)
    assert [path.read_bytes() for path in (tmp_path / "out").iterdir()] == [b"%PDF-1.4 x"]


def test_outputs_are_printed_though_a_file_cannot_be_saved(jikko: Command, maker: Path, tmp_path: Path) -> None:
    # The path of the folder is as long as one may be, and that of a file in it is longer.
    folder = tmp_path
    while (left := 4090 - len(str(folder))) > 1:
        folder /= "x" * min(left - 1, 200)

    ended = jikko("run", maker, "--save-files", folder)

    assert (ended.code, ended.has_traceback, "cannot be written" in ended.err) == (1, False, True)
    assert json.loads(ended.out)["report"]["filename"] == "売上 📈.csv"


def test_with_json_the_last_line_names_the_paths(jikko: Command, maker: Path, tmp_path: Path) -> None:
    *_, end, last = jikko("run", maker, "--save-files", tmp_path / "out", "--json").lines

    assert last["files"][end["outputs"]["report"]["related_id"]] == str(tmp_path / "out/売上 📈.csv")
