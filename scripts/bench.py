"""Runs the benchmarks one after the other, prints one table of their figures and writes it as JSON.

Usage: python scripts/bench.py [NAME…]; by default all.

A benchmark is a script. Each JSON object on a line of its standard output is a figure: ``name``, ``value``, ``unit``,
and optionally ``baseline`` (measured in the same run), ``ratio`` and ``aim``. Other lines are passed through.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "build" / "benchmarks.json"
BENCHMARKS = (
    "costs",
    "http_runs",
    "observing",
    "engine",
    "iteration",
    "store",
    "sandbox",
    "packages",
    "chats",
    "streaming_models",
    "plugins",
    "idle_streams",
    "tools",
    "deliveries",
    "footprint",
    "server_start",
    "workers",
    "growth",
    "replays",
    "stored_runs",
    "console_runs",
    "console_load",
    "console_page",
    "knowledge",
    "knowledge_api",
)
"""Benchmarks in ``benchmarks/``, in execution order."""
COLUMNS = ("benchmark", "name", "value", "unit", "baseline", "ratio", "aim")


def main() -> int:
    """Run the benchmarks. Returns the exit code: 1 if one failed."""
    wanted = sys.argv[1:] or BENCHMARKS
    if unknown := set(wanted) - set(BENCHMARKS):
        sys.exit(f"There is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}.")
    figures: list[dict[str, Any]] = []
    failed: list[str] = []
    for name in wanted:
        print(f"== {name}", flush=True)
        found, code = _run(name)
        figures += [{"benchmark": name, **figure} for figure in found]
        if code:
            failed.append(name)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"\n{_table(figures)}\n\nWritten to {RESULT.relative_to(ROOT)}")
    if failed:
        print(f"FAILED: {', '.join(failed)}")
    return 1 if failed else 0


def _run(name: str) -> tuple[list[dict[str, Any]], int]:
    figures: list[dict[str, Any]] = []
    with subprocess.Popen(
        [sys.executable, "-m", f"benchmarks.{name}"], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("{"):
                figures.append(json.loads(line))
            else:
                print(line, end="", flush=True)
    return figures, process.returncode


def _table(figures: list[dict[str, Any]]) -> str:
    rows = [list(COLUMNS), *([_text(figure.get(column)) for column in COLUMNS] for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _text(value: Any) -> str:
    if value is None:
        return ""
    return (
        f"{value:,.4g}"
        if isinstance(value, float) and abs(value) < 1000
        else f"{value:,.0f}"
        if isinstance(value, (int, float))
        else str(value)
    )


if __name__ == "__main__":
    sys.exit(main())
