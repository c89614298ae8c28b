"""Documents as separate texts: chunks never span two of them.

Source: docs/dify-behaviour.md, “Reading files into texts”.
"""

import csv
import io
import posixpath
import re
import sys
from html.parser import HTMLParser
from typing import Final

from jikko.documents.charset import decode
from jikko.documents.formats import parse, reading
from jikko.documents.pdf import pdf_pages

_MARKDOWN: Final = frozenset({"md", "markdown", "mdx"})
_HTML: Final = frozenset({"html", "htm"})
_HEADING: Final = re.compile(r"^#+\s")
_TAG: Final = re.compile(r"<[^<>]*>")
_UNSEEN: Final = frozenset({"script", "style"})


def parse_pieces(format: str, filename: str, content: bytes) -> list[str]:
    """Return the texts of a document, in order. For worker processes only. Raises as ``parse``."""
    extension = posixpath.splitext(filename)[1].lstrip(".").lower()
    if extension in _MARKDOWN:
        return markdown_sections(decode(content))
    if extension in _HTML:
        return [html_run(decode(content))]
    match format:
        case "DOCX":
            with reading(format):
                from jikko.documents.word import docx_parts

                return ["\n".join(part.rstrip("\n") for part in docx_parts(content))]
        case "PDF":
            with reading(format):
                return pdf_pages(content)
        case "CSV":
            with reading(format):
                return _csv_rows(content)
        case "Excel":
            with reading(format):
                return _excel_rows(content)
        case _:
            return [parse(format, content)]


def markdown_sections(text: str) -> list[str]:
    """Return a text per heading, with what follows it, and one for what precedes the first."""
    sections: list[tuple[str | None, list[str]]] = [(None, [])]
    fenced = False
    for line in text.split("\n"):
        if line.startswith("```"):
            fenced = not fenced
        if not fenced and _HEADING.match(line):
            sections.append((line, []))
        else:
            sections[-1][1].append(line)
    pieces = []
    for heading, lines in sections:
        below = _TAG.sub("", "\n".join(lines))
        if heading is not None:
            pieces.append(f"{heading.replace('#', '').strip()}\n{below.strip()}".strip())
        elif below.strip():
            pieces.append(below)
    return pieces


def html_run(html: str) -> str:
    """Return all text of a page, concatenated."""
    parser = _Run()
    parser.feed(html)
    parser.close()
    return "".join(parser.pieces).strip()


class _Run(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._unseen = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._unseen += tag in _UNSEEN

    def handle_endtag(self, tag: str) -> None:
        self._unseen -= tag in _UNSEEN and self._unseen > 0

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.pieces.append(data)


def _csv_rows(content: bytes) -> list[str]:
    csv.field_size_limit(sys.maxsize)
    rows = [row for row in csv.reader(io.StringIO(decode(content), newline="")) if row]
    if not rows:
        return []
    names, *rest = rows
    return [";".join(f"{name}: {value}" for name, value in zip(names, row, strict=False)) for row in rest]


def _excel_rows(content: bytes) -> list[str]:
    from jikko.documents.spreadsheets import excel_sheets

    pieces = []
    for rows in excel_sheets(content):
        if not rows:
            continue
        names, *rest = rows
        for row in rest:
            cells = [*row, *[""] * (len(names) - len(row))]
            if any(cell != "" for cell in cells):
                pieces.append(";".join(f'"{name}":"{cell}"' for name, cell in zip(names, cells, strict=False)))
    return pieces
