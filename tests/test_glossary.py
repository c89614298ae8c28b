"""docs/glossary.md: the main nouns, each once, and nothing that is not there."""

import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "jikko"
TEXT = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
NOUNS = [name for entry in re.findall(r"^- (.+?):", TEXT, re.MULTILINE) for name in re.findall(r"\*\*(.+?)\*\*", entry)]
MAX_LINES = 250
"""It is read as a whole; what a class is for stands at the class."""


def test_it_can_be_read_at_one_sitting() -> None:
    assert len(TEXT.splitlines()) <= MAX_LINES


def test_a_noun_is_defined_once() -> None:
    assert {noun: count for noun, count in Counter(NOUNS).items() if count > 1} == {}


def test_the_classes_that_it_defines_exist() -> None:
    opening = re.compile(r"^(?:class )?(\w+)", re.MULTILINE)
    opened = {name for path in SOURCE.rglob("*.py") for name in opening.findall(path.read_text(encoding="utf-8"))}
    named = [noun for noun in NOUNS if re.fullmatch(r"(?:[A-Z][a-z]+){2,}", noun)]
    assert len(named) > 100
    assert [noun for noun in named if noun not in opened] == []


def test_the_modules_that_it_names_exist() -> None:
    named = set(re.findall(r"`([\w/]+\.py)`", TEXT))
    modules = [path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py")]
    assert [path for path in sorted(named) if not any(f"/{module}".endswith(f"/{path}") for module in modules)] == []
