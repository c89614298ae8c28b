"""Runs something as a user without any right, whichever user runs the tests, and as the one that runs them."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

PLAIN_USER = 64_901
USERS = (0, PLAIN_USER)
"""For ``as_user``, as parameters of a test."""


@contextmanager
def folder_of(user: int) -> Iterator[Path]:
    """A folder that belongs to a user, and that every user may enter: that of pytest may be root's only.

    Args:
        user: 0: the one that runs the tests.
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
    """Run something in a process of its own, as a user. Returns the error that it raised, or ``""``."""
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
