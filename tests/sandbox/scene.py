"""What the tests of the sandbox share: its variants, a run that cannot raise, and waiting for a condition."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jikko.ports.sandbox import SandboxFailure
from jikko.sandbox.client import ForkServerSandbox
from jikko.sandbox.launch import PROGRAM
from jikko.sandbox.limits import SandboxLimits
from jikko.values import Json
from tests.effort import PATIENCE

WITHOUT_LANDLOCK = f"import jikko.sandbox.lock as lock; lock.landlock_abi = lambda: 0; {PROGRAM}"
"""A fork server on a kernel that has no Landlock."""

INT_80 = b"\xb8\x14\x00\x00\x00\xcd\x80\xc3"
"""mov eax, 20 (getpid of i386); int 0x80; ret."""

WITH_NATIVE_CODE = f"""
import ctypes, mmap, sys, types
page = mmap.mmap(-1, 4096, prot=7)
page.write({INT_80!r})
evil = types.ModuleType("evil")
evil.i386_getpid = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
sys.modules["evil"] = evil
"""
"""Puts machine code into the fork server before it locks, as a program cannot: it makes an i386 system call."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run went."""

    result: Json = None
    error: str = ""
    kind: str = ""
    seconds: float = 0.0


@contextlib.asynccontextmanager
async def running(limits: SandboxLimits | None = None, *, program: str = PROGRAM) -> AsyncIterator[ForkServerSandbox]:
    """A sandbox that is closed in the end, also when the test fails."""
    sandbox = ForkServerSandbox(limits, program=program)
    try:
        yield sandbox
    finally:
        await sandbox.close()


async def outcome(
    sandbox: ForkServerSandbox,
    language: str,
    code: str,
    arguments: Mapping[str, Json] | None = None,
    *,
    app_id: str = "",
) -> Outcome:
    """Run a program, or render a template if the language is ``jinja2``."""
    started = time.perf_counter()
    try:
        result: Json
        if language == "jinja2":
            result = await sandbox.render(code, arguments or {}, app_id=app_id)
        else:
            result = await sandbox.run_code(language, code, arguments or {}, app_id=app_id)
    except SandboxFailure as failure:
        return Outcome(error=str(failure), kind=failure.kind, seconds=time.perf_counter() - started)
    return Outcome(result=result, seconds=time.perf_counter() - started)


async def outcome_in_time(sandbox: ForkServerSandbox, language: str, code: str, *arguments: Any) -> Outcome:
    """What comes of a program that needs next to no time, be it at a later try: a busy machine may need more."""
    async with asyncio.timeout(PATIENCE):
        while "wall time limit" in (seen := await outcome(sandbox, language, code, *arguments)).error:
            pass
    return seen


async def until(condition: Callable[[], bool], *, seconds: float = PATIENCE) -> None:
    """Wait until a condition holds.

    Raises:
        TimeoutError: It does not hold within N seconds.
    """
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 (what is waited for happens in other processes)
            await asyncio.sleep(0.005)


def descendants(process_id: int) -> set[int]:
    """The process ids below a process, zombies left out."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                # The name of a process is its own choice, and may be no text.
                fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
            except OSError:
                continue
            if fields[0] != "Z":
                children.setdefault(int(fields[1]), []).append(int(entry.name))
    found: set[int] = set()
    pending = [process_id]
    while pending:
        below = children.get(pending.pop(), [])
        found.update(below)
        pending += below
    return found


class Started:
    """The processes below this one that came after this was made: other tests may keep servers of their own."""

    def __init__(self) -> None:
        self._before = descendants(os.getpid())

    def __call__(self) -> set[int]:
        return descendants(os.getpid()) - self._before


def is_alive(process_id: int) -> bool:
    """Whether a process runs. A zombie does not."""
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def open_files() -> int:
    """How many file descriptors this process has open."""
    return len(os.listdir("/proc/self/fd"))


def kilobytes(process_id: int, field: str) -> int:
    """A size of a process, of which ``Private_Dirty`` is what it shares with none; 0 for one that has ended."""
    try:
        lines = Path(f"/proc/{process_id}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))
