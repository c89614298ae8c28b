"""Runs code as an unprivileged user, whichever user runs the tests, and as the user running them."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

PLAIN_USER = 12_345
USERS = (0, PLAIN_USER)
"""For ``as_user``, as parameters of a test."""


@contextmanager
def folder_of(user: int) -> Iterator[Path]:
    """Create a folder owned by a user and accessible to all: pytest's may be accessible to root only.

    Args:
        user: 0 for the user running the tests.
    """
    made = Path(tempfile.mkdtemp(prefix="jikko-user-"))
    made.chmod(0o755)
    if user and os.geteuid() == 0:
        os.chown(made, user, user)
    try:
        yield made
    finally:
        for folder, _, _ in os.walk(made):
            Path(folder).chmod(0o700)
        shutil.rmtree(made)


def as_user(user: int, work: Callable[[], object]) -> str:
    """Run something in a separate process as a user. Returns its error message, or ``""``."""
    read, write = os.pipe()
    process = os.fork()
    if not process:
        error = ""
        try:
            if user and os.geteuid() == 0:
                os.setgroups([])
                os.setresgid(user, user, user)
                os.setresuid(user, user, user)
            work()
        except BaseException as raised:
            error = f"{type(raised).__name__}: {raised}"
        os.write(write, error.encode(errors="replace"))
        os._exit(0)
    os.close(write)
    with open(read, "rb") as answer:
        text = answer.read().decode()
    os.waitpid(process, 0)
    return text


def pytest_as_plain_user(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run tests as an unprivileged user; a user other than root already is one.

    Args:
        folder: From ``folder_of(PLAIN_USER)``.
    """
    root = Path(__file__).parent.parent
    python, search = sys.executable, [str(root), str(root / "src")]
    # In a child process: the first one was executed with root's rights.
    again = "import subprocess, sys; subprocess.run([sys.executable, '-c', ''], check=True)"
    if _without_rights(folder, [python, "-c", again], search).returncode:
        # An interpreter in a directory only root can access.
        installed = folder / "python"
        left_out = shutil.ignore_patterns("test", "idlelib", "site-packages", "share", "*.a")
        shutil.copytree(sys.base_prefix, installed, symlinks=True, ignore=left_out)
        program = installed / "bin" / Path(sys._base_executable).resolve().name  # type: ignore[attr-defined]
        # It looks for its library at its original place.
        library = f"{sys.base_prefix}/lib\0".encode()
        beside = b"$ORIGIN/../lib".ljust(len(library), b"\0")
        program.write_bytes(program.read_bytes().replace(library, beside))
        python = str(program)
        search.append(sysconfig.get_path("purelib"))
    options = ["-p", "no:cacheprovider", "-rs", f"--rootdir={root}", f"--config-file={root}/pyproject.toml"]
    command = [python, "-m", "pytest", *options, f"--basetemp={folder}/t", *arguments]
    return _without_rights(folder, command, search)


def _without_rights(folder: Path, command: list[str], search: list[str]) -> "subprocess.CompletedProcess[str]":
    if os.geteuid() == 0:
        assert shutil.which("setpriv"), "setpriv (util-linux) is needed to run tests as another user"
        command = [
            "setpriv", f"--reuid={PLAIN_USER}", f"--regid={PLAIN_USER}", "--clear-groups", "--no-new-privs",
            "--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all", *command,
        ]  # fmt: skip
    environment = {"HOME": str(folder), "PYTHONPATH": os.pathsep.join(search), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
