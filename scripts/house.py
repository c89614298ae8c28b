"""Counts what makes the source hard to find one's way in: `make house`.

Counted are source and tests, names that stand for two things, imports that are hidden in functions, and what is not
typed. The trips of a request are counted by tests/test_performance_guard.py.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parent.parent
SOURCE: Final = ROOT / "src" / "jikko"
_ANY_IN: Final = ("cli", "server")
_INDENTED: Final = re.compile(r"^[ \t]+.*\bimport\b", re.MULTILINE)
"""Without such a line no function of a module imports anything: most have none, and need no look at their trees."""


class Module(NamedTuple):
    """A file of the source."""

    path: Path
    text: str
    tree: ast.Module


def modules() -> list[Module]:
    """All modules of the source, in the order of their paths."""
    return [Module(path, text, ast.parse(text)) for path, text in _texts(SOURCE).items()]


def _texts(folder: Path) -> dict[Path, str]:
    return {path: path.read_text("utf-8") for path in sorted(folder.rglob("*.py"))}


def inner_imports(module: Module) -> list[int]:
    """The lines of imports of the project's own modules inside functions."""
    if _INDENTED.search(module.text) is None:
        return []
    functions = (node for node in ast.walk(module.tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))
    inside = {node for function in functions for node in ast.walk(function)}
    return sorted(node.lineno for node in inside if isinstance(node, (ast.Import, ast.ImportFrom)) and _is_own(node))


def _is_own(node: ast.Import | ast.ImportFrom) -> bool:
    names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names]
    return any(name.partition(".")[0] == "jikko" for name in names)


def shared_classes(found: list[Module]) -> dict[str, int]:
    """Public classes of one name in several modules, with how many there are."""
    names = Counter(
        node.name
        for module in found
        for node in module.tree.body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    return {name: count for name, count in sorted(names.items()) if count > 1}


def shared_modules(found: list[Module]) -> dict[str, int]:
    """Names that several modules have, with how many have it; ``__init__`` is none."""
    names = Counter(module.path.stem for module in found if module.path.stem != "__init__")
    return {name: count for name, count in sorted(names.items()) if count > 1}


def untyped(found: list[Module]) -> int:
    """Parameters of commands and servers for settings and the assembly that say ``Any``."""
    of_entry = [module for module in found if module.path.relative_to(SOURCE).parts[0] in _ANY_IN]
    return sum(len(re.findall(r"\b(?:settings|assembly): Any\b", module.text)) for module in of_entry)


def figures(source: list[Module]) -> Iterator[tuple[str, int]]:
    """Each figure with its name, in the order of the table."""
    yield "lines of source", sum(module.text.count("\n") for module in source)
    yield "lines of tests", sum(text.count("\n") for text in _texts(ROOT / "tests").values())
    yield "modules", len(source)
    yield "folders", len({module.path.parent for module in source})
    yield "own modules imported inside functions", sum(len(inner_imports(module)) for module in source)
    yield "public class names used twice or more", len(shared_classes(source))
    yield "modules that share their name", sum(shared_modules(source).values())
    yield "Any for settings and assembly in cli and server", untyped(source)


if __name__ == "__main__":
    for name, figure in figures(modules()):
        print(f"{figure:8,}  {name}")
