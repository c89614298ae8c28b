"""Commit and version of this build."""

import subprocess
from pathlib import Path

from jikko import __version__


def version() -> str:
    """Return the version, with its commit if known: ``0.2.0 (1a2b3c4d5e)``."""
    found = commit()
    return f"{__version__} ({found})" if found else __version__


def commit() -> str:
    """Return the commit's first ten digits, from the build or from git in a checkout; else an empty string."""
    package = Path(__file__).parent
    noted, root = package / "commit.txt", package.parents[1]
    if noted.exists():
        return noted.read_text(encoding="ascii").strip()
    # Installed inside another repository, it is not part of that one.
    if package.parent != root / "src" or not (root / ".git").exists():
        return ""
    asked = ["git", "-C", str(root), "rev-parse", "--short=10", "HEAD"]
    try:
        return subprocess.run(asked, capture_output=True, text=True, timeout=5, check=False).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
