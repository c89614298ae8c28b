"""Shell completion of apps and runs. Read-only, and silent on errors."""

import os
from typing import Any, Literal

import click
from click.shell_completion import CompletionItem

from jikko.errors import JikkoError
from jikko.setting_sources import read_settings


def complete_app(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in _read(context, "app_names") if name.startswith(incomplete)]


def complete_run(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the ids of the newest runs with this prefix."""
    return [
        CompletionItem(run_id, help=status)
        for run_id, status in _read(context, "newest_runs")
        if run_id.startswith(incomplete.lower())
    ]


def _read(context: click.Context, what: Literal["app_names", "newest_runs"]) -> list[Any]:
    from jikko.store.sqlite import peek

    try:
        found: list[Any] = getattr(peek, what)(read_settings(os.environ, home=context.params.get("home")).database)
        return found
    except (JikkoError, OSError):
        return []
