"""Bounds and links again under a server that is a plain user, whichever user runs the tests."""

from pathlib import Path

import pytest

from tests.plain_user import PLAIN_USER, folder_of, pytest_as_plain_user

HERE = Path(__file__).parent
MODULES = ("test_bounds.py", "test_reach.py", "test_state.py")


@pytest.mark.slow
def test_everything_holds_as_a_plain_user() -> None:
    with folder_of(PLAIN_USER) as folder:
        done = pytest_as_plain_user(folder, *(str(HERE / name) for name in MODULES))

    summary = done.stdout[-6000:] + done.stderr[-2000:]
    assert done.returncode == 0, summary
    assert "SKIPPED" not in summary, summary
