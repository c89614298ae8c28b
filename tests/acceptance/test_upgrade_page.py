"""The way to a new version and back, as docs/upgrade.md shows it: its commands are run, with a clone and a venv."""

import shutil
import sqlite3
import subprocess
import sys
import sysconfig
import threading
from contextlib import closing
from pathlib import Path

import pytest

from jikko import __version__
from jikko.store.sqlite.migrate import copy_database
from tests.acceptance.client import Client
from tests.acceptance.processes import Command, Server
from tests.acceptance.test_pages import run
from tests.acceptance.workflows import ECHO
from tests.effort import PATIENCE
from tests.page_blocks import blocks, fits

REPOSITORY = Path(__file__).parents[2]
NEW = "7.8.9"

pytestmark = [pytest.mark.slow, pytest.mark.once]


def git(*arguments: str | Path, at: Path) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *identity, *arguments], cwd=at, check=True, capture_output=True)


def cloned(folder: Path) -> None:
    """A clone in ``jikko`` whose origin has a newer version."""
    origin = folder / "origin"
    origin.mkdir()
    (origin / "docs").mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "sbom.cdx.json", "docs/for-coding-agents.md"):
        shutil.copy(REPOSITORY / name, origin / name)
    for name in ("src", "scripts"):
        shutil.copytree(REPOSITORY / name, origin / name, ignore=shutil.ignore_patterns("__pycache__"))
    git("init", "--quiet", at=origin)
    git("add", ".", at=origin)
    git("commit", "--quiet", "-m", "old", at=origin)
    git("clone", "--quiet", origin, "jikko", at=folder)
    for name in ("pyproject.toml", "src/jikko/__init__.py"):
        file = origin / name
        file.write_text(file.read_text("utf-8").replace(f'"{__version__}"', f'"{NEW}"', 1), "utf-8")
    git("commit", "--quiet", "-am", "new", at=origin)


def without_network(folder: Path) -> dict[str, str]:
    """Settings with which pip takes what is installed here for what it would fetch."""
    (folder / "sitecustomize.py").write_text(f"import sys\nsys.path.append({sysconfig.get_path('purelib')!r})\n")
    return {"PYTHONPATH": str(folder), "PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_NO_INDEX": "1"}


def test_the_way_to_a_new_version_and_back_is_as_the_page_shows_it(tmp_path: Path) -> None:
    cloned(tmp_path)
    (tmp_path / "old").symlink_to(Path(sys.executable).parent.parent, target_is_directory=True)
    (tmp_path / "echo.yml").write_text(ECHO, encoding="utf-8")
    command = Command(tmp_path / "home")
    [imported] = command.json("apps", "import", tmp_path / "echo.yml")
    server = Server(command.home)
    client = Client(server.url, imported["api_key"])
    client.run(q="before 日本")
    client.close()
    with closing(sqlite3.connect(command.home / "jikko.db")) as source:
        # As an upgrade that changes the layout leaves it behind.
        copy_database(source, command.home / "jikko.db.before-0099")
    # What starts a server here has to take note of its end, or its process would stay.
    reaper = threading.Thread(target=server.wait, args=(3 * PATIENCE,))
    reaper.start()
    commands: list[str] = []
    shown: list[str] = []
    for block in blocks("docs/upgrade.md"):
        if block.kind == "sh":
            commands.append(block.text)
            shown.append("")
        elif block.kind == "text":
            shown[-1] = block.text

    given = {"URL": server.url, "KEY": imported["api_key"], "PID": str(server.pid), **without_network(tmp_path)}
    port = server.url.rpartition(":")[2]
    try:
        outputs = run(commands, tmp_path, **given, JIKKO_PORT=port)
    finally:
        server.close()
        reaper.join()

    for output, expected in zip(outputs, shown, strict=True):
        assert not expected or fits(output, expected), f"shown:\n{expected}\nsaid:\n{output}"
    assert any(f'"version":"{NEW}"' in output for output in outputs)
    assert outputs[-1].count("before") >= 1
    assert (command.home / "aside" / "jikko.db").exists()
