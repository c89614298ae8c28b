"""Shared parts of the sandbox's tests: its variants, a run that cannot raise, and waiting for a condition."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping, Set
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
"""Fork server on a kernel without Landlock."""

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
"""Injects machine code into the fork server before it locks, as no program can: it makes an i386 system call."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Outcome of a run."""

    result: Json = None
    error: str = ""
    kind: str = ""
    seconds: float = 0.0


@contextlib.asynccontextmanager
async def running(limits: SandboxLimits | None = None, *, program: str = PROGRAM) -> AsyncIterator[ForkServerSandbox]:
    """Open a sandbox, and close it even if the test fails."""
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
    """Return the outcome of a program that needs almost no time, retrying timeouts on a busy machine."""
    async with asyncio.timeout(PATIENCE):
        while "wall time limit" in (seen := await outcome(sandbox, language, code, *arguments)).error:
            pass
    return seen


async def until(condition: Callable[[], bool], *, seconds: float = PATIENCE) -> None:
    """Wait until a condition holds.

    Raises:
        TimeoutError: It does not hold within ``seconds``.
    """
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 (what is waited for happens in other processes)
            await asyncio.sleep(0.005)


def stands_still(process_id: int) -> bool:
    """Return whether a process is stopped by a signal, or has ended."""
    try:
        stat = Path(f"/proc/{process_id}/stat").read_text(errors="replace")
    except OSError:
        return True
    return stat.rpartition(")")[2].split()[0] in "TZX"


def descendants(process_id: int, *, but: Set[int] = frozenset()) -> set[int]:
    """Return the ids of a process's descendants, without zombies, and without ``but`` and what is below these."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                # A process chooses its name, which may not be valid text.
                fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
            except OSError:
                continue
            if fields[0] != "Z":
                children.setdefault(int(fields[1]), []).append(int(entry.name))
    found: set[int] = set()
    pending = [process_id]
    while pending:
        below = set(children.get(pending.pop(), ())) - but
        found |= below
        pending += below
    return found


class Started:
    """Descendants of this process started after this object, not by what ran before: other tests may keep servers."""

    def __init__(self) -> None:
        self._before = descendants(os.getpid())

    def __call__(self) -> set[int]:
        return descendants(os.getpid(), but=self._before)


def is_alive(process_id: int) -> bool:
    """Return whether a process runs; zombies do not."""
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def open_files() -> int:
    """Return the number of open file descriptors of this process."""
    return len(os.listdir("/proc/self/fd"))


def kilobytes(process_id: int, field: str) -> int:
    """Return a memory size of a process, such as ``Private_Dirty`` for unshared memory; 0 if it has ended."""
    try:
        lines = Path(f"/proc/{process_id}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))
