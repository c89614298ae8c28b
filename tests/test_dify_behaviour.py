"""The page of Dify's rules and the code that cites it keep together."""

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[1]
NAME = "docs/dify-behaviour.md"
PAGE = (ROOT / NAME).read_text(encoding="utf-8")
RULES = re.findall(r"^### (.+)$", PAGE, re.MULTILINE)
CHAPTERS = re.findall(r"^## (.+)$", PAGE, re.MULTILINE)
QUOTED = "“[^”]+”"
CITATION = re.compile(rf"{re.escape(NAME)}, ({QUOTED}(?:, {QUOTED})*)")
CITING = [
    *(path for folder in ("src", "tests") for path in (ROOT / folder).rglob("*.py") if path != Path(__file__)),
    *(path for path in (ROOT / "docs").rglob("*.md") if path != ROOT / NAME),
    ROOT / "CONTRIBUTING.md",
]
TEXTS = {
    # One line a file, so that a citation may be broken like any other text; a comment begins each line anew.
    path.relative_to(ROOT).as_posix(): re.sub(r"\n\s*#?\s*", " ", path.read_text(encoding="utf-8"))
    for path in CITING
}
CITED = {
    name: [heading for quoted in CITATION.findall(text) for heading in re.findall("“([^”]+)”", quoted)]
    for name, text in TEXTS.items()
}


def test_each_citation_names_headings_of_the_page() -> None:
    known = {*RULES, *CHAPTERS}
    assert {name: sorted(set(cited) - known) for name, cited in CITED.items() if set(cited) - known} == {}


def test_code_that_names_the_page_names_a_heading() -> None:
    code = {name: text for name, text in TEXTS.items() if name.endswith(".py")}
    assert [name for name, text in code.items() if text.count(NAME) != len(CITATION.findall(text))] == []


def test_each_rule_has_its_own_heading_and_is_cited() -> None:
    cited = {heading for name, headings in CITED.items() if name.startswith("src/") for heading in headings}
    assert [heading for heading in RULES if heading not in cited] == []
    assert len({*RULES, *CHAPTERS}) == len(RULES) + len(CHAPTERS)


def test_the_page_refers_to_headings_that_it_has() -> None:
    referred = re.findall(r"\(“([^”]+)”\)", " ".join(PAGE.split()))
    assert set(referred) <= {*RULES, *CHAPTERS}


def test_nothing_cites_a_description_outside_of_the_repository() -> None:
    assert [name for name, text in TEXTS.items() if re.search(r"(?<!/)\bspec/", text)] == []
