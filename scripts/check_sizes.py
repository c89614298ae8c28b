"""Fails if a source file has more than 400 lines or a test file more than 500."""

import sys
from pathlib import Path

LIMITS = {"src": 400, "tests": 500}
"""Lines that a Python file below each folder may have."""


def too_long(root: Path) -> list[str]:
    """A line of text for each file that is over its limit."""
    return [
        f"{path.relative_to(root)}: {lines} lines, more than {limit}"
        for folder, limit in LIMITS.items()
        for path in sorted((root / folder).rglob("*.py"))
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > limit
    ]


if __name__ == "__main__":
    sys.exit("\n".join(too_long(Path(__file__).parents[1])) or None)
