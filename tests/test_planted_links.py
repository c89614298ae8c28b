"""Folders that another program writes, and in which it plants links: as root, and as a plain user."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from jikko.private import made_folder, open_file, open_folder, remove
from tests.plain_user import USERS, as_user, folder_of


@pytest.fixture(params=USERS, ids=["as it is", "plain user"])
def user(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def place(user: int) -> Iterator[Path]:
    with folder_of(user) as made:
        (made / "elsewhere").mkdir(mode=0o755)
        (made / "elsewhere" / "秘密.txt").write_text("secret")
        yield made


def test_a_link_in_the_place_of_a_folder_is_refused_and_where_it_leads_stays_as_it_is(place: Path, user: int) -> None:
    (place / "home").symlink_to(place / "elsewhere")
    before = (place / "elsewhere").stat()

    def work() -> None:
        with made_folder(place / "home", owner=64_900):
            pass

    error = as_user(user, work)

    assert "home" in error
    assert "a link, which the server does not follow: remove it" in error
    after = (place / "elsewhere").stat()
    assert (after.st_uid, after.st_mode) == (before.st_uid, before.st_mode)


@pytest.mark.parametrize("what", ["link", "fifo", "folder"])
def test_only_a_regular_file_is_opened(place: Path, what: str) -> None:
    """A pipe would keep the reader waiting for ever."""
    match what:
        case "link":
            (place / "file").symlink_to(place / "elsewhere" / "秘密.txt")
        case "fifo":
            os.mkfifo(place / "file")
        case _:
            (place / "file").mkdir()

    with open_folder(place) as folder, pytest.raises(OSError, match="file"):
        open_file("file", folder)


def test_a_tree_is_removed_with_its_links_and_not_with_what_they_lead_to(place: Path, user: int) -> None:
    def work() -> None:
        (place / "tree" / "日本").mkdir(parents=True)
        (place / "tree" / "link").symlink_to(place / "elsewhere")
        (place / "tree" / "日本" / "link").symlink_to("../../elsewhere/秘密.txt")
        os.mkfifo(place / "tree" / "pipe")
        remove(place / "tree")

    assert as_user(user, work) == ""
    assert [path.name for path in place.iterdir()] == ["elsewhere"]
    assert (place / "elsewhere" / "秘密.txt").read_text() == "secret"


def test_a_tree_is_removed_however_deep_and_closed_it_is(place: Path, user: int) -> None:
    def work() -> None:
        tree = place / "tree"
        (tree / "closed" / "inner").mkdir(parents=True)
        (tree / "closed" / "inner").chmod(0)
        (tree / "closed").chmod(0)
        folder = os.open(tree, os.O_RDONLY)
        for _ in range(2000):
            os.mkdir("a name of some length", dir_fd=folder)
            inner = os.open("a name of some length", os.O_RDONLY, dir_fd=folder)
            os.close(folder)
            folder = inner
        os.close(folder)
        tree.chmod(0)
        remove(tree)

    assert as_user(user, work) == ""
    assert not (place / "tree").exists()


def test_a_link_is_removed_alone_and_what_is_missing_may_be(place: Path) -> None:
    (place / "link").symlink_to(place / "elsewhere")

    remove(place / "link")

    assert (place / "elsewhere" / "秘密.txt").exists()
    assert not (place / "link").is_symlink()
    remove(place / "link", missing_ok=True)
    with pytest.raises(FileNotFoundError):
        remove(place / "link")
