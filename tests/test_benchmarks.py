"""Every benchmark still runs: each once, with tiny sizes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.warm_commands import warm
from tests.effort import PATIENCE

ROOT = Path(__file__).parents[1]
LEFT_OUT = ("bare", "bare_streams", "counting", "soak")
"""Programs that other benchmarks start, and that do not end; and what ``tests/acceptance/test_soak.py`` starts."""
NEED = {
    "console_page": "a browser",
    "packages": "a package registry",
    **dict.fromkeys(
        ("cluster_costs", "postgres_runs", "scale_figures", "several_servers", "streams_elsewhere"), "PostgreSQL"
    ),
}
DRAWN = ("plot", "scale")
"""What measures nothing."""
ARGUMENTS = {
    "against": [sys.executable, "detail"],
    "fairness": ["--only", "an input of 4 MB"],
    "postgres_runs": ["--only", "console, user"],
}


def benchmarks() -> list[str]:
    files = sorted((ROOT / "benchmarks").glob("*.py"))
    return [file.stem for file in files if "__main__" in file.read_text("utf-8") and file.stem not in LEFT_OUT]


@pytest.mark.parametrize(
    ("refused", "served", "wanted", "too_many"),
    [(40, 60, 2, True), (20, 60, 2, False), (59, 941, 5, True), (50, 950, 4, False), (51, 949, 4, True)],
)
def test_a_soak_of_a_server_that_refuses_more_than_a_still_disk_explains_fails(
    refused: int, served: int, wanted: float, too_many: bool
) -> None:
    from benchmarks.soak import too_many_refused  # its clients are not in every process that collects this test

    assert too_many_refused(refused, served, wanted) is too_many


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.parametrize(
    "name", [pytest.param(each, marks=pytest.mark.services if each in NEED else ()) for each in benchmarks()]
)
def test_a_benchmark_runs_to_its_end_and_prints_figures(name: str, tmp_path: Path) -> None:
    arguments = ARGUMENTS.get(name, [])
    if name == "plot":
        figures = [{"name": f"engine, a chain of {nodes} nodes", "value": nodes / 7} for nodes in (10, 100)]
        (tmp_path / "figures.json").write_text(json.dumps(figures), "utf-8")
        arguments = [str(tmp_path / "figures.json"), str(tmp_path / "growth.svg")]
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", *arguments],
        env={**os.environ, "BENCH_TINY": "1", "BENCH_WARM": str(warm().folder)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=5 * PATIENCE,
        check=False,
    )
    assert not done.returncode, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert all(isinstance(each["name"], str) for each in found)
    assert found or name in DRAWN, done.stdout


def test_a_soak_says_what_was_refused_why_and_when(capsys: pytest.CaptureFixture[str]) -> None:
    from benchmarks.soak import tell_refusals
    from benchmarks.soak_clients import Findings

    findings = Findings(refused={"chat: a: b": [4], "block: service_unavailable: 記録 is busy": [9, 8, 30]})

    tell_refusals("at the load", findings)

    assert capsys.readouterr().out.splitlines() == [
        "Refused at the load, 3 times, 8 to 30 s after a launch: block: service_unavailable: 記録 is busy",
        "Refused at the load, 1 times, 4 to 4 s after a launch: chat: a: b",
    ]
