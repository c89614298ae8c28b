"""docs/glossary.md: every public class and every main noun, once, and nothing that is not there."""

import re
from collections import Counter

from scripts import glossary

TEXT = glossary.GLOSSARY.read_text(encoding="utf-8")


def test_every_public_class_is_in_it_as_its_docstring_says() -> None:
    assert glossary.glossary(TEXT) == TEXT, "run `make format`"


def test_every_public_class_has_a_line_of_its_own() -> None:
    known = set(glossary.defined(TEXT))

    assert [name for _, name, _ in glossary.classes() if name not in known] == []


def test_a_noun_of_the_first_part_is_defined_once() -> None:
    counted = Counter(glossary.defined(glossary.first_part(TEXT)))

    assert {noun: count for noun, count in counted.items() if count > 1} == {}


def test_the_modules_that_it_names_exist() -> None:
    named = set(re.findall(r"`([\w/]+\.py)`", glossary.first_part(TEXT)))
    modules = [path.relative_to(glossary.SOURCE).as_posix() for path in glossary.SOURCE.rglob("*.py")]

    assert [path for path in sorted(named) if not any(f"/{module}".endswith(f"/{path}") for module in modules)] == []
