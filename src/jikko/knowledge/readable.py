"""File types of documents. Source: docs/dify-behaviour.md, “Reading files into texts”, “Knowledge API”."""

import posixpath
from typing import Final

EXTENSIONS: Final = frozenset(
    {"txt", "markdown", "md", "mdx", "pdf", "html", "htm", "xlsx", "xls", "docx", "csv", "vtt", "properties"}
    | {"pptx", "epub", "eml", "msg", "json", "yaml", "yml", "xml"}
)
"""Dify's, and additional ones of Jikko."""


def is_readable(name: str) -> bool:
    """Return whether a file of that name can become a document."""
    return posixpath.splitext(name)[1].lstrip(".").lower() in EXTENSIONS
