"""Stored run data is readable only by its owner."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jikko.assemble import assemble
from jikko.cluster.data_folder import keep_private
from jikko.cluster.data_folder_lock import sole_owner
from jikko.private import make_folder
from jikko.repositories.plugin_storage import PluginStorage
from jikko.settings import Settings
from jikko.store.sqlite import Database
from jikko.store.sqlite.migrate import Migration, migrations
from jikko.store.sqlite.plugin_file import PluginFile
from tests.acceptance.workflows import ECHO
from tests.inputs.file_parts import Part

UMASKS = [0o000, 0o022, 0o077]


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def modes(home: Path) -> dict[str, int]:
    """The modes of a folder and all that is in it, by their paths."""
    return {str(path.relative_to(home)): stat.S_IMODE(path.stat().st_mode) for path in [home, *home.rglob("*")]}


def closed(home: Path) -> dict[str, int]:
    """What the modes are to be."""
    return {name: 0o700 if (home / name).is_dir() else 0o600 for name in modes(home)}


async def fill(home: Path) -> None:
    """Make a data folder with all that there may be in one, and look at it while it is in use."""
    with sole_owner(home):
        settings = Settings(home=home)
        async with assemble(settings, owned=True, console=True) as assembly:
            await assembly.apps.publish(ECHO.encode(), source="echo")
            part = Part("請求書".encode(), "a 山.txt")
            await assembly.files.upload([("file", part)], app_id="app", end_user_id="me")
            assert assembly.console is not None
            await assembly.console.access.new_token("見る人", "viewer")
            await assembly.knowledge.keys.create()
            kept = PluginStorage(PluginFile(settings.plugin_folder / "storage.db"))
            await kept.set("app", "author/plugin", "鍵", b"x", most=10)
            await kept.close()
            names = set(modes(home))
            assert {"jikko.db", "jikko.db-wal", "jikko.db-shm", "signing.key", "serve.lock", "files"} <= names
            assert {"knowledge.db", "knowledge.db-wal", "plugins", "plugins/storage.db"} <= names
            assert modes(home) == closed(home)


@pytest.mark.anyio
@pytest.mark.parametrize("mask", UMASKS, ids=oct)
async def test_all_of_a_new_data_folder_is_its_owner_s_alone(tmp_path: Path, mask: int) -> None:
    with umask(mask):
        await fill(tmp_path / "some" / "home")
        Database.open(tmp_path / "shared" / "jikko.db", shared=True).close()

    assert modes(tmp_path / "some" / "home") == closed(tmp_path / "some" / "home")
    assert modes(tmp_path / "shared") == closed(tmp_path / "shared")


@pytest.mark.anyio
async def test_what_was_open_to_others_is_closed_by_the_next_command(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with umask(0):
        await fill(home)
        (home / "jikko.db.before-0006").write_bytes(b"")
        (home / "jikko.db-turn").write_bytes(b"")
        (home / "plugins" / "plugins.json").write_bytes(b"{}")
    for path in [home, *home.rglob("*")]:
        path.chmod(0o775 if path.is_dir() else 0o664)
    (home / "signing.key").chmod(0o440)

    async with assemble(Settings(home=home)):
        found, expected = modes(home), closed(home)

    assert found == {**expected, "signing.key": 0o400}


def test_the_copy_before_an_upgrade_is_its_owner_s_alone(tmp_path: Path) -> None:
    with umask(0):
        Database.open(tmp_path / "jikko.db").close()
        grown = [*migrations(), Migration(len(migrations()) + 1, "CREATE TABLE grown (a);\n")]
        Database.open(tmp_path / "jikko.db", steps=grown).close()

    [copy] = tmp_path.glob("*.before-*")
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600


def test_a_folder_with_other_things_in_it_stays_as_open_as_it_was(tmp_path: Path) -> None:
    home = tmp_path / "project"
    home.mkdir()
    home.chmod(0o755)
    (home / "README").write_text("")
    (home / "README").chmod(0o644)
    (home / "jikko.db-wal").write_text("")

    keep_private(home)

    found = modes(home)
    assert (found["."], found["README"], found["jikko.db-wal"]) == (0o755, 0o644, 0o600)


def test_what_links_lead_to_stays_as_open_as_it_was(tmp_path: Path) -> None:
    """As root that closed ``/etc`` to everybody, for a link to it in a data folder."""
    home, others = tmp_path / "home", tmp_path / "others"
    for folder in (home / "keys", others / "deep"):
        folder.mkdir(parents=True)
    for file in (others / "deep" / "file", others / "file", home / "jikko.db"):
        file.write_text("")
        file.chmod(0o644)
    for folder in (home, home / "keys", others, others / "deep"):
        folder.chmod(0o755)
    (home / "files").symlink_to(others)
    (home / "keys" / "file").symlink_to(others / "file")
    (home / "keys" / "deep").symlink_to(others / "deep")
    (home / "signing.key").symlink_to(others / "file")
    before = modes(others)

    keep_private(home)

    assert modes(others) == before
    assert modes(home)["keys"] == 0o700


def test_a_data_folder_that_is_reached_by_a_link_is_closed(tmp_path: Path) -> None:
    home = tmp_path / "disk"
    home.mkdir()
    home.chmod(0o755)
    (home / "jikko.db").write_text("")
    (tmp_path / "link").symlink_to(home)

    keep_private(tmp_path / "link")

    assert modes(home)["."] == 0o700


def test_a_folder_that_everybody_may_write_to_stays_so(tmp_path: Path) -> None:
    home = tmp_path / "tmp"
    home.mkdir()
    home.chmod(0o1777)
    (home / "jikko.db").write_text("")

    keep_private(home)

    assert modes(home)["."] == 0o1777


def test_folders_above_that_are_missing_are_made_closed_too(tmp_path: Path) -> None:
    with umask(0):
        make_folder(tmp_path / "a" / "b" / "c")
        make_folder(tmp_path / "a" / "b" / "c")

    assert modes(tmp_path / "a") == {".": 0o700, "b": 0o700, "b/c": 0o700}
