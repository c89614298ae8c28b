"""Child processes: started in their own group, awaited over HTTP, stopped by process id."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.effort import trusted

START_TIMEOUT = 60.0
STOP_TIMEOUT = 60.0


@contextmanager
def running(command: Sequence[str], ready_url: str, log: Path, env: Mapping[str, str] | None = None) -> Iterator[int]:
    """Run ``command`` for the block. Yields its process id once ``ready_url`` answers 200."""
    with log.open("wb") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
    try:
        _await(child, ready_url, log)
        yield child.pid
    finally:
        _stop(child)


def _await(child: subprocess.Popen[bytes], url: str, log: Path) -> None:
    """Wait for the first 200."""
    deadline = time.monotonic() + START_TIMEOUT
    # A single client: each loads the trusted authorities.
    with httpx.Client(timeout=2.0, trust_env=False, verify=trusted()) as client:
        while time.monotonic() < deadline:
            if child.poll() is not None:
                raise RuntimeError(
                    f"{child.args!r} ended with {child.returncode}:\n{log.read_text(errors='replace')[-2000:]}"
                )
            try:
                if client.get(url).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.05)
    raise TimeoutError(f"{url} did not answer 200 within {START_TIMEOUT:.0f} s")


def _stop(child: subprocess.Popen[bytes]) -> None:
    """Stop the child's process group, gracefully at first."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        if child.poll() is None:
            try:
                os.killpg(child.pid, sign)
                child.wait(STOP_TIMEOUT)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue
