"""PDF: the text of all pages, without OCR. By PDFium, as in Dify: other libraries place blanks elsewhere."""

from jikko.ports.files.documents import DocumentFailure


def read_pdf(content: bytes) -> str:
    """Return the text of a PDF."""
    return "".join(pdf_pages(content))


def pdf_pages(content: bytes) -> list[str]:
    """Return the text of each page."""
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
