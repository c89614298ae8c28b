"""Workflows of this server, called from within a run: as tools."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from jikko.values import Json

MAX_DEPTH = 10
"""Levels of workflows that call each other; a run that a client started is at level 0.

Source: docs/dify-behaviour.md, “Size limits”."""


class InnerInput(NamedTuple):
    """A start variable of an app."""

    name: str
    type: str
    """As the start node has it: ``text-input``, ``number``, …"""
    required: bool
    options: tuple[str, ...] = ()


class InnerApp(NamedTuple):
    """An app that can be called."""

    id: str
    name: str
    inputs: tuple[InnerInput, ...]
    waits_for_humans: bool
    """Whether it has forms, which could not be filled in."""


class InnerCall(NamedTuple):
    """A call of an app."""

    app: InnerApp
    inputs: Mapping[str, Json]
    files: list[Json]
    """The ``files`` of the request."""
    user: str
    end_user_id: str
    """Whose the outer run is: the inner one reads, and makes, files in this name."""
    key: str
    """Names the call: if the process dies, it finds the run that it had begun."""
    depth: int
    """Of the inner run, from 1."""


class InnerOutcome(NamedTuple):
    """How an inner run ended."""

    outputs: Mapping[str, Json]
    error: str | None
    """Why it failed or was stopped; ``None`` if it did its work, be it in part."""
    total_tokens: int


class InnerRefused(Exception):
    """A run was refused before it began: an input is missing or wrong. The message is for the user to read."""


class InnerWorkflows(Protocol):
    """Finds and runs apps. ``runs.inner_runs.InnerRuns`` is the one implementation."""

    async def find(self, name: str) -> InnerApp | None:
        """The app of that name, as it is published now; ``None`` if there is none, or it is a chat app.
        Raises ``InnerRefused``: it cannot be used."""

    async def run(self, call: InnerCall) -> InnerOutcome:
        """Run an app to its end. It has a record and a log of its own, and waits for no slot: its caller has one.
        Cancelling stops it. Raises ``InnerRefused``: it did not begin."""
