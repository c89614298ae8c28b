"""Everything at once for 48 s, while a server or a worker dies every 4 s. ``python -m benchmarks.soak`` does it for ten
minutes, as fast as the machine allows."""

import subprocess
import sys
from pathlib import Path

import pytest

OPTIONS = ("--minutes", "0.4", "--kill-every", "4", "--rate", "12")
"""A rate that a busy machine reaches: each of the sixteen kinds of requests some 18 times, three of each per death."""


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_everything_at_once_through_deaths_loses_nothing(workers: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.soak", *OPTIONS, "--workers", workers],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
