"""All of it again, as a plain user without any right, whichever user runs the tests."""

from pathlib import Path

import pytest

from tests.plain_user import PLAIN_USER, folder_of, pytest_as_plain_user

HERE = Path(__file__).parent
MODULES = (
    "test_attacks.py",
    "test_locks.py",
    "test_syscalls.py",
    "test_start.py",
    "test_life_cycle.py",
    "test_standing_still.py",
)


@pytest.mark.slow
def test_everything_holds_as_a_plain_user() -> None:
    with folder_of(PLAIN_USER) as folder:
        done = pytest_as_plain_user(folder, "-m", "not slow", *(str(HERE / name) for name in MODULES))

    summary = done.stdout[-4000:] + done.stderr[-2000:]
    assert done.returncode == 0, summary
    assert "SKIPPED" not in summary, summary
