"""Word documents: paragraphs as lines, tables as Markdown. Source: docs/dify-behaviour.md, “Document extractor”."""

import io
import zipfile
from typing import Any

from jikko.documents.archives import check_zip
from jikko.documents.tables import document_table


def read_docx(content: bytes) -> str:
    """Return the body of a document, in order, without headers, footers and notes."""
    return "\n".join(docx_parts(content))


def docx_parts(content: bytes) -> list[str]:
    """Return the paragraphs and tables of a document."""
    from docx.table import Table
    from docx.text.paragraph import Paragraph

    check_zip(content)
    document = _opened(content)
    parts = []
    for block in document.iter_inner_content():
        if isinstance(block, Paragraph):
            parts.append(block.text)
        elif isinstance(block, Table):
            rows = [[cell.text for cell in row.cells] for row in block.rows]
            if any(cell.strip() for row in rows for cell in row):
                parts.append(document_table(rows))
    return parts


def _opened(content: bytes) -> Any:
    from docx import Document

    try:
        return Document(io.BytesIO(content))
    except KeyError:
        # Some programs name the parts with backslashes, which the library does not find.
        return Document(io.BytesIO(_with_slashes(content)))


def _with_slashes(content: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.infolist():
            data = old.read(member)
            new.writestr(member.filename.replace("\\", "/"), data)
    return target.getvalue()
