"""Output of commands."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import click

from jikko.cli.terminal import padded, width
from jikko.terminal_text import printable, shown


def show_entry(entry: Mapping[str, Any], text: str, *, as_json: bool) -> None:
    """Print one thing: as a line of JSON, or as a text."""
    click.echo(shown(json.dumps(entry, ensure_ascii=False) if as_json else text))


def show_table(head: Sequence[str], rows: Iterable[tuple[Mapping[str, Any], Sequence[str]]], *, as_json: bool) -> None:
    """Print a list: as lines of JSON, or under a head in columns. An empty list has no head. ``rows``: each as JSON has
    it, and its columns."""
    listed = list(rows)
    if as_json:
        for entry, _ in listed:
            click.echo(json.dumps(entry, ensure_ascii=False))
        return
    table = [head, *(line for _, line in listed)] if listed else []
    widths = [max(map(width, column)) for column in zip(*table, strict=True)]
    for line in table:
        click.echo(printable("  ".join(map(padded, line, widths)).rstrip()))


def some(names: Sequence[str], noun: str = "", most: int = 8) -> Iterator[str]:
    """The first of some names, and how many more there are."""
    yield from names[:most]
    if len(names) > most:
        yield f"and {len(names) - most} more {noun}".rstrip()


def counted(number: int, noun: str) -> str:
    """``1 run``, ``2 runs``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def show_nothing(text: str, *, as_json: bool) -> None:
    """Tell a person that a list is empty; a pipe gets nothing, as programs expect of an empty list."""
    if sys.stdout.isatty() and not as_json:
        click.echo(text, err=True)
