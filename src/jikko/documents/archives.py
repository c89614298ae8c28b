"""Validation of archives in documents: integrity, encryption, and zip bombs."""

import io
import zipfile
from typing import Final

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
    """Raises ``DocumentFailure`` unless this is a zip archive within bounds: ``zipfile`` unpacks no more than the
    stated sizes."""
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
