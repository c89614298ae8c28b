"""The blocks of code of the pages: README.md, CONTRIBUTING.md and docs/*.md; translations have the same."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
PAGES: Final = ["README.md", "CONTRIBUTING.md", *sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))]
_BLOCK: Final = re.compile(r"^( *)```(\w*)(?: file=(\S+))?\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_CHANGES: Final = re.compile(r"[0-9a-f]{4}…|[0-9a-f]{8}(?:-[0-9a-f]{4,12})*|\d+(?:\.\d+)?")
"""What differs from one call to the next: ids, times, figures."""


@dataclass(frozen=True)
class Block:
    """One block, without the indentation of the list that it may stand in."""

    page: str
    line: int
    """That of its fence, from 1."""
    kind: str
    """``""`` if it says none."""
    file: str
    """The name under which the page has it saved; ``""`` for none."""
    text: str

    @property
    def first_line(self) -> str:
        return self.text.partition("\n")[0]

    def commands(self) -> Iterator[tuple[str, str]]:
        """Each command with what is shown of its output (``""``: nothing). Of ``sh`` every line is one."""
        if self.kind == "sh":
            yield from ((line, "") for line in self.text.replace("\\\n", "").splitlines() if line.strip())
        else:
            for command, shown in re.findall(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", self.text, re.MULTILINE):
                yield command.replace("\\\n", ""), shown


def blocks(page: str, *kinds: str) -> list[Block]:
    """The blocks of a page in their order; of some kinds, or all."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = []
    for match in _BLOCK.finditer(text):
        indent, kind, file, content = match.groups()
        if not kinds or kind in kinds:
            plain = "".join(line.removeprefix(indent) for line in content.splitlines(keepends=True))
            found.append(Block(page, text.count("\n", 0, match.start()) + 1, kind, file or "", plain))
    return found


class Blocks:
    """The blocks of a page that a test goes through: it has to take each."""

    def __init__(self, page: str, *kinds: str) -> None:
        self._left = blocks(page, *kinds)

    def take(self, begin: str) -> Block:
        """The block whose text begins so."""
        [found] = [block for block in self._left if block.text.startswith(begin)]
        self._left.remove(found)
        return found

    def end(self) -> None:
        assert [f"{block.page}:{block.line}: {block.first_line}" for block in self._left] == []


def replaced(text: str, pairs: Mapping[str, str]) -> str:
    """A text with what this machine has in the place of what only stands for something. All of it must be there."""
    for old, new in pairs.items():
        assert old in text, (old, text)
        text = text.replace(old, new)
    return text


def fits(output: str, expected: str) -> bool:
    """Whether an output is what a page shows; ``…`` stands for anything."""
    pattern = ".*".join(re.escape(part) for part in expected.strip().split("…"))
    text = output.replace("\r", "").strip()
    return re.fullmatch(pattern, text, re.DOTALL) is not None


def looks_like(output: str, expected: str) -> bool:
    """The same, whatever ids, times and figures there are, and however columns are as wide as these want them."""
    return fits(*map(_shape, (output, expected)))


def _shape(text: str) -> str:
    lines = (" ".join(_CHANGES.sub("0", line).split()) for line in text.splitlines())
    return "\n".join(lines)


def shown_commands(found: Iterable[Block]) -> list[tuple[str, str]]:
    """The commands of several blocks."""
    return [pair for block in found for pair in block.commands()]
