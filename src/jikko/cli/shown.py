"""What commands print."""

import json
import sys
from collections.abc import Mapping
from typing import Any

import click


def show_entry(entry: Mapping[str, Any], text: str, *, as_json: bool) -> None:
    """Print one thing: as a line of JSON, or as a text."""
    click.echo(json.dumps(entry, ensure_ascii=False) if as_json else text)


def show_nothing(text: str, *, as_json: bool) -> None:
    """Tell a person that a list is empty; a pipe gets nothing, as programs expect of an empty list."""
    if sys.stdout.isatty() and not as_json:
        click.echo(text, err=True)
