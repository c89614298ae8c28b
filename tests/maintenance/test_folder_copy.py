"""A folder that is copied into an earlier copy of itself."""

import os
import sys
import threading
from pathlib import Path

import pytest

from jikko.maintenance.folder_copy import copy_file, copy_folder, held
from tests.effort import PATIENCE


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    (folder / "空 leer").mkdir(parents=True)
    (folder / "run").write_text("#!")
    (folder / "run").chmod(0o755)
    (folder / "link").symlink_to("gone")
    (folder / "closed").mkdir()
    (folder / "closed" / "module.py").write_text("x = 1")
    (folder / "closed").chmod(0o555)
    return folder


def shape(folder: Path) -> dict[str, tuple[int, str]]:
    """Mode and content of all that is in a folder."""
    found = {}
    for path in sorted(folder.rglob("*")):
        what = os.readlink(path) if path.is_symlink() else path.read_text() if path.is_file() else ""
        found[str(path.relative_to(folder))] = (path.lstat().st_mode, what)
    return found


def test_files_links_and_folders_are_copied_with_their_modes(source: Path, tmp_path: Path) -> None:
    copy_folder(source, tmp_path / "copy")

    assert shape(tmp_path / "copy") == shape(source)
    assert (tmp_path / "copy" / "run").stat().st_mtime_ns == (source / "run").stat().st_mtime_ns


def test_what_has_changed_is_copied_and_what_is_gone_goes(source: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy_folder(source, copy)
    kept = (copy / "closed" / "module.py").stat().st_ino
    (source / "run").write_text("#!changed")
    (source / "link").unlink()
    (source / "link").mkdir()
    (source / "空 leer").rmdir()
    (copy / "closed").chmod(0o755)
    (copy / "closed" / "more.py").write_text("nothing of the source's")

    copy_folder(source, copy)

    assert shape(copy) == shape(source)
    assert (copy / "closed" / "module.py").stat().st_ino == kept


def test_what_an_earlier_copy_has_takes_no_place_twice(source: Path, tmp_path: Path) -> None:
    copy_folder(source, tmp_path / "earlier")
    (source / "run").write_text("#!changed")

    copy_folder(source, tmp_path / "copy", earlier=tmp_path / "earlier")

    assert shape(tmp_path / "copy") == shape(source)
    same = [(tmp_path / each / "closed" / "module.py").stat().st_ino for each in ("earlier", "copy")]
    assert same[0] == same[1]
    assert (tmp_path / "earlier" / "run").read_text() == "#!"


def test_what_is_left_out_is_neither_copied_nor_removed(source: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "database").write_text("copied in another way")

    copy_folder(source, copy, left_out=[source / "run", copy / "database"])

    assert {path.name for path in copy.iterdir()} == {"database", "link", "空 leer", "closed"}


def test_a_file_is_whole_or_not_there(source: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        copy_file(source / "nothing", tmp_path / "copy")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["source"]


def test_what_is_being_installed_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / ".lock").touch()
    entered = threading.Event()

    def enter() -> None:
        with held(tmp_path):
            entered.set()

    waiting = threading.Thread(target=enter)
    with held(tmp_path):
        waiting.start()
        assert not entered.is_set()
    waiting.join(PATIENCE)
    assert entered.is_set()


def test_a_folder_in_which_nothing_was_installed_has_no_lock_and_gets_none(tmp_path: Path) -> None:
    with held(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_program_that_swaps_a_folder_for_a_link_meanwhile_gets_nothing_copied_that_is_not_its_own(
    tmp_path: Path,
) -> None:
    """As a plugin may, whose folder root copies: a link is copied as a link, or left out."""
    (tmp_path / "root's" / "秘密.txt").parent.mkdir()
    (tmp_path / "root's" / "秘密.txt").write_text("secret")
    source, over = tmp_path / "source", threading.Event()
    (source / "home").mkdir(parents=True)

    def swap() -> None:
        while not over.is_set():
            (source / "home").rename(source / "away")
            (source / "home").symlink_to(tmp_path / "root's")
            (source / "home").unlink()
            (source / "away").rename(source / "home")

    swapping = threading.Thread(target=swap)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        swapping.start()
        for number in range(300):
            copy_folder(source, tmp_path / f"copy-{number}")
    finally:
        over.set()
        swapping.join()
        sys.setswitchinterval(interval)

    followed = [path for path in tmp_path.rglob("copy-*/*/秘密.txt") if not path.parent.is_symlink()]
    assert followed == []


def test_what_is_neither_file_nor_folder_nor_link_is_left_out(source: Path, tmp_path: Path) -> None:
    os.mkfifo(source / "pipe")

    copy_folder(source, tmp_path / "copy")

    assert not (tmp_path / "copy" / "pipe").exists()
    assert (tmp_path / "copy" / "run").exists()
