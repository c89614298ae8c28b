"""Documents as several texts."""

import pytest

from jikko.documents.pieces import html_run, markdown_sections
from jikko.documents.processes import DocumentLimits, DocumentProcesses
from jikko.ports.files.documents import DocumentFailure
from tests.compat.recorded_suite import HERE

pytestmark = pytest.mark.anyio
FILES = HERE / "knowledge" / "files"


@pytest.mark.parametrize(
    ("name", "pieces"),
    [
        ("a.txt", 1),
        ("k.csv", 2),
        ("g.xlsx", 2),
        ("h.docx", 1),
        ("k.pdf", 2),
        ("k.md", 4),
    ],
)
async def test_files_come_as_pages_rows_and_sections(name: str, pieces: int) -> None:
    reader = DocumentProcesses(DocumentLimits())
    try:
        found = await reader.pieces((FILES / name).read_bytes(), filename=name, mime_type="")
    finally:
        await reader.close()

    assert len(found) == pieces


async def test_a_file_that_is_not_what_its_name_says_is_a_failure() -> None:
    reader = DocumentProcesses(DocumentLimits())
    try:
        for name in ("a.pdf", "a.xlsx", "a.docx"):
            with pytest.raises(DocumentFailure, match="Failed to extract"):
                await reader.pieces(b"nothing of it", filename=name, mime_type="")
        assert await reader.pieces("日本 🎌".encode(), filename="b.txt", mime_type="") == ["日本 🎌"]
        for name in ("b.txt", "b.vtt", "b.properties"):
            assert await reader.pieces(b"a = b\r\n\r\nc\rd\n", filename=name, mime_type="") == ["a = b\n\nc\nd\n"]
    finally:
        await reader.close()


def test_a_heading_begins_a_text_and_loses_its_signs() -> None:
    text = "before\n# One\nx <b>y</b>\n```\n# code\n```\n## C# two\n"

    assert markdown_sections(text) == ["before", "\n\nOne\nx y\n```\n# code\n```", "\n\nC two\n"]
    assert markdown_sections("a < b\nc > d <i>e</i> f < g <b>") == ["a < b\nc > d e f"]
    assert markdown_sections("<" * 1_000_000) == ["<" * 1_000_000]


def test_texts_of_a_page_run_together() -> None:
    page = "<title>Tulip</title><script>no</script><td>red</td> <style>no</style> end "

    assert html_run(page) == "Tulipred  end"
    spread = "<ruby>漢<rt>かん</rt></ruby>\n   <b>字</b>   <template>x</template>\n <pre>\n  </pre>🙂"
    assert html_run(spread) == "漢\n字 \n\n  🙂"
    # End tags may be left out.
    assert html_run("<p><ruby>漢<rt>かん<rt>x</ruby>字<p>続き<br/>🙂<rt/>。<template>x</p>後") == "漢字続き🙂。後"
    assert html_run("<b>" * 100_000 + "</i>" * 100_000 + "\ue000") == "\ue000"
