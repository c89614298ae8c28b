"""Draws growth: docs/growth.svg from the figures of a run of the benchmarks.

    python -m benchmarks.plot [build/benchmarks.json [docs/growth.svg]]

Both axes are logarithmic; a straight line that rises one step a step grows in proportion.
"""

import json
import math
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "docs" / "growth.svg"
PANELS = (
    ("nodes of a chain, engine", r"engine, a chain of ([\d,]+) nodes"),
    ("items of an iteration, engine", r"engine, iteration over ([\d,]+) items"),
    ("items of an iteration, blocking", r"blocking iteration over ([\d,]+) items.*"),
    ("clients, chain of 10, p50", r"blocking 10-node chain, ([\d,]+) clients, p50"),
    ("bytes of a text, chain of 10, p50", r"blocking 10-node chain, text of ([\d,]+) B, p50"),
    ("stored runs: run detail", r"run detail at ([\d,]+) runs, p50"),
    ("stored runs: page 1 of the logs", r"page 1 of the logs at ([\d,]+) runs, p50"),
    ("stored runs: a keyword in no run", r"a keyword in no run at ([\d,]+) runs, p50"),
    ("stored runs: a keyword in 1 %", r"a keyword in 1 % of the runs at ([\d,]+) runs, p50"),
)
"""Title, and the name of its figures, in milliseconds."""
WIDTH, HEIGHT, LEFT, TOP = 190, 120, 52, 26
COLUMNS = 3


def points(figures: list[dict[str, Any]], pattern: str) -> list[tuple[float, float]]:
    """Size and milliseconds, by size."""
    found = ((re.fullmatch(pattern, figure["name"]), figure["value"]) for figure in figures)
    return sorted((float(match[1].replace(",", "")), float(value)) for match, value in found if match and value)


def short(value: float) -> str:
    for least, sign in ((1e6, "M"), (1e3, "k")):
        if value >= least:
            return f"{value / least:g}{sign}"
    return f"{value:.3g}"


def panel(title: str, values: list[tuple[float, float]], left: float, top: float) -> list[str]:
    """One panel, its corner at a place."""
    xs, ys = [math.log10(x) for x, _ in values], [math.log10(y) for _, y in values]
    lowest, highest = math.floor(min(ys)), max(math.ceil(max(ys)), math.floor(min(ys)) + 1)
    spread = max(xs[-1] - xs[0], 1e-9)
    places = [
        (left + (x - xs[0]) / spread * WIDTH, top + HEIGHT - (y - lowest) / (highest - lowest) * HEIGHT)
        for x, y in zip(xs, ys, strict=True)
    ]
    drawn = [f'<text x="{left}" y="{top - 10}" class="title">{title}</text>']
    for power in range(lowest, highest + 1):
        y = top + HEIGHT - (power - lowest) / (highest - lowest) * HEIGHT
        drawn.append(f'<path d="M{left} {y:.1f}h{WIDTH}" class="grid"/>')
        drawn.append(f'<text x="{left - 5}" y="{y + 3:.1f}" class="y">{short(10.0**power)} ms</text>')
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    drawn.append(f'<polyline points="{line}" class="line"/>')
    for (x, y), (size, _) in zip(places, values, strict=True):
        drawn.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>')
        drawn.append(f'<text x="{x:.1f}" y="{top + HEIGHT + 14}" class="x">{short(size)}</text>')
    return drawn


def main() -> None:
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "benchmarks.json"
    figures = json.loads(source.read_text(encoding="utf-8"))
    shown = [(title, found) for title, pattern in PANELS if len(found := points(figures, pattern)) > 1]
    rows = math.ceil(len(shown) / COLUMNS)
    across, down = WIDTH + LEFT + 24, HEIGHT + TOP + 36
    style = (
        "text{font:10px sans-serif;fill:#555}.title{font-weight:bold;fill:#222}.y{text-anchor:end}"
        ".x{text-anchor:middle}"
        ".grid{stroke:#ddd}.line{fill:none;stroke:#2563eb;stroke-width:1.5}circle{fill:#2563eb}"
    )
    size = f'width="{across * COLUMNS}" height="{down * rows}"'
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" {size}>', f"<style>{style}</style>"]
    lines.append('<rect width="100%" height="100%" fill="#fff"/>')
    for index, (title, found) in enumerate(shown):
        lines += panel(title, found, LEFT + index % COLUMNS * across, TOP + index // COLUMNS * down)
    target = Path(sys.argv[2]) if len(sys.argv) > 2 else TARGET
    target.write_text("\n".join([*lines, "</svg>", ""]), encoding="utf-8")
    print(f"{len(shown)} panels in {target}")


if __name__ == "__main__":
    main()
