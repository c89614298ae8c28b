"""The commit that this build is of."""

import subprocess
from pathlib import Path

from jikko import __version__


def version() -> str:
    """The version, with the commit behind it where that is known: ``0.2.0 (1a2b3c4d5e)``."""
    found = commit()
    return f"{__version__} ({found})" if found else __version__


def commit() -> str:
    """The first ten digits of the commit, as the build noted them, or as git says of a checkout; or nothing."""
    package = Path(__file__).parent
    noted, root = package / "commit.txt", package.parents[1]
    if noted.exists():
        return noted.read_text(encoding="ascii").strip()
    # Installed into a folder of another repository, it is no part of that one.
    if package.parent != root / "src" or not (root / ".git").exists():
        return ""
    asked = ["git", "-C", str(root), "rev-parse", "--short=10", "HEAD"]
    try:
        return subprocess.run(asked, capture_output=True, text=True, timeout=5, check=False).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
