"""Decisions can be found: each has a title of nouns, and stands once in the index by subject."""

import re
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "docs" / "decisions"
INDEX = re.findall(r"^- \[(.+)\]\((\d{4}-.+\.md)\)$", (FOLDER / "README.md").read_text(), re.MULTILINE)


def test_the_index_lists_each_decision_once_by_its_title() -> None:
    titles = {file.name: file.read_text().partition("\n")[0] for file in FOLDER.glob("[0-9]*.md")}

    assert {name: f"# {title}" for title, name in INDEX} == titles
    assert len(INDEX) == len(titles)


def test_titles_begin_with_the_number_of_their_file_and_no_pronoun() -> None:
    for title, name in INDEX:
        assert re.match(r"(?!.*\. (What|Who|Whose|How|Which|When) )(\d+)\. \S", title), title
        assert int(title.partition(".")[0]) == int(name[:4])
