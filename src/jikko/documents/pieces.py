"""Documents as separate texts: chunks never span two of them.

Source: docs/dify-behaviour.md, “Reading files into texts”.
"""

import csv
import io
import posixpath
import re
import sys
from collections import Counter
from collections.abc import Iterable
from html.parser import HTMLParser
from typing import Final

from jikko.documents.formats import parse, reading
from jikko.documents.office import pdf_pages
from jikko.documents.plain import decode

_MARKDOWN: Final = frozenset({"md", "markdown", "mdx"})
_HTML: Final = frozenset({"html", "htm"})
_HEADING: Final = re.compile(r"^#+\s")
_UNSEEN: Final = frozenset({"script", "style", "template", "rt", "rp"})
"""Not shown as text; readings of ruby are not either. (Dify)"""
_AS_IT_IS: Final = frozenset({"pre", "textarea"})


def parse_pieces(format: str, filename: str, content: bytes) -> list[str]:
    """Return the texts of a document, in order. For worker processes only. Raises as ``parse``."""
    extension = posixpath.splitext(filename)[1].lstrip(".").lower()
    if extension in _MARKDOWN:
        return markdown_sections(_lines(content))
    if extension in _HTML:
        return [html_run(decode(content))]
    match format:
        case "DOCX":
            with reading(format):
                from jikko.documents.office import docx_parts

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
        case "text" | "properties":
            return [_lines(content)]
        case _:
            return [parse(format, content)]


def _lines(content: bytes) -> str:
    """Decode a text, whose lines end in a line feed only. (Dify)"""
    return decode(content).replace("\r\n", "\n").replace("\r", "\n")


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
        below = "\n".join(map(_without_tags, lines)).strip()
        pieces.append(below if heading is None else f"\n\n{heading.replace('#', '').strip()}\n{below}")
    return pieces


def _without_tags(line: str) -> str:
    kept, at = [], 0
    while (begin := line.find("<", at)) >= 0 and (end := line.find(">", begin)) >= 0:
        kept.append(line[at:begin])
        at = end + 1
    return "".join(kept) + line[at:]


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
        self._run: list[str] = []
        self._open: list[str] = []
        self._depths = Counter[str]()

    def _is_in(self, tags: Iterable[str]) -> bool:
        return any(self._depths[tag] for tag in tags)

    def _end_run(self) -> None:
        """End a text node: one of blanks alone is a line break or a blank. (Dify)"""
        run = "".join(self._run)
        self._run.clear()
        if run and not run.strip(" \t\n\f\r") and not self._is_in(_AS_IT_IS):
            run = "\n" if "\n" in run else " "
        self.pieces.append(run)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._end_run()
        self._open.append(tag)
        self._depths[tag] += 1

    def handle_endtag(self, tag: str) -> None:
        """End an element, with those in it that have no end tag, as ``rt`` may have none."""
        self._end_run()
        while self._depths[tag]:
            ended = self._open.pop()
            self._depths[ended] -= 1
            if ended == tag:
                break

    def handle_comment(self, data: str) -> None:
        self._end_run()

    def handle_data(self, data: str) -> None:
        if not self._is_in(_UNSEEN):
            self._run.append(data)

    def close(self) -> None:
        super().close()
        self._end_run()


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
