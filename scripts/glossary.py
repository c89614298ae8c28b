"""Writes the second part of docs/glossary.md: every public class that the first part does not define.

Usage: python -m scripts.glossary

The first part is written by hand. The second has, for each class, its module and the first sentence of its docstring,
so that it cannot say anything else than the code. ``make format`` runs this; a test fails where it was forgotten.
"""

import ast
import re
import sys
import textwrap
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
SOURCE: Final = ROOT / "src" / "jikko"
GLOSSARY: Final = ROOT / "docs" / "glossary.md"
MARK: Final = "## All other public classes\n"
_INTRODUCTION: Final = """
By folder, in the words of their docstrings: this part is written by `python -m scripts.glossary`.
"""


@cache
def classes() -> tuple[tuple[str, str, str], ...]:
    """Every public class: its module's path below ``src/jikko``, its name, the first sentence of its docstring."""
    found = []
    for path in sorted(SOURCE.rglob("*.py"), key=lambda path: (path.parent, path.name)):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                text = " ".join((ast.get_docstring(node) or "").partition("\n\n")[0].split())
                sentence = re.match(r".+?[.:](?= [A-Z`]|$)|.+", text)
                found.append((path.relative_to(SOURCE).as_posix(), node.name, sentence[0] if sentence else ""))
    return tuple(found)


def first_part(text: str) -> str:
    """What is written by hand."""
    return text.partition(MARK)[0].rstrip() + "\n"


def defined(text: str) -> list[str]:
    """The nouns that a part of the glossary defines, in order."""
    return [name for line in text.splitlines() for name in re.findall(r"\*\*(.+?)\*\*", line)]


def glossary(text: str) -> str:
    """The glossary as it should be, from what it is."""
    by_hand = first_part(text)
    known = set(defined(by_hand))
    lines, folder = [MARK + _INTRODUCTION], ""
    for path, name, sentence in classes():
        if name in known:
            continue
        if path.rpartition("/")[0] != folder:
            folder = path.rpartition("/")[0]
            lines.append(f"\n### `{folder}/`\n" if folder else "\n### Beside the folders\n")
        described = sentence.replace("``", "`")
        lines.append(
            textwrap.fill(f"- **{name}** (`{Path(path).name}`): {described}", 120, subsequent_indent="  ") + "\n"
        )
    return by_hand + "\n" + "".join(lines)


def main() -> int:
    """Write the file anew."""
    text = GLOSSARY.read_text(encoding="utf-8")
    GLOSSARY.write_text(glossary(text), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
