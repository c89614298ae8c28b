"""What documents are made of: texts and files."""

import hashlib
import posixpath
from typing import NamedTuple

from jikko.ids import new_id
from jikko.ports.stores.knowledge.records import SourceFile


class NewSource(NamedTuple):
    """What a document is to be made of."""

    name: str
    content: bytes
    mime_type: str = "text/plain"
    extension: str = "txt"
    size: int | None = None
    """The size that is reported, if not that in bytes."""


def text_source(name: str, text: str) -> NewSource:
    """A text as a source. As at Dify, its characters are told as its size."""
    return NewSource(name, text.encode("utf-8", "replace"), size=len(text))


def source_of(name: str, content: bytes, mime_type: str) -> NewSource:
    """A file as a source."""
    extension = posixpath.splitext(name)[1].lstrip(".").lower()
    return NewSource(name, content, mime_type or "application/octet-stream", extension)


def fingerprint(content: bytes) -> str:
    """What tells one source from another."""
    return hashlib.sha256(content).hexdigest()


def file_of(source: NewSource, now: float) -> SourceFile:
    """What is kept of a source beside its content."""
    return SourceFile(
        id=new_id(),
        name=source.name,
        size=len(source.content) if source.size is None else source.size,
        extension=source.extension,
        mime_type=source.mime_type,
        created_at=now,
    )
