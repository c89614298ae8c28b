"""Small documents of every format."""

import io
import struct
import zipfile
from collections.abc import Mapping
from typing import Any


def a_docx() -> bytes:
    from docx import Document

    document = Document()
    document.add_heading("見出し 📄", level=1)
    document.add_paragraph("Para one")
    table = document.add_table(rows=2, cols=2)
    for row, texts in zip(table.rows, (("a", "b"), ("1\n2", "")), strict=True):
        for cell, text in zip(row.cells, texts, strict=True):
            cell.text = text
    document.add_table(rows=1, cols=1)
    document.add_paragraph("Para two")
    return _saved(document)


def a_pptx() -> bytes:
    from pptx import Presentation
    from pptx.util import Inches

    presentation = Presentation()
    layout = presentation.slide_layouts[6]
    first = presentation.slides.add_slide(layout)
    below = first.shapes.add_textbox(Inches(1), Inches(3), Inches(4), Inches(1))
    below.text_frame.text = "below\v下🎉\n\n  last"
    first.shapes.add_textbox(-Inches(2), Inches(2), Inches(1), Inches(1)).text_frame.text = "beside the slide"
    first.shapes.add_textbox(Inches(1), Inches(1), Inches(4), Inches(1)).text_frame.text = "上 above"
    second = presentation.slides.add_slide(layout)
    table = second.shapes.add_table(2, 2, Inches(1), Inches(1), Inches(4), Inches(1)).table
    for row, texts in enumerate((("h1", "h2"), ("1", "2"))):
        for column, text in enumerate(texts):
            table.cell(row, column).text = text
    return _saved(presentation)


def an_xlsx(rows: list[list[Any]], *more: list[list[Any]]) -> bytes:
    from openpyxl import Workbook

    book = Workbook()
    sheet: Any = book.active
    for index, content in enumerate((rows, *more)):
        sheet = sheet if index == 0 else book.create_sheet()
        for row in content:
            sheet.append(row)
    return _saved(book)


def a_pdf(*pages: str) -> bytes:
    """Return a hand-written PDF with one line of text per page."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"", b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    kids = []
    for text in pages:
        content = f"BT /F1 24 Tf 72 700 Td ({text}) Tj ET".encode("latin-1")
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content))
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents %d 0 R "
            b"/Resources << /Font << /F1 3 0 R >> >> >>" % len(objects)
        )
        kids.append(b"%d 0 R" % len(objects))
    objects[1] = b"<< /Type /Pages /Kids [%s] /Count %d >>" % (b" ".join(kids), len(kids))
    pdf, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(pdf))
        pdf += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return pdf + (
        b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"
        % (len(objects) + 1, table, len(objects) + 1, len(pdf))
    )


def encrypted(pdf: bytes) -> bytes:
    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf)))
    writer.encrypt("secret", algorithm="RC4-128")
    target = io.BytesIO()
    writer.write(target)
    return target.getvalue()


def an_epub(chapters: Mapping[str, str]) -> bytes:
    items = "".join(f'<item id="{name}" href="text/{name}.xhtml"/>' for name in chapters)
    refs = "".join(f'<itemref idref="{name}"/>' for name in [*chapters, "gone"])
    container = (
        '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
        '<rootfile full-path="OEBPS/book.opf"/></rootfiles></container>'
    )
    package = (
        f'<package xmlns="http://www.idpf.org/2007/opf"><manifest>{items}</manifest><spine>{refs}</spine></package>'
    )
    texts = {f"OEBPS/text/{name}.xhtml": text for name, text in chapters.items()}
    return a_zip({"META-INF/container.xml": container, "OEBPS/book.opf": package, **texts})


def a_zip(members: Mapping[str, str | bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target.getvalue()


def a_bomb(name: str = "word/document.xml", mebibytes: int = 501) -> bytes:
    """Return a zip bomb of less than a mebibyte."""
    target = io.BytesIO()
    with (
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive,
        archive.open(name, "w", force_zip64=True) as member,
    ):
        piece = bytes(1 << 20)
        for _ in range(mebibytes):
            member.write(piece)
    return target.getvalue()


def an_ole(streams: Mapping[str, bytes]) -> bytes:
    """Return a compound file with streams in its root, each padded to avoid the mini stream.

    Source: [MS-CFB].
    """
    end, free, sector = 0xFFFFFFFE, 0xFFFFFFFF, 512
    filled = {name: content.ljust(4096, b"\x00") for name, content in streams.items()}
    names = sorted(filled, key=lambda name: (len(name), name.upper()))
    per_sector = sector // 128
    directory_sectors = -(-(len(names) + 1) // per_sector)
    fat = [0xFFFFFFFD, *range(2, directory_sectors + 1), end]
    starts = {}
    data = b""
    for name in names:
        count = -(-len(filled[name]) // sector)
        starts[name] = len(fat)
        fat += [*range(len(fat) + 1, len(fat) + count), end]
        data += filled[name].ljust(count * sector, b"\x00")
    assert len(fat) <= sector // 4
    # A degenerate tree suffices: every entry has the next one to its right.
    entries = [_ole_entry("Root Entry", 5, end, 0, child=1 if names else free)]
    for index, name in enumerate(names, 1):
        right = index + 1 if index < len(names) else free
        entries.append(_ole_entry(name, 2, starts[name], len(filled[name]), right=right))
    directory = b"".join(entries).ljust(directory_sectors * sector, b"\x00")
    header = struct.pack(
        "<8s16sHHHHH6xIIIIIIIIII",
        *(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"", 0x3E, 3, 0xFFFE, 9, 6),
        *(0, 1, 1, 0, 4096, end, 0, end, 0, 0),
    )
    table = struct.pack("<128I", *fat, *[free] * (128 - len(fat)))
    return header.ljust(512, b"\xff") + table + directory + data


def _ole_entry(
    name: str, kind: int, start: int, size: int, *, right: int = 0xFFFFFFFF, child: int = 0xFFFFFFFF
) -> bytes:
    text = name.encode("utf-16-le") + b"\x00\x00"
    head = struct.pack("<64sHBBIII", text, len(text), kind, 1, 0xFFFFFFFF, right, child)
    return head + bytes(36) + struct.pack("<IQ", start, size)


def _saved(document: Any) -> bytes:
    target = io.BytesIO()
    document.save(target)
    return target.getvalue()
