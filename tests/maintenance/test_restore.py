"""Bringing back a folder that was a backup, and in which somebody has put other things since."""

import json
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from jikko.cli.main import cli
from tests.acceptance.workflows import ECHO

SECRET = "of this machine, and of no backup"


def command(*arguments: object, home: Path) -> Result:
    environment = {"JIKKO_HOME": str(home), "JIKKO_FILES_URL": ""}
    return CliRunner(env=environment).invoke(cli, [str(argument) for argument in arguments])


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """A backup of an app, of a file and of a plugin with links."""
    home = tmp_path / "home"
    (tmp_path / "flow.yml").write_text(ECHO)
    assert command("apps", "import", tmp_path / "flow.yml", home=home).exit_code == 0
    content = (
        home / "files" / "2c" / "f2" / ("2c" + "f2" + "4dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824")
    )
    content.parent.mkdir(parents=True)
    content.write_bytes(b"hello")
    plugin = home / "plugins" / "installed" / "日本"
    plugin.mkdir(parents=True)
    (plugin / "main.py").write_text("pass")
    (plugin / "python").symlink_to("/usr/bin/python3")
    (plugin / "lib64").symlink_to("lib")
    (plugin / "lib").mkdir()
    made = command("backup", tmp_path / "copy", home=home)
    assert made.exit_code == 0, made.output
    (tmp_path / "secret").write_text(SECRET)
    return tmp_path / "copy"


def everything_in(folder: Path) -> list[str]:
    """Files and links below a folder, and where these lead."""
    paths = [path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()]
    return sorted(
        f"{path.relative_to(folder)} -> {os.readlink(path)}" if path.is_symlink() else str(path.relative_to(folder))
        for path in paths
    )


def test_what_was_in_it_comes_back_with_its_links(backup: Path, tmp_path: Path) -> None:
    done = command("restore", backup, home=tmp_path / "new")

    assert done.exit_code == 0, done.output
    expected = [path for path in everything_in(backup) if path not in ("backup.json", "serve.lock")]
    assert [path for path in everything_in(tmp_path / "new") if path != "serve.lock"] == expected
    assert any("python -> /usr/bin/python3" in path for path in expected)


def test_a_backup_of_a_version_that_did_not_list_links_keeps_them(backup: Path, tmp_path: Path) -> None:
    rewrite(backup, lambda manifest: manifest.pop("links"))

    assert command("restore", backup, home=tmp_path / "new").exit_code == 0
    assert os.readlink(tmp_path / "new" / "plugins" / "installed" / "日本" / "python") == "/usr/bin/python3"


def rewrite(backup: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Have a backup say something else of itself."""
    manifest = json.loads((backup / "backup.json").read_text())
    change(manifest)
    (backup / "backup.json").write_text(json.dumps(manifest))


def more_files(backup: Path) -> None:
    (backup / "jikko.toml").write_text("max_steps = 1")
    (backup / "keys").mkdir(exist_ok=True)
    (backup / "keys" / "more.key").write_text(SECRET)
    (backup / "plugins" / "installed" / "evil.py").write_text(SECRET)


def more_links(backup: Path) -> None:
    (backup / "jikko.toml").symlink_to(backup.parent / "secret")
    (backup / "stolen").symlink_to(backup.parent)
    (backup / "plugins" / "stolen").symlink_to(backup.parent)
    (backup / "plugins" / "secret").symlink_to(backup.parent / "secret")


def more_pipes(backup: Path) -> None:
    os.mkfifo(backup / "pipe")
    os.mkfifo(backup / "plugins" / "pipe")


@pytest.mark.parametrize("more", [more_files, more_links, more_pipes])
def test_what_was_not_in_it_is_left_behind(backup: Path, tmp_path: Path, more: Callable[[Path], None]) -> None:
    before = [path for path in everything_in(backup) if path not in ("backup.json", "serve.lock")]
    more(backup)
    done = command("restore", backup, home=tmp_path / "new")

    assert done.exit_code == 0, done.output
    assert [path for path in everything_in(tmp_path / "new") if path != "serve.lock"] == before


def link_instead(path: Path) -> None:
    """The same content, by a link."""
    path.rename(path.with_name("moved"))
    path.symlink_to(path.with_name("moved"))


def pipe_instead(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def the_content(backup: Path) -> Path:
    return next((backup / "files").rglob("2cf2*"))


@pytest.mark.parametrize(
    "path",
    [
        lambda backup: backup / "jikko.db",
        lambda backup: backup / "plugins" / "installed" / "日本" / "main.py",
        lambda backup: backup / "backup.json",
        the_content,
    ],
    ids=["database", "plugin", "list", "content"],
)
@pytest.mark.parametrize("instead", [link_instead, pipe_instead])
@pytest.mark.parametrize("check", [[], ["--check"]])
def test_a_link_or_pipe_in_the_place_of_a_file_is_refused(
    backup: Path, tmp_path: Path, path: Callable[[Path], Path], instead: Callable[[Path], None], check: list[str]
) -> None:
    instead(path(backup))
    refused = command("restore", *check, backup, home=tmp_path / "new")

    assert refused.exit_code == 1, refused.output
    assert any(words in refused.output for words in ("cannot be read", "is damaged", "is neither a backup")), (
        refused.output
    )
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("folder", ["files", "plugins", "plugins/installed"])
def test_a_link_in_the_place_of_a_folder_is_refused(backup: Path, tmp_path: Path, folder: str) -> None:
    link_instead(backup / folder)
    refused = command("restore", backup, home=tmp_path / "new")

    assert refused.exit_code == 1, refused.output
    assert "is incomplete" in refused.output
    assert not (tmp_path / "new").exists()


def test_a_link_that_leads_elsewhere_than_it_did_is_refused(backup: Path, tmp_path: Path) -> None:
    link = backup / "plugins" / "installed" / "日本" / "python"
    link.unlink()
    link.symlink_to(tmp_path / "secret")
    refused = command("restore", backup, home=tmp_path / "new")

    assert "the link plugins/installed/日本/python has another target" in refused.output
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "plugins/../../secret", "a//b", "x\u0000y"])
@pytest.mark.parametrize("kind", ["files", "links"])
def test_a_list_that_names_what_lies_outside_is_none(backup: Path, tmp_path: Path, name: str, kind: str) -> None:
    rewrite(backup, lambda manifest: manifest[kind].update({name: "0" * 64}))
    refused = command("restore", backup, home=tmp_path / "new")

    assert refused.exit_code == 1
    assert "is neither a backup" in refused.output


def test_of_several_backups_the_newest_is_restored_and_named(backup: Path, tmp_path: Path) -> None:
    several = tmp_path / "several"
    for name, at in (("new", 2e9), ("old", 1e9), ("unfinished", 0.0)):
        shutil.copytree(backup, several / name, symlinks=True)
        rewrite(several / name, partial(dict.update, at=at))
    (several / "old" / "jikko.db").unlink()
    (several / "no backup.txt").write_text("")

    done = command("restore", several, home=tmp_path / "home 2")

    assert done.exit_code == 0, done.output
    assert str(several / "new") in done.output
    for folder, told in (
        (several / "unfinished", "was broken off while it was made"),
        (tmp_path / "home 2" / "plugins", "is neither a backup nor a folder of backups."),
        (tmp_path / "nowhere", "does not exist."),
        (several / "old", "old is incomplete: jikko.db cannot be read: No such file or directory. Restore an earlier"),
    ):
        refused = command("restore", folder, home=tmp_path / "home 3")
        assert refused.exit_code == 1
        assert told in refused.output
    assert not (tmp_path / "home 3").exists()


def test_the_first_five_parts_that_are_damaged_are_named_and_the_others_counted(backup: Path, tmp_path: Path) -> None:
    missing = {f"{name} 📦": "0" * 64 for name in range(6)}
    rewrite(backup, lambda manifest: manifest["files"].update(missing))
    six = command("restore", "--check", backup, home=tmp_path / "new").output
    rewrite(backup, lambda manifest: manifest["files"].pop("5 📦"))
    five = command("restore", "--check", backup, home=tmp_path / "new").output
    rewrite(
        backup, lambda manifest: (manifest.update(contents=9), [manifest["files"].pop(name, "") for name in missing])
    )
    contents = command("restore", "--check", backup, home=tmp_path / "new").output

    listed = "; ".join(f"{name} 📦 cannot be read: No such file or directory" for name in range(5))
    assert f"is incomplete: {listed}; and 1 more. Restore an earlier one" in " ".join(six.split())
    assert f"is incomplete: {listed}. Restore an earlier one" in " ".join(five.split())
    assert "of the contents of files 8 are missing" in " ".join(contents.split())


def test_what_was_restored_is_private_though_its_backup_was_not(backup: Path, tmp_path: Path) -> None:
    for path in (backup, *backup.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)
    home = tmp_path / "new"
    home.mkdir(mode=0o755)

    assert command("restore", backup, home=home).exit_code == 0
    shown = {path.relative_to(home).as_posix(): path.stat().st_mode & 0o077 for path in (home, *home.glob("*"))}
    assert shown == dict.fromkeys(shown, 0)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ((), ""),
        (("serve.lock",), ""),
        (("c", "a", "b"), "holds other things (a, b, c); nothing was written."),
        (("d", "c", "a", "b"), "holds other things (a, b, c and 1 more); nothing was written."),
        (("jikko.db", "a"), "is a data folder, or a backup of an earlier version, without the id of its original;"),
        (("backup.json",), "holds other things (backup.json); nothing was written."),
    ],
)
def test_a_backup_takes_the_place_of_nothing_else(
    backup: Path, tmp_path: Path, names: tuple[str, ...], told: str
) -> None:
    target = tmp_path / "target"
    target.mkdir()
    for name in names:
        (target / name).write_text("mine")
    made = command("backup", target, home=tmp_path / "home")

    assert (made.exit_code == 0) == (not told)
    assert told in " ".join(made.output.split())
    if told:
        assert sorted(path.name for path in target.iterdir()) == sorted(names)


def test_a_backup_of_another_data_folder_is_not_overwritten(backup: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    assert command("apps", "import", tmp_path / "flow.yml", home=other).exit_code == 0
    refused = command("backup", backup, home=other)
    assert refused.exit_code == 1
    assert "is a backup of another data folder; nothing was written." in " ".join(refused.output.split())
    for folder, told in ((other, "is the data folder itself"), (other / "files" / "x", "would be a copy of itself")):
        refused = command("backup", folder, home=other)
        assert refused.exit_code == 1
        assert told in " ".join(refused.output.split())
    assert command("backup", backup, home=tmp_path / "home").exit_code == 0
