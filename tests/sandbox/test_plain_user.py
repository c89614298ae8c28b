"""All of it again, as a plain user without any right, whichever user runs the tests."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

PLAIN_USER = "12345"
HERE = Path(__file__).parent
ROOT = HERE.parent.parent
MODULES = (
    "test_attacks.py",
    "test_locks.py",
    "test_syscalls.py",
    "test_start.py",
    "test_life_cycle.py",
    "test_standing_still.py",
)


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that the plain user owns. The one of pytest may be root's only."""
    with tempfile.TemporaryDirectory(prefix="jikko-plain-") as name:
        if os.geteuid() == 0:
            os.chown(name, int(PLAIN_USER), int(PLAIN_USER))
        yield Path(name)


def as_plain_user(command: list[str], place: Path, *, may_read: bool) -> "subprocess.CompletedProcess[str]":
    """Run a command as a user without any right. A user that is not root is one already.

    Args:
        may_read: Leave it the right to read all files, where the interpreter is in a directory that is root's only.
            The fork server gives it up like every other.
    """
    if os.geteuid() == 0:
        assert shutil.which("setpriv"), "setpriv (util-linux) is needed to run tests as another user"
        rights = "-all,+dac_read_search" if may_read else "-all"
        command = [
            "setpriv", f"--reuid={PLAIN_USER}", f"--regid={PLAIN_USER}", "--clear-groups", "--no-new-privs",
            f"--inh-caps={rights}", f"--ambient-caps={rights}", f"--bounding-set={rights}", *command,
        ]  # fmt: skip
    return subprocess.run(
        command,
        cwd=place,
        env={
            "HOME": str(place),
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")]),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_everything_holds_as_a_plain_user(place: Path) -> None:
    # By a process of the user's own: the first one is still executed with the rights of root.
    again = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import tests.sandbox'], check=True)"
    reachable = as_plain_user([sys.executable, "-c", again], place, may_read=False)
    files = [str(HERE / name) for name in MODULES]
    options = ["-p", "no:cacheprovider", "-m", "not slow", "-rs", f"--basetemp={place}/t"]

    done = as_plain_user(
        [sys.executable, "-m", "pytest", f"--rootdir={ROOT}", f"--config-file={ROOT}/pyproject.toml", *options, *files],
        place,
        may_read=reachable.returncode != 0,
    )

    summary = done.stdout[-4000:] + done.stderr[-2000:]
    assert done.returncode == 0, summary
    assert "SKIPPED" not in summary, summary
