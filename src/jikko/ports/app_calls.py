"""Workflows of this server, called as tools from within a run."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from jikko.values import Json

MAX_DEPTH = 10
"""Maximum nesting of workflows that call each other. A run started by a client is at level 0.

Source: docs/dify-behaviour.md, “Size limits”.
"""


class InnerInput(NamedTuple):
    name: str
    type: str
    """Type in the start node: ``text-input``, ``number``, …"""
    required: bool
    options: tuple[str, ...] = ()


class InnerApp(NamedTuple):
    id: str
    name: str
    inputs: tuple[InnerInput, ...]
    waits_for_humans: bool
    """True if the app has forms: in a call they could not be filled in."""


class InnerCall(NamedTuple):
    app: InnerApp
    inputs: Mapping[str, Json]
    files: list[Json]
    """``files`` of the request."""
    user: str
    end_user_id: str
    """End user of the outer run, on whose behalf the inner one reads and creates files."""
    key: str
    """Idempotency key: after a crash it finds the run that was started."""
    depth: int
    """Nesting level of the inner run, from 1."""


class InnerOutcome(NamedTuple):
    outputs: Mapping[str, Json]
    error: str | None
    """Why it failed or was stopped; ``None`` if it succeeded, even in part."""
    total_tokens: int


class InnerRefused(Exception):
    """An inner run was refused: an input is missing or wrong. The message is for the user."""


class InnerWorkflows(Protocol):
    """Finds and runs apps. ``runs.inner_runs.InnerRuns`` is the only implementation."""

    async def find(self, name: str) -> InnerApp | None:
        """Return the published app of that name, or ``None`` if there is none or it is a chat app. Raises
        ``InnerRefused`` if it is not usable."""

    async def run(self, call: InnerCall) -> InnerOutcome:
        """Run an app to its end. The run has its own record and log, and shares its caller's slot. Cancelling stops it.
        Raises ``InnerRefused`` if it did not start."""
