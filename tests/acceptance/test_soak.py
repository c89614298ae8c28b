"""One minute of everything at once. Ten minutes: ``python -m benchmarks.soak``."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "minutes"), [("1", "1"), ("2", "0.5")])
def test_a_minute_of_everything_loses_nothing(workers: str, minutes: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.soak", "--minutes", minutes, "--kill-every", "12", "--workers", workers],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
