"""Output of commands over the management API: as they are with ``--json``, else their fields."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jikko.cli.output import show_entry, show_table
from jikko.cli.runs.entries import iso
from jikko.terminal_text import harmless, printable


def show_list(entries: Iterable[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool) -> None:
    """Print a list. ``columns``: fields of fields have dots between their names."""
    head = tuple(column.partition(".")[0].removesuffix("_at").upper() for column in columns)
    rows = [(entry, tuple(printable(_words(_at(entry, column), column)) for column in columns)) for entry in entries]
    show_table(head, rows, as_json=as_json)


def show_fields(entry: Mapping[str, Any], *, as_json: bool) -> None:
    """Print one thing, a line a field; what has no value is left out."""
    lines = [f"{name}  {_words(value, name)}" for name, value in entry.items() if value not in (None, "", [], {})]
    show_entry(entry, harmless("\n".join(lines)), as_json=as_json)


def _at(entry: Any, column: str) -> Any:
    for name in column.split("."):
        entry = entry.get(name) if isinstance(entry, Mapping) else None
    return entry


def _words(value: Any, column: str) -> str:
    if value is None:
        return ""
    if column.rpartition("_")[2] == "at" and isinstance(value, (int, float)):
        return iso(value, "seconds")
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
