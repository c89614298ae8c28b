"""Which files can become documents. Source: Dify 1.15, spec/knowledge.md §2.1, §6.2."""

import posixpath
from typing import Final

EXTENSIONS: Final = frozenset(
    {"txt", "markdown", "md", "mdx", "pdf", "html", "htm", "xlsx", "xls", "docx", "csv", "vtt", "properties"}
    | {"pptx", "epub", "eml", "msg", "json", "yaml", "yml", "xml"}
)
"""Dify's, and the others that are read here."""


def is_readable(name: str) -> bool:
    """Whether a file of that name can become a document."""
    return posixpath.splitext(name)[1].lstrip(".").lower() in EXTENSIONS
