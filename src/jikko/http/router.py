"""Which operation a request is for."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from jikko.assemble.assembly import Assembly
from jikko.http.operation import Operation, Section

_NOTHING: Final[Mapping[str, str]] = {}


class Router:
    """The table of operations, looked up by method and path.

    A path is looked up in a dictionary: as a whole if no part of it varies, and without its last part if only that one
    does. Those that vary elsewhere are the alternatives of one regular expression a method, each in a group of its own,
    so that the group that matched tells which it was. A slash more or less makes another address, as at Dify. A part in
    ``{*…}`` takes all that is left, slashes too.

    A section is imported with the first path that begins as its own do, and then part of the table: nothing of it is
    asked of any path again.
    """

    def __init__(self, entries: Iterable[Operation | Section]) -> None:
        self._become(list(entries))

    def _become(self, entries: list[Operation | Section]) -> None:
        self._entries = entries
        self._beginnings = tuple(
            beginning for entry in entries if isinstance(entry, Section) for beginning in entry.beginnings
        )
        tables: dict[str, list[Operation]] = {}
        for operation in entries:
            if isinstance(operation, Operation):
                for method in ("GET", "HEAD") if operation.method == "GET" else (operation.method,):
                    tables.setdefault(method, []).append(operation)
        self._tables = {method: _Table(table) for method, table in tables.items()}

    def _import(self, path: str) -> None:
        """Put the operations of sections in their place."""
        entries: list[Operation | Section] = []
        for entry in self._entries:
            if isinstance(entry, Section) and path.startswith(entry.beginnings):
                entries += entry.operations()
            else:
                entries.append(entry)
        self._become(entries)

    def is_to_be_prepared(self, path: str) -> bool:
        """Whether a section is to be imported for a path."""
        return path.startswith(self._beginnings)

    async def prepare(self, path: str, api: Assembly) -> None:
        """Have what is to be imported for a path imported beside the event loop, which then finds it quickly."""
        for entry in self._entries:
            if isinstance(entry, Section) and path.startswith(entry.beginnings):
                await entry.prepare(api)

    def find(self, method: str, path: str) -> tuple[Operation | None, Mapping[str, str]]:
        """The operation, and the parts of the path that its template names; ``None`` if there is none.

        Args:
            path: Decoded. What is decoded may contain slashes that were none: see ``has_encoded_slash``.
        """
        if path.startswith(self._beginnings):
            self._import(path)
        table = self._tables.get(method)
        if table is None:
            return None, _NOTHING
        operation = table.fixed.get(path)
        if operation is not None:
            return operation, _NOTHING
        before, _, last = path.rpartition("/")
        ending = table.endings.get(before)
        if ending is not None and last:
            operation, name = ending
            return operation, {name: last}
        match = table.match(path)
        if match is None or match.lastindex is None:
            return None, _NOTHING
        operation, names = table.varied[match.lastindex]
        return operation, {name: match[group] for name, group in names}

    def methods(self, path: str) -> list[str]:
        """The methods that an address has, sorted, ``OPTIONS`` among them; empty if there is no such address."""
        found = [method for method in self._tables if self.find(method, path)[0] is not None]
        return sorted({*found, "OPTIONS"}) if found else []


class _Table:
    """The operations of one method."""

    __slots__ = ("_pattern", "endings", "fixed", "match", "varied")

    def __init__(self, operations: list[Operation]) -> None:
        self.fixed = {operation.path: operation for operation in operations if "{" not in operation.path}
        self.endings: dict[str, tuple[Operation, str]] = {}
        """Those of which only the last part varies, by what stands before it; and the name of that part."""
        self.varied: dict[int, tuple[Operation, list[tuple[str, int]]]] = {}
        """By the number of the group around each: the operation, and the names and numbers of the groups in it."""
        patterns, group = [], 1
        for operation in operations:
            literal, *parts = re.split(r"{(\*?\w+)}", operation.path)
            if len(parts) == 2 and not parts[1] and literal.endswith("/") and not parts[0].startswith("*"):
                self.endings[literal[:-1]] = operation, parts[0]
            elif parts:
                after = "".join(
                    f"({'.*' if name.startswith('*') else '[^/]+'}){re.escape(text)}"
                    for name, text in zip(parts[::2], parts[1::2], strict=True)
                )
                patterns.append(f"({re.escape(literal)}{after})")
                self.varied[group] = operation, [(name, group + place) for place, name in enumerate(parts[::2], 1)]
                group += len(parts[::2]) + 1
        self._pattern = "|".join(patterns)
        self.match: Callable[[str], re.Match[str] | None] = self._first_match if patterns else _no_match

    def _first_match(self, path: str) -> re.Match[str] | None:
        """Compile the expression for the first path that needs it: of some methods and tables none ever does."""
        self.match = re.compile(self._pattern).fullmatch
        return self.match(path)


def _no_match(path: str) -> None:
    return None


def has_encoded_slash(raw_path: bytes) -> bool:
    """Whether a part of a path has a slash in it, where none of ours has: decoded it would look like one between."""
    return b"%" in raw_path and b"%2f" in raw_path.lower()
