"""Document formats and their parsers, imported with the first document of their format.

Source: docs/dify-behaviour.md, “Document extractor”.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Final, TypeAlias

from jikko.diagnostics.diagnostic import Phrase
from jikko.extras import how_to_install
from jikko.ports.files.documents import DocumentFailure
from jikko.ports.files.file_types import extension_for, extension_of

Parser: TypeAlias = Callable[[bytes], str]
"""Raises ``DocumentFailure`` with the reason only, or any exception of its library."""

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
_PARSERS: Final = {
    "JSON": ("plain", "read_json"),
    "YAML": ("plain", "read_yaml"),
    "properties": ("plain", "read_properties"),
    "PDF": ("office", "read_pdf"),
    "DOCX": ("office", "read_docx"),
    "CSV": ("spreadsheets", "read_csv"),
    "Excel": ("spreadsheets", "read_excel"),
    "PPTX": ("office", "read_pptx"),
    "EPUB": ("html_text", "read_epub"),
    "EML": ("html_text", "read_eml"),
    "MSG": ("html_text", "read_msg"),
}
"""Module and function by format; any other format is text."""


def format_of(filename: str, mime_type: str) -> str:
    """Return the format by extension, else by MIME type. Raises ``DocumentFailure``: unknown, or unsupported."""
    extension = extension_of(filename)
    if not extension and not mime_type:
        raise DocumentFailure("extraction.no_type")
    found = _BY_EXTENSION.get(extension or extension_for(mime_type)[1:])
    if found is None:
        if extension:
            raise DocumentFailure("extraction.unknown_extension", {"extension": f".{extension}"})
        raise DocumentFailure("extraction.unknown_type", {"type": mime_type})
    if found in _NEWER:
        raise DocumentFailure("extraction.old_format", {"format": found, "newer": _NEWER[found]})
    return found


def parse(format: str, content: bytes) -> str:
    """Parse a document. For worker processes only: parsers are slow, and exploitable.

    Raises ``DocumentFailure`` with the reason, or ``MemoryError``.
    """
    with reading(format):
        return _parser(format)(content)


@contextmanager
def reading(format: str) -> Iterator[None]:
    """Convert any exception of a parser within the block to a ``DocumentFailure``."""
    try:
        yield
    except ImportError:
        params = {"format": format, "command": how_to_install("documents")}
        raise DocumentFailure("extraction.no_packages", params) from None
    except MemoryError:
        raise
    except DocumentFailure as failure:
        raise _failed(format, failure.phrase) from None
    except RecursionError:
        raise _failed(format, Phrase("extraction.nested")) from None
    except Exception as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise _failed(format, Phrase("extraction.broken", {"reason": reason})) from None


def _failed(format: str, reason: Phrase) -> DocumentFailure:
    return DocumentFailure("extraction.failed", {"format": format, "reason": reason})


def _parser(format: str) -> Parser:
    module, name = _PARSERS.get(format, ("plain", "decode"))
    parser: Parser = getattr(import_module(f"jikko.documents.{module}"), name)
    return parser
