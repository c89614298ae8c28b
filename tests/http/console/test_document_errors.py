"""Why a document could not be read, cut or indexed, which the record keeps as a sentence, the page says in Japanese."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SOURCE = ROOT / "src" / "jikko"
SPEAKING = [
    *(SOURCE / "documents" / f"{name}.py" for name in ("archives", "books", "charset", "pdf", "processes", "worker")),
]
"""Modules whose sentences all reach the page."""
OTHERS = [
    *(SOURCE / "documents" / f"{name}.py" for name in ("formats", "mail", "spreadsheets")),
    SOURCE / "knowledge" / "indexing" / "indexing.py",
    SOURCE / "knowledge" / "texts" / "rules.py",
]
"""Modules of which some do."""
NO_SENTENCES = re.compile(r"(can't start new thread|//|, …|[\W7]*$)")
"""Names, and parts of other sentences."""


def _strings(file: Path) -> Iterator[str]:
    """The texts of a module, with 7 for what is put in."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    passed = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            passed.add(id(node.annotation))
        if isinstance(node, ast.JoinedStr):
            passed |= {id(part) for part in ast.walk(node) if part is not node and isinstance(part, ast.Constant)}
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "7" for part in node.values)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in passed:
            yield node.value


@cache
def _table() -> list[re.Pattern[str]]:
    page = (ROOT / "console" / "src" / "words" / "documents.ts").read_text(encoding="utf-8")
    return [re.compile(says, re.DOTALL if flags else 0) for says, flags in re.findall(r"/(\^.+?\$)/(s?),", page)]


@pytest.mark.parametrize("file", SPEAKING, ids=lambda file: file.stem)
def test_no_sentence_is_missing(file: Path) -> None:
    texts = [text for text in _strings(file) if " " in text.strip() and not NO_SENTENCES.match(text)]
    assert [text for text in texts if not any(says.search(text) for says in _table())] == []


def test_every_sentence_of_the_page_is_one_of_the_server() -> None:
    texts = [text for file in (*SPEAKING, *OTHERS) for text in _strings(file)]
    assert [says.pattern for says in _table() if not any(says.search(text) for text in texts)] == []
