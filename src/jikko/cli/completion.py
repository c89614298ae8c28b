"""What a shell offers for apps and runs. Reads names only, opens nothing for writing, and is silent if it cannot."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem


def complete_app(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The names of apps that begin so."""
    from jikko.store.sqlite.names import app_names

    return [CompletionItem(name) for name in _read(context, app_names) if name.startswith(incomplete)]


def complete_run(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The ids of the newest runs that begin so."""
    from jikko.store.sqlite.names import newest_runs

    return [
        CompletionItem(run_id, help=status)
        for run_id, status in _read(context, newest_runs)
        if run_id.startswith(incomplete.lower())
    ]


def _read(context: click.Context, names: Callable[[Path], list[Any]]) -> list[Any]:
    import sqlite3

    from jikko.errors import JikkoError
    from jikko.setting_sources import read_settings

    try:
        return names(read_settings(os.environ, home=context.params.get("home")).database)
    except (JikkoError, sqlite3.Error, OSError):
        return []
