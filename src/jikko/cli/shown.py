"""What commands print."""

import json
from collections.abc import Mapping
from typing import Any

import click


def show_entry(entry: Mapping[str, Any], text: str, *, as_json: bool) -> None:
    """Print one thing: as a line of JSON, or as a text."""
    click.echo(json.dumps(entry, ensure_ascii=False) if as_json else text)


def shown(text: str) -> str:
    """A text of a run as it may be printed: halves of characters, which UTF-8 lacks, are question marks."""
    return text.encode("utf-8", "replace").decode()


def harmless(text: str) -> str:
    """A text for people, of one or several lines: without what would steer the terminal."""
    return "\n".join(map(printable, text.split("\n")))


def printable(text: str) -> str:
    """A text as a line of a terminal: without what would move the cursor, change colors or ring."""
    return "".join(character if character.isprintable() else " " for character in shown(text))
