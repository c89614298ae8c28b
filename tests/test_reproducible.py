"""Wheel and sdist of one commit are equal byte by byte, wherever, whenever and with whatever rights they are built."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
LEFT_OUT: Final = shutil.ignore_patterns(
    *(".git", ".*cache", ".venv*", ".jikko", "build", "dist", "node_modules", "__pycache__", "static", "tests")
)
"""What is in no package, or large: tests are packed as all else is."""


class Build:
    """One of a copy of the sources."""

    def __init__(self, source: Path, moment: float, mask: int) -> None:
        shutil.copytree(ROOT, source, ignore=LEFT_OUT)
        for path in source.rglob("*"):
            path.chmod((0o777 if path.is_dir() or path.stat().st_mode & 0o100 else 0o666) & ~mask)
            os.utime(path, (moment, moment))
        self._made = source / "dist"
        environment = {**os.environ, "JIKKO_BUILD_CONSOLE": "0", "JIKKO_BUILD_COMMIT": "0123456789"}
        environment.pop("SOURCE_DATE_EPOCH", None)
        command = [sys.executable, "-m", "hatchling", "build"]
        self._process = subprocess.Popen(command, cwd=source, env=environment, umask=mask, stdout=subprocess.DEVNULL)

    def packages(self) -> dict[str, bytes]:
        """What was built, by name."""
        assert self._process.wait() == 0
        return {file.name: file.read_bytes() for file in self._made.iterdir()}


@pytest.mark.slow
@pytest.mark.once
def test_builds_of_one_commit_are_equal(tmp_path: Path) -> None:
    builds = [Build(tmp_path / "one", 1e9, 0o022), Build(tmp_path / "二つ目", 1.7e9, 0o077)]

    first, second = (build.packages() for build in builds)

    assert {name.rpartition(".")[2] for name in first} == {"whl", "gz"}
    assert first == second
