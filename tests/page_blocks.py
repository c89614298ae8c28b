"""Code blocks of the pages: README.md, CONTRIBUTING.md and docs/*.md; translations have the same."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
PAGES: Final = ["README.md", "CONTRIBUTING.md", *sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))]
_BLOCK: Final = re.compile(r"^( *)```(\w*)(?: file=(\S+))?\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_CHANGES: Final = re.compile(r"[0-9a-f]{4}…|[0-9a-f]{8}(?:-[0-9a-f]{4,12})*|\d+(?:\.\d+)?")
"""Parts that differ between calls: ids, times, figures."""


@dataclass(frozen=True)
class Block:
    """Code block, without the indentation of a surrounding list."""

    page: str
    line: int
    """Line of its fence, from 1."""
    kind: str
    """``""`` if not stated."""
    file: str
    """File name under which the page saves it, or ``""``."""
    text: str

    @property
    def first_line(self) -> str:
        return self.text.partition("\n")[0]

    def commands(self) -> Iterator[tuple[str, str]]:
        """Yield each command with its shown output (``""`` for none). In ``sh`` blocks every line is a command."""
        if self.kind == "sh":
            yield from ((line, "") for line in self.text.replace("\\\n", "").splitlines() if line.strip())
        else:
            for command, shown in re.findall(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", self.text, re.MULTILINE):
                yield command.replace("\\\n", ""), shown


def blocks(page: str, *kinds: str) -> list[Block]:
    """Return the blocks of a page in order, optionally only of some kinds."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = []
    for match in _BLOCK.finditer(text):
        indent, kind, file, content = match.groups()
        if not kinds or kind in kinds:
            plain = "".join(line.removeprefix(indent) for line in content.splitlines(keepends=True))
            found.append(Block(page, text.count("\n", 0, match.start()) + 1, kind, file or "", plain))
    return found


class Blocks:
    """Blocks of a page, each of which a test must take."""

    def __init__(self, page: str, *kinds: str) -> None:
        self._left = blocks(page, *kinds)

    def take(self, begin: str) -> Block:
        """Take the block whose text begins with ``begin``."""
        [found] = [block for block in self._left if block.text.startswith(begin)]
        self._left.remove(found)
        return found

    def end(self) -> None:
        assert [f"{block.page}:{block.line}: {block.first_line}" for block in self._left] == []


def replaced(text: str, pairs: Mapping[str, str]) -> str:
    """Replace a page's placeholders by this machine's values. All must occur."""
    for old, new in pairs.items():
        assert old in text, (old, text)
        text = text.replace(old, new)
    return text


def fits(output: str, expected: str) -> bool:
    """Return whether an output matches a page; ``…`` matches anything."""
    pattern = ".*".join(re.escape(part) for part in expected.strip().split("…"))
    text = output.replace("\r", "").strip()
    return re.fullmatch(pattern, text, re.DOTALL) is not None


def looks_like(output: str, expected: str) -> bool:
    """Match, ignoring ids, times, figures, and the column widths that depend on them."""
    return fits(*map(_shape, (output, expected)))


def _shape(text: str) -> str:
    lines = (" ".join(_CHANGES.sub("0", line).split()) for line in text.splitlines())
    return "\n".join(lines)


def shown_commands(found: Iterable[Block]) -> list[tuple[str, str]]:
    """Return the commands of several blocks."""
    return [pair for block in found for pair in block.commands()]
