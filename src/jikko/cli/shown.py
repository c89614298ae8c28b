"""What commands print."""

import json
from collections.abc import Mapping
from typing import Any

import click


def show_entry(entry: Mapping[str, Any], text: str, *, as_json: bool) -> None:
    """Print one thing: as a line of JSON, or as a text."""
    click.echo(json.dumps(entry, ensure_ascii=False) if as_json else text)
