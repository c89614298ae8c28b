"""Markdown tables, and typed columns of sheets as in Dify.

Dify reads sheets with pandas, which shows in its text: in a column of integers with a gap, values become ``1.0`` and
``nan``; in a column of texts like ``007``, they become ``7``. These rules produce the same text without pandas.
"""

import datetime
import math
import re
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

Cell: TypeAlias = Any
"""``str``, ``int``, ``float``, ``bool``, or a type of ``datetime``; ``""`` and NaN are empty."""

_NOTHING: Final = frozenset(
    {"-1.#IND", "1.#QNAN", "1.#IND", "-1.#QNAN", "#N/A N/A", "#N/A", "N/A", "n/a", "NA", "<NA>", "#NA", "NULL", "null"}
    | {"NaN", "-NaN", "nan", "-nan", "None", ""}
)
_INTEGER: Final = re.compile(r"\s*[+-]?\d+\s*", re.ASCII)
_FLOAT: Final = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
_BOOLEANS: Final = {"True": True, "TRUE": True, "true": True, "False": False, "FALSE": False, "false": False}


def _markdown_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def plain_table(rows: Sequence[Sequence[str]]) -> str:
    """Return a table of comma-separated texts, with the first row as header. Line breaks in cells become spaces."""
    if not rows:
        return ""
    lines = [_markdown_row([cell.replace("\n", " ").replace("\r", "") for cell in row]) for row in rows]
    lines.insert(1, _markdown_row(["-" * len(cell) for cell in rows[0]]))
    return "".join(line + "\n" for line in lines)


def document_table(rows: Sequence[Sequence[str]]) -> str:
    """Return a document's table of at least one row, the header. Line breaks in cells become ``<br>``."""
    lines = [_markdown_row([cell.replace("\n", "<br>") for cell in row]) for row in rows]
    lines.insert(1, _markdown_row(["---"] * len(rows[0])))
    return "".join(line + "\n" for line in lines)


def sheet_table(rows: Sequence[Sequence[Cell]]) -> str:
    """Return a sheet's table, without a trailing line break, with the first row as header. Empty rows are skipped."""
    width = max(map(len, rows), default=0)
    padded = [[*row, *([""] * (width - len(row)))] for row in rows]
    head = _names(padded[0]) if padded else []
    columns = [_column([row[index] for row in padded[1:]]) for index in range(width)]
    if columns and all(_is_numeric(column) for column in columns) and any(map(_has_float, columns)):
        # A row of numbers is shown in the type that fits all of them.
        columns = [[float(cell) for cell in column] for column in columns]
    body = (row for row in zip(*columns, strict=True) if not all(map(_is_nothing, row)))
    lines = [head, ["-" * len(name) for name in head], *map(_shown_row, body)]
    return "\n".join(map(_markdown_row, lines))


def _names(row: Sequence[Cell]) -> list[str]:
    if _is_numeric(row) and _has_float(row) and len(set(row)) == len(row):
        row = [float(cell) for cell in row]
    titles = [f"Unnamed: {index}" if _is_nothing(cell) else cell for index, cell in enumerate(row)]
    taken, names = set(titles), list[str]()
    # By value: 1 is True, and the text "True" is not.
    seen: dict[Cell, int] = {}
    for title in titles:
        count = seen.get(title, 0)
        while count and f"{title}.{count}" in taken:
            count += 1
        seen[title] = count + 1
        names.append(_one_line_of(f"{title}.{count}" if count else str(title)))
    return names


def _column(cells: Sequence[Cell]) -> list[Cell]:
    values = [math.nan if _is_nothing(cell) else cell for cell in cells]
    there = [value for value in values if not _is_nothing(value)]
    if there and all(isinstance(value, datetime.datetime) for value in there):
        return ["NaT" if _is_nothing(value) else value for value in values]
    if there and all(isinstance(value, datetime.timedelta) for value in there):
        return ["NaT" if _is_nothing(value) else _duration(value) for value in values]
    if there and all(isinstance(value, bool) or value in _BOOLEANS for value in there):
        if len(there) < len(values) and all(isinstance(value, bool) for value in there):
            return [float(value) for value in values]
        return [_BOOLEANS.get(value, value) if isinstance(value, str) else value for value in values]
    if not all(map(_is_number, there)):
        return values
    numbers = [_number(value) for value in values]
    return [float(number) for number in numbers] if any(isinstance(number, float) for number in numbers) else numbers


def _duration(value: Cell) -> str:
    """Return ``1 days 06:00:00`` for 30 hours; ``-1 days +23:00:00`` for minus one."""
    time = (datetime.datetime.min + value % datetime.timedelta(days=1)).time()
    return f"{value.days} days {'+' if value.days < 0 else ''}{time}"


def _is_number(value: Cell) -> bool:
    return isinstance(value, (int, float)) or (isinstance(value, str) and _FLOAT.fullmatch(value) is not None)


def _number(value: Cell) -> int | float:
    if isinstance(value, str):
        return int(value) if _INTEGER.fullmatch(value) else float(value)
    return value if isinstance(value, float) else int(value)


def _is_numeric(column: Sequence[Cell]) -> bool:
    return all(isinstance(cell, (int, float)) and not isinstance(cell, bool) for cell in column)


def _has_float(column: Sequence[Cell]) -> bool:
    return any(isinstance(cell, float) for cell in column)


def _is_nothing(cell: Cell) -> bool:
    if isinstance(cell, str):
        return cell in _NOTHING or cell == "NaT"
    return cell is None or (isinstance(cell, float) and math.isnan(cell))


def _shown_row(row: Sequence[Cell]) -> list[str]:
    if any(isinstance(cell, datetime.datetime) for cell in row) and all(
        isinstance(cell, datetime.datetime) or _is_nothing(cell) for cell in row
    ):
        return ["NaT" if _is_nothing(cell) else str(cell) for cell in row]
    return [_one_line_of(cell) if isinstance(cell, str) else str(cell) for cell in row]


def _one_line_of(cell: str) -> str:
    return " ".join(cell.splitlines())
