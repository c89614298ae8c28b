"""Which parser reads which format. Parsers are imported when the first document of their format comes.

Source: docs/dify-behaviour.md, “Document extractor”.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeAlias

from jikko.extras import how_to_install
from jikko.ports.files.documents import DocumentFailure
from jikko.ports.files.file_types import extension_for, extension_of

Parser: TypeAlias = Callable[[bytes], str]
"""Raises ``DocumentFailure`` with the reason only, or whatever its library raises."""

_TEXT: Final = "text"
_MARKUP: Final = ("txt", "markdown", "md", "mdx", "html", "htm", "xml", "vtt", "css", "scss", "less", "sass")
_SETTINGS: Final = ("ini", "cfg", "conf", "toml", "env", "log")
_CODE: Final = (
    *("c", "h", "cpp", "hpp", "cc", "cxx", "c++", "py", "js", "ts", "jsx", "tsx", "java", "php", "rb", "go", "rs"),
    *("swift", "kt", "scala", "sh", "bash", "bat", "ps1", "sql", "r", "m", "pl", "lua", "vim", "asm", "s"),
)
_BY_EXTENSION: Final[dict[str, str]] = {
    **dict.fromkeys((*_MARKUP, *_SETTINGS, *_CODE), _TEXT),
    "json": "JSON",
    "yaml": "YAML",
    "yml": "YAML",
    "pdf": "PDF",
    "docx": "DOCX",
    "csv": "CSV",
    "xls": "Excel",
    "xlsx": "Excel",
    "pptx": "PPTX",
    "epub": "EPUB",
    "eml": "EML",
    "msg": "MSG",
    "properties": "properties",
    "doc": "DOC",
    "ppt": "PPT",
}
_NEWER: Final = {"DOC": ".docx", "PPT": ".pptx"}


def format_of(filename: str, mime_type: str) -> str:
    """The format: by the extension, else by the MIME type.

    Raises:
        DocumentFailure: It is not known, or cannot be read.
    """
    extension = extension_of(filename)
    if not extension and not mime_type:
        raise DocumentFailure("Unable to determine file type: MIME type or file extension is missing")
    found = _BY_EXTENSION.get(extension or extension_for(mime_type)[1:])
    if found is None:
        raise DocumentFailure(
            f"Unsupported Extension Type: .{extension}" if extension else f"Unsupported MIME type: {mime_type}"
        )
    if found in _NEWER:
        raise DocumentFailure(f"The old format {found} cannot be read. Convert the file to {_NEWER[found]}.")
    return found


def parse(format: str, content: bytes) -> str:
    """Read a document. Runs in a worker process only: parsers are slow, and some are easily led astray.

    Raises:
        DocumentFailure: It cannot be read; the message says why.
        MemoryError: It takes more than there is.
    """
    with reading(format):
        return _parser(format)(content)


@contextmanager
def reading(format: str) -> Iterator[None]:
    """A block that reads a document: whatever a parser raises in it becomes the reason of a ``DocumentFailure``."""
    try:
        yield
    except ImportError:
        raise DocumentFailure(
            f"Reading {format} files needs packages that are not installed: {how_to_install('documents')}"
        ) from None
    except MemoryError:
        raise
    except DocumentFailure as failure:
        raise DocumentFailure(f"Failed to extract text from {format}: {failure}.") from None
    except RecursionError:
        raise DocumentFailure(f"Failed to extract text from {format}: it is nested too deeply.") from None
    except Exception as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise DocumentFailure(f"Failed to extract text from {format}: it is broken ({reason}).") from None


def _parser(format: str) -> Parser:
    match format:
        case "JSON":
            from jikko.documents.plain import read_json as parser
        case "YAML":
            from jikko.documents.plain import read_yaml as parser
        case "properties":
            from jikko.documents.plain import read_properties as parser
        case "PDF":
            from jikko.documents.pdf import read_pdf as parser
        case "DOCX":
            from jikko.documents.word import read_docx as parser
        case "CSV":
            from jikko.documents.spreadsheets import read_csv as parser
        case "Excel":
            from jikko.documents.spreadsheets import read_excel as parser
        case "PPTX":
            from jikko.documents.slides import read_pptx as parser
        case "EPUB":
            from jikko.documents.books import read_epub as parser
        case "EML":
            from jikko.documents.mail import read_eml as parser
        case "MSG":
            from jikko.documents.mail import read_msg as parser
        case _:
            from jikko.documents.plain import read_text as parser
    return parser
