"""PDF, Word and PowerPoint; and validation of archives in documents: integrity, encryption, and zip bombs.

Source: docs/dify-behaviour.md, “Document extractor”.
"""

import io
import zipfile
from collections.abc import Iterable, Iterator
from typing import Any, Final

from jikko.documents.tables import document_table
from jikko.ports.files.documents import DocumentFailure

ZIP_MAGIC: Final = b"PK"
OLE_MAGIC: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""Magic of OLE, the container of old Office formats, and of encrypted new ones."""

_MAX_BYTES: Final = 500 * 1024 * 1024
"""Maximum unpacked size of all members."""
_MAX_MEMBERS: Final = 20_000
_ENCRYPTED: Final = "EncryptedPackage".encode("utf-16-le")


def refuse_encrypted(content: bytes) -> None:
    """Raises ``DocumentFailure`` for an Office file with a password."""
    if content.startswith(OLE_MAGIC) and _ENCRYPTED in content:
        raise DocumentFailure("extraction.encrypted")


def check_zip(content: bytes) -> None:
    """Raises ``DocumentFailure`` unless a zip archive within bounds: ``zipfile`` unpacks no more than stated."""
    refuse_encrypted(content)
    if content.startswith(OLE_MAGIC):
        raise DocumentFailure("extraction.old_office")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError):  # all mean a broken directory
        raise DocumentFailure("extraction.not_this_format") from None
    if len(members) > _MAX_MEMBERS or sum(member.file_size for member in members) > _MAX_BYTES:
        raise DocumentFailure("extraction.too_large_unpacked", {"mib": _MAX_BYTES >> 20, "parts": _MAX_MEMBERS})
    if any(member.flag_bits & 1 for member in members):
        raise DocumentFailure("extraction.encrypted")


def read_pdf(content: bytes) -> str:
    return "".join(pdf_pages(content))


def pdf_pages(content: bytes) -> list[str]:
    """Return the text of each page, without OCR. By PDFium, as in Dify: other libraries place blanks elsewhere."""
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise DocumentFailure("extraction.encrypted") from None
        raise DocumentFailure("extraction.not_pdf") from None
    try:
        pages = []
        for page in document:
            text_page = page.get_textpage()
            pages.append(text_page.get_text_range())
            text_page.close()
            page.close()
        return pages
    finally:
        document.close()


def read_docx(content: bytes) -> str:
    """Return the body of a document, in order, without headers, footers and notes."""
    return "\n".join(docx_parts(content))


def docx_parts(content: bytes) -> list[str]:
    """Return a document's paragraphs, and its tables as Markdown."""
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


def read_pptx(content: bytes) -> str:
    """Return each slide's paragraphs, top to bottom, and tables as Markdown; without notes. An empty line separates
    slides."""
    from pptx import Presentation

    check_zip(content)
    slides = Presentation(io.BytesIO(content)).slides
    return "\n\n".join("\n".join(_texts(slide.shapes)) for slide in slides)


def _texts(shapes: Iterable[Any]) -> Iterator[str]:
    for shape in sorted(shapes, key=lambda shape: (shape.top or 0, shape.left or 0)):
        if hasattr(shape, "shapes"):
            yield from _texts(shape.shapes)
        elif shape.top and shape.left and min(shape.top, shape.left) < 0:
            # Beside the slide. Source: docs/dify-behaviour.md, “Document extractor”.
            continue
        elif shape.has_text_frame:
            for paragraph in shape.text_frame.paragraphs:
                if paragraph.text.strip():
                    # A line break within a paragraph.
                    yield paragraph.text.replace("\v", "\n")
        elif getattr(shape, "has_table", False):
            rows = [[cell.text for cell in row.cells] for row in shape.table.rows]
            if rows:
                yield document_table(rows).rstrip("\n")
