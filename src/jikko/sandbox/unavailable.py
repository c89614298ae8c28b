"""The sandbox where there can be none: it says why, and runs nothing."""

import platform
import sys
from collections.abc import Mapping
from typing import NoReturn

from jikko.ports.sandbox import SandboxFailure
from jikko.values import Json

_MACHINES = ("x86_64", "aarch64")


def why_unsupported() -> str | None:
    """Why this machine cannot have a sandbox, or ``None`` if it may have one."""
    if sys.platform != "linux":
        return "code and template nodes need Linux; run the container image of Jikko on this machine"
    if platform.machine() not in _MACHINES:
        return f"code and template nodes need a machine of type {' or '.join(_MACHINES)}, not {platform.machine()}"
    return None


class UnavailableSandbox:
    """A sandbox that refuses every run. Implements ``jikko.ports.sandbox.Sandbox``."""

    def __init__(self, reason: str) -> None:
        """Make one.

        Args:
            reason: What is missing and how to get it; goes into every error.
        """
        self._reason = reason

    async def run_code(self, language: str, code: str, arguments: Mapping[str, Json]) -> dict[str, Json]:
        """Refuse."""
        self._refuse()

    async def render(self, template: str, variables: Mapping[str, Json], *, scope: str = "") -> str:
        """Refuse."""
        self._refuse()

    async def close(self) -> None:
        """Do nothing."""

    def _refuse(self) -> NoReturn:
        raise SandboxFailure(f"The sandbox is not available: {self._reason}", kind="SandboxUnavailableError")
