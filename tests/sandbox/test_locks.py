"""Single locks, each without the others that would hide that it does not hold."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jikko.sandbox import lock
from tests.sandbox.scene import Started, running

pytestmark = pytest.mark.anyio

LANDLOCKED = """
import errno, json, os, signal, socket, sys
from jikko.sandbox import lock

folder, port, name = sys.argv[1:]
abstract, tcp = (socket.socket(family) for family in (socket.AF_UNIX, socket.AF_INET))
attempts = {
    "reads a file": lambda: open(f"{folder}/file").read(),
    "writes a file": lambda: open(f"{folder}/file", "a").close(),
    "truncates a file": lambda: os.truncate(f"{folder}/file", 0),
    "makes a file": lambda: os.mknod(f"{folder}/new"),
    "removes a file": lambda: os.unlink(f"{folder}/file"),
    "lists a folder": lambda: os.listdir(folder),
    "makes a folder": lambda: os.mkdir(f"{folder}/folder"),
    "makes a link": lambda: os.symlink("x", f"{folder}/link"),
    "executes a program": lambda: os.execv("/proc/self/exe", ["python", "-c", "pass"]),
    "serves TCP": lambda: socket.socket().bind(("127.0.0.1", 0)),
    "calls by TCP": lambda: tcp.connect(("127.0.0.1", int(port))),
    "calls a socket outside": lambda: abstract.connect(chr(0) + name),
    "signals a process outside": lambda: os.kill(os.getppid(), 0),
}
lock.forbid_new_privileges()
lock.landlock_everything(lock.landlock_abi())
seen = {}
for attempt, act in attempts.items():
    try:
        act()
        seen[attempt] = "done"
    except OSError as error:
        seen[attempt] = errno.errorcode[error.errno]
os.write(1, json.dumps(seen).encode())
"""
SINCE = {"truncates a file": 3, "serves TCP": 4, "calls by TCP": 4} | dict.fromkeys(
    ("calls a socket outside", "signals a process outside"), 6
)
"""The version of Landlock that denies it first; all others, the first did."""

LOOK = 'for path in "$@" /proc/$$/maps; do head -c 1 "$path" 2>/dev/null | wc -c; done'
"""How many bytes it gets to see of files, and in the end of one of its own: 0 or 1."""


def test_landlock_denies_files_connections_and_what_is_outside_without_any_filter(tmp_path: Path) -> None:
    abi = lock.landlock_abi()
    assert abi, "the kernel has no Landlock: boot it with lsm=landlock,…"
    (tmp_path / "file").write_text("秘密")
    name = f"jikko-test-{os.getpid()}"
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind(f"\0{name}")
        abstract.listen()
        command = [sys.executable, "-c", LANDLOCKED, str(tmp_path), str(tcp.getsockname()[1]), name]
        done = subprocess.run(command, capture_output=True, check=True, timeout=60)

    seen = json.loads(done.stdout)
    assert {attempt: how for attempt, how in seen.items() if abi >= SINCE.get(attempt, 1)} == {
        attempt: "EPERM" if attempt.endswith("outside") else "EACCES"
        for attempt in seen
        if abi >= SINCE.get(attempt, 1)
    }
    assert (tmp_path / "file").read_text() == "秘密"


def look(paths: list[str]) -> list[int]:
    """How much of files a process sees that is of the sandbox's user and has no other right."""
    nobody: dict[str, Any] = {"user": lock.NOBODY, "group": lock.NOBODY, "extra_groups": []}
    identity = nobody if os.geteuid() == 0 else {}
    command = ["/bin/sh", "-c", LOOK, "sh", *paths]
    done = subprocess.run(command, cwd="/", capture_output=True, check=True, **identity)
    return [int(line) for line in done.stdout.split()]


async def test_other_processes_of_its_user_cannot_look_into_the_sandbox(started: Started) -> None:
    async with running() as sandbox:
        assert await sandbox.run_code("python3", "def main(): return {'ok': 1}", {}) == {"ok": 1}
        inside = started()
        paths = [f"/proc/{process}/{what}" for process in inside for what in ("environ", "maps", "auxv")]
        seen = await asyncio.to_thread(look, paths)

    assert len(inside) >= 2  # the fork server, and a child that waits
    assert seen == [0] * len(paths) + [1]
