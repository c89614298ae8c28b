"""Metrics of how hard the source is to navigate: `make house`.

Counted are source and tests, ambiguous names, imports inside functions, untyped parameters, files touched by a change,
and the path of a start through the source. tests/test_house.py and tests/test_performance_guard.py bound them.
"""

import ast
import asyncio
import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parent.parent
SOURCE: Final = ROOT / "src" / "jikko"
_ANY_IN: Final = ("cli", "server")
_KEPT_IN: Final = ("events", "event_parts", "record", "engine", "runs", "store", "ports", "repositories")
"""Packages between an event, or a service, and a column in both databases."""
COLUMNS: Final = {
    "of a run": "failed_node",
    "of a run that events count": "exceptions_count",
    "of a cold table": "due_at",
}
"""Sample columns, with names used for nothing else."""
_DIRECTORIES: Final = ("served.py", "operation.py")
"""Modules that define the path prefixes of sections, and how operations are written; not part of a section."""
_INDENTED: Final = re.compile(r"^[ \t]+(?:from|import) .*\bjikko\b", re.MULTILINE)
"""Modules without a match have no such imports inside functions: most need not be searched."""


class Module(NamedTuple):
    """Source file."""

    path: Path
    text: str
    tree: ast.Module


def modules() -> list[Module]:
    """Return all modules of the source, sorted by path."""
    return [Module(path, text, ast.parse(text)) for path, text in _texts(SOURCE).items()]


def _texts(folder: Path) -> dict[Path, str]:
    return {path: path.read_text("utf-8") for path in sorted(folder.rglob("*.py"))}


def inner_imports(module: Module) -> list[int]:
    """Return the lines of imports of the project's own modules inside functions."""
    if _INDENTED.search(module.text) is None:
        return []
    functions = (node for node in ast.walk(module.tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))
    inside = {node for function in functions for node in ast.walk(function)}
    return sorted(node.lineno for node in inside if isinstance(node, (ast.Import, ast.ImportFrom)) and _is_own(node))


def _is_own(node: ast.Import | ast.ImportFrom) -> bool:
    names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names]
    return any(name.partition(".")[0] == "jikko" for name in names)


def shared_classes(found: list[Module]) -> dict[str, int]:
    """Return names of public classes defined in several modules, with their counts."""
    names = Counter(
        node.name
        for module in found
        for node in module.tree.body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    return {name: count for name, count in sorted(names.items()) if count > 1}


def shared_modules(found: list[Module]) -> dict[str, int]:
    """Return names shared by several modules, with their counts, except ``__init__``."""
    names = Counter(module.path.stem for module in found if module.path.stem != "__init__")
    return {name: count for name, count in sorted(names.items()) if count > 1}


def untyped(found: list[Module]) -> int:
    """Count parameters for settings and the assembly typed ``Any`` in commands and servers."""
    of_entry = [module for module in found if module.path.relative_to(SOURCE).parts[0] in _ANY_IN]
    return sum(len(re.findall(r"\b(?:settings|assembly): Any\b", module.text)) for module in of_entry)


def files_of_column(column: str) -> list[Path]:
    """Return modules and migrations that name a column, without those that only display it."""
    files = [*SOURCE.rglob("*.py"), *SOURCE.rglob("*.sql")]
    kept = [path for path in files if path.relative_to(SOURCE).with_suffix("").parts[0] in _KEPT_IN]
    return sorted(path for path in kept if re.search(rf"\b{column}\b", path.read_text("utf-8")))


def files_of_operation(found: list[Module]) -> int:
    """Return the largest number of ``http`` modules that contain one operation's path, including its own."""
    of_http = [module for module in found if module.path.is_relative_to(SOURCE / "http")]
    texts = [module.text for module in of_http if module.path.name not in _DIRECTORIES]
    routes = {route for text in texts for route in re.findall(r'@\w+\(\s*(?:"[A-Z]+", )?("/v1/[^"]+")', text)}
    return max(sum(route in text for text in texts) for route in routes)


async def way_of_a_start() -> tuple[int, int]:
    """Return steps and files of a blocking start, stored on disk."""
    from benchmarks.hot_paths import hot_paths, trip

    with tempfile.TemporaryDirectory() as folder:
        async with hot_paths(Path(folder), in_memory=False) as paths:
            return await trip(paths.run("start_end", q="hello"))


def figures(source: list[Module]) -> Iterator[tuple[str, int]]:
    """Return name and value of each metric, in table order."""
    yield "lines of source", sum(module.text.count("\n") for module in source)
    yield "lines of tests", sum(text.count("\n") for text in _texts(ROOT / "tests").values())
    yield "modules", len(source)
    yield "folders", len({module.path.parent for module in source})
    yield "own modules imported inside functions", sum(len(inner_imports(module)) for module in source)
    yield "public class names used twice or more", len(shared_classes(source))
    yield "modules that share their name", sum(shared_modules(source).values())
    yield "Any for settings and assembly in cli and server", untyped(source)
    for what, column in COLUMNS.items():
        yield f"files that a column {what} touches", len(files_of_column(column))
    yield "files that an operation of the API touches", files_of_operation(source)
    yield "lines of the glossary, by hand", (ROOT / "docs" / "glossary.md").read_text("utf-8").count("\n")


def _main() -> None:
    for name, figure in figures(modules()):
        print(f"{figure:8,}  {name}")
    for name, figure in zip(("stays", "files"), asyncio.run(way_of_a_start()), strict=True):
        print(f"{figure:8,}  {name} of a start that waits for its end")


if __name__ == "__main__":
    _main()
