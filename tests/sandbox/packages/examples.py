"""Programs of docs/packages.md, with their documented results."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[3] / "docs" / "packages.md"
_PROGRAM = re.compile(r"```python\n(.*?)```\n(?:\nWith `(\w+)` = `(.*?)`:\n\n```json\n(.*?)```)?", re.DOTALL)


@dataclass(frozen=True)
class Example:
    """Program of the page."""

    code: str
    needs: tuple[str, ...]
    """Packages named in its first line."""
    arguments: dict[str, Any]
    result: Any
    """``None`` if not documented."""


def examples() -> list[Example]:
    """Return all programs, in page order."""
    found = []
    for code, name, value, result in _PROGRAM.findall(PAGE.read_text(encoding="utf-8")):
        line = code.partition("\n")[0]
        needs = tuple(line.removeprefix("# needs ").split(", ")) if line.startswith("# needs ") else ()
        arguments = {name: json.loads(value)} if name else {}
        found.append(Example(code, needs, arguments, json.loads(result) if result else None))
    return found
