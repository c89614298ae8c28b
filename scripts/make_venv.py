"""Creates a virtual environment with pip, even if the Python lacks ``ensurepip``.

Usage: python make_venv.py FOLDER. Requires only the standard library.
"""

import importlib.util
import shutil
import subprocess
import sys
import venv
from pathlib import Path

OLDEST = (3, 11)


def main() -> None:
    """Create the environment, or report what is missing."""
    if sys.version_info[:2] < OLDEST:
        sys.exit(f"Jikko needs Python 3.11 or later; this is {sys.version.split()[0]}.")
    folder = Path(sys.argv[1])
    shutil.rmtree(folder, ignore_errors=True)
    has_pip = importlib.util.find_spec("ensurepip") is not None
    venv.create(folder, with_pip=has_pip, symlinks=True)
    if not has_pip and not _lend_pip(folder / "bin" / "python"):
        shutil.rmtree(folder, ignore_errors=True)
        sys.exit(
            f"{sys.executable} has neither ensurepip nor pip. "
            f"Install python{sys.version_info[0]}.{sys.version_info[1]}-venv (or your system's name for it)."
        )


def _lend_pip(python: Path) -> bool:
    """Install pip into the environment with the pip of another Python of this machine."""
    for lender in (sys.executable, "python3", "/usr/bin/python3", ".venv/bin/python"):
        if shutil.which(lender) is None:
            continue
        command = [lender, "-m", "pip", "--quiet", "--python", str(python), "install", "pip"]
        if subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0:
            return True
    return False


if __name__ == "__main__":
    main()
