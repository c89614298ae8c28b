"""The first pages: short, in two languages that say the same, and an index that leads to every page."""

import re
from typing import Final

import pytest

from tests.page_blocks import PAGES, ROOT, blocks

pytestmark = pytest.mark.once

ENGLISH: Final = "README.md"
JAPANESE: Final = "README.ja.md"


def test_the_readme_is_read_in_two_minutes() -> None:
    for page in (ENGLISH, JAPANESE):
        assert len((ROOT / page).read_text(encoding="utf-8").splitlines()) <= 120, page


def test_both_languages_show_the_same_commands_figures_and_links() -> None:
    english, japanese = ((ROOT / page).read_text(encoding="utf-8") for page in (ENGLISH, JAPANESE))
    without_comments = [[re.sub(r" +# .*", "", block.text) for block in blocks(page)] for page in (ENGLISH, JAPANESE)]
    assert without_comments[0] == without_comments[1] != []
    figures, links = r"\| ([\d.,–]+(?: [A-Za-z]+)?) (?=\|)", r"\]\(((?!README)[^)]+)\)"
    for pattern in (figures, links):
        assert re.findall(pattern, english) == re.findall(pattern, japanese.replace("docs/ja/", "docs/")) != []
    assert (f"]({JAPANESE})" in english, f"]({ENGLISH})" in japanese) == (True, True)


def test_the_index_leads_to_every_page() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    pages = {page.removeprefix("docs/") for page in PAGES if page.startswith("docs/")} - {"README.md"}
    assert set(re.findall(r"\]\(([\w-]+\.md)\)", index)) == pages


TRANSLATED: Final = sorted(page.name for page in (ROOT / "docs" / "ja").glob("*.md") if page.name != "README.md")


@pytest.mark.parametrize("page", TRANSLATED)
def test_a_translated_page_has_the_blocks_and_the_figures_of_the_page(page: str) -> None:
    own, translated = (
        [re.sub(r" *# .*", "", block.text) for block in blocks(f"{folder}/{page}")] for folder in ("docs", "docs/ja")
    )
    assert translated == own


def test_the_index_of_translated_pages_leads_to_every_one() -> None:
    index = (ROOT / "docs" / "ja" / "README.md").read_text(encoding="utf-8")
    assert sorted(set(re.findall(r"\]\(([\w-]+\.md)\)", index))) == TRANSLATED
