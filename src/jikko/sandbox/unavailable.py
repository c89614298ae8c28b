"""The sandbox where there can be none: it says why, and runs nothing."""

import platform
import sys
from typing import Any

from jikko.diagnostics.diagnostic import Phrase
from jikko.locks.numbers import MACHINES
from jikko.ports.sandbox import SandboxFailure
from jikko.values import Json


def unavailable(reason: str) -> SandboxFailure:
    """The error of a sandbox that cannot run programs."""
    return SandboxFailure(f"The sandbox is not available: {reason}", kind="SandboxUnavailableError")


def why_unsupported() -> Phrase | None:
    """Why this machine cannot have a sandbox, or ``None`` if it may have one."""
    if sys.platform != "linux":
        return Phrase("sandbox.platform")
    if platform.machine() not in MACHINES:
        return Phrase("sandbox.machine", {"machines": " or ".join(MACHINES), "machine": platform.machine()})
    return None


class UnavailableSandbox:
    """A sandbox that refuses every run. Implements ``jikko.ports.sandbox.Sandbox``."""

    def __init__(self, reason: str) -> None:
        """Make one. ``reason``: what is missing and how to get it; goes into every error."""
        self._reason = reason

    async def run_code(self, *job: Any, **options: Any) -> dict[str, Json]:
        raise unavailable(self._reason)

    async def render(self, *job: Any, **options: Any) -> str:
        raise unavailable(self._reason)

    async def close(self) -> None:
        """Do nothing."""
