"""Source positions of the parts of a DSL file, computed on demand: most files are never shown.

Not recursive. Aliases cost nothing: they refer to the place of their value.
"""

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import yaml

from jikko.dsl.load import decoded
from jikko.dsl.text.yaml_text import YamlProblem, as_yaml

_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_LINE_BREAK: Final = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
"""Line breaks of YAML."""
_STEP: Final = re.compile(r"\[(\d+)\]|\.?([^.\[]+)")


class Position(NamedTuple):
    """Line and column in characters, both from 1."""

    line: int
    column: int


class _Part:
    """One value of the file. Children by key, or by index."""

    __slots__ = ("end", "key", "parts", "position")

    def __init__(self, position: Position, *, is_list: bool = False) -> None:
        self.position = position
        """Its start; for an entry of a mapping, that of its key."""
        self.end = Position(position.line, 0)
        """Its last line, and the end column there; 0: the line belongs to it entirely, as in block style."""
        self.parts: dict[str | int, _Part] = {}
        self.key: str | int | None = 0 if is_list else None
        """While parsing: the next index, or the key that waits for its value."""


class Positions:
    """Positions in one file, by paths of problems: ``workflow.graph.nodes[3].data.code``."""

    def __init__(self, text: bytes | str) -> None:
        """``text``: As for ``load``. Invalid text has no positions."""
        try:
            self._root = _read(as_yaml(decoded(text)))
        except (yaml.YAMLError, YamlProblem, ValueError):
            self._root = None

    def at(self, path: str) -> Position | None:
        """Return the position of a path, or of its longest existing prefix. ``None`` if the file is invalid."""
        part = self._root
        if part is None:
            return None
        for step in _steps(path):
            following = part.parts.get(step)
            if following is None:
                break
            part = following
        return part.position


def lines_of(text: bytes | str, path: str) -> tuple[int, list[str]]:
    """Return the lines of a path's value, and the number of the first. Empty if the path does not exist."""
    part = Positions(text)._root
    for step in _steps(path):
        part = part.parts.get(step) if part is not None else None
    if part is None:
        return 1, []
    (first, column), (last, end) = part.position, part.end
    lines = _LINE_BREAK.split(decoded(text))[first - 1 : last]
    while not lines[-1].strip():
        del lines[-1]
    if end > 0:
        # Other values may share its first and last line, as in JSON.
        lines[-1] = lines[-1][:end]
        lines[0] = lines[0][column - 1 :]
    return first, lines


def _end(event: Any) -> Position:
    mark = event.end_mark
    return Position(mark.line + 1, mark.column) if mark.column > 0 else Position(mark.line, 0)


def _steps(path: str) -> Iterator[int | str]:
    return (int(match[1]) if match[1] else match[2] for match in _STEP.finditer(path))


def _read(text: str) -> _Part | None:
    stack: list[_Part] = []
    anchors: dict[str, _Part] = {}
    root: _Part | None = None
    last = 0
    for event in _events(text):
        kind = type(event)
        if kind in (yaml.MappingEndEvent, yaml.SequenceEndEvent):
            ended = stack.pop()
            if event.start_mark.index < event.end_mark.index:
                ended.end = _end(event)
                last = ended.end.line
            else:
                # The end of a block is implicit: comments on what follows may precede it.
                ended.end = Position(max(last, ended.position.line), 0)
            continue
        if kind not in (yaml.ScalarEvent, yaml.AliasEvent, yaml.MappingStartEvent, yaml.SequenceStartEvent):
            continue
        mark = event.start_mark
        part = _Part(Position(mark.line + 1, mark.column + 1), is_list=kind is yaml.SequenceStartEvent)
        if kind in (yaml.ScalarEvent, yaml.AliasEvent):
            end = _end(event)
            part.end = end if kind is yaml.ScalarEvent else part.end
            # An empty scalar is where the next part begins.
            last = end.line if mark.index < event.end_mark.index else last
        if kind is yaml.AliasEvent:
            part.parts = anchors[event.anchor].parts if event.anchor in anchors else {}
        elif event.anchor is not None:
            anchors[event.anchor] = part
        above = stack[-1] if stack else None
        if above is None:
            root = part
        elif isinstance(above.key, int):
            above.parts[above.key] = part
            above.key += 1
        elif above.key is None:
            above.key = event.value if kind is yaml.ScalarEvent else ""
            # Replaced by its value, which comes next.
            above.parts[above.key] = part
        else:
            part.position = above.parts[above.key].position
            above.parts[above.key] = part
            above.key = None
        if kind in (yaml.MappingStartEvent, yaml.SequenceStartEvent):
            stack.append(part)
    return root


def _events(text: str) -> Iterator[Any]:
    loader = _LOADER(text)
    try:
        while (event := loader.get_event()) is not None:
            yield event
    finally:
        loader.dispose()
