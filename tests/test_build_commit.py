"""The commit that a version names."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import jikko


@pytest.mark.parametrize("folder", ["src", "vendor"])
def test_only_the_repository_of_the_package_says_the_commit(tmp_path: Path, folder: str) -> None:
    installed = tmp_path / folder / "jikko"
    installed.mkdir(parents=True)
    for name in ("__init__.py", "build_commit.py"):
        shutil.copy(Path(jikko.__file__).with_name(name), installed)
    who = ["-c", "user.name=誰か", "-c", "user.email=a@b.invalid"]
    for command in (["init", "-q"], [*who, "commit", "-q", "--allow-empty", "-m", "one"]):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)

    program = "from jikko.build_commit import commit; print(commit())"
    said = subprocess.run(
        [sys.executable, "-c", program], cwd=installed.parent, capture_output=True, text=True, check=True
    )

    assert bool(said.stdout.strip()) == (folder == "src")
