"""Files that are written as a whole or not at all."""

import os
import threading
from pathlib import Path

import pytest

from jikko.cli.output import whole_file
from tests.effort import PATIENCE


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def break_off(path: Path, error: BaseException) -> None:
    with whole_file(path) as target:
        target.write(b"half")
        raise error


def test_the_file_is_there_once_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    with whole_file(path) as target:
        target.write(b"content")
        assert not path.exists()

    assert path.read_bytes() == b"content"
    assert names(tmp_path) == ["runs.jsonl"]


def test_what_breaks_off_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        break_off(tmp_path / "runs.jsonl", KeyboardInterrupt())

    assert names(tmp_path) == []


def test_what_breaks_off_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    path.write_bytes(b"old")

    with pytest.raises(RuntimeError, match="broken"):
        break_off(path, RuntimeError("broken"))

    assert (path.read_bytes(), names(tmp_path)) == (b"old", ["runs.jsonl"])


def test_a_file_that_is_replaced_keeps_its_mode_and_the_links_to_it(tmp_path: Path) -> None:
    path, link = tmp_path / "runs.jsonl", tmp_path / "latest"
    path.write_bytes(b"old")
    path.chmod(0o640)
    link.symlink_to(path)

    with whole_file(link) as target:
        target.write(b"new")

    assert link.is_symlink()
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"new", 0o640)


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()

    with whole_file(pipe) as target:
        target.write(b"content")

    reader.join(PATIENCE)
    assert read == [b"content"]
