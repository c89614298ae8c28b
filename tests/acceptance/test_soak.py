"""Everything at once for 48 s, while a server or a worker dies every 4 s. Ten: ``python -m benchmarks.soak``."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "minutes"), [("1", "0.4"), ("2", "0.4")])
def test_everything_at_once_through_deaths_loses_nothing(workers: str, minutes: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.soak", "--minutes", minutes, "--kill-every", "4", "--workers", workers],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
