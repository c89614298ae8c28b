"""Bounds and links again under a server that is a plain user, whichever user runs the tests."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.sandbox.test_plain_user import ROOT, as_plain_user, place

__all__ = ["place"]
HERE = Path(__file__).parent
MODULES = ("test_bounds.py", "test_reach.py", "test_state.py")


@pytest.mark.slow
def test_everything_holds_as_a_plain_user(place: Path) -> None:  # the fixture
    # By a process of the user's own: the first one is still executed with the rights of root.
    again = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import tests.plugins'], check=True)"
    reachable = as_plain_user([sys.executable, "-c", again], place, may_read=False)
    options = ["-p", "no:cacheprovider", "-rs", f"--rootdir={ROOT}", f"--config-file={ROOT}/pyproject.toml"]
    # The transport of a process that is ended as it starts is sometimes collected open: not what is tried here.
    options += ["-W", "ignore::pytest.PytestUnraisableExceptionWarning"]
    command = [
        sys.executable,
        "-m",
        "pytest",
        *options,
        f"--basetemp={place}/t",
        *(str(HERE / name) for name in MODULES),
    ]

    done: subprocess.CompletedProcess[str] = as_plain_user(command, place, may_read=reachable.returncode != 0)

    summary = done.stdout[-6000:] + done.stderr[-2000:]
    assert done.returncode == 0, summary
    assert "SKIPPED" not in summary, summary
