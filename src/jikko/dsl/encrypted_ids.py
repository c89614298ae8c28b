"""Decryption of dataset ids in exports of Dify, which are encrypted with the workspace's id.

Source: docs/dify-behaviour.md, “Encrypted dataset ids”: AES-256-CBC with PKCS#7, in base64; the key is the SHA-256 of
the workspace's id, and the initial vector its first 16 bytes.
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from jikko.errors import JikkoError
from jikko.extras import how_to_install
from jikko.ids import is_uuid

_MAX_LENGTH: Final = 64
"""Maximum characters: a UUID encrypts to 48 bytes, or 64 characters of base64."""


class DecryptionUnavailable(JikkoError):
    """The decryption library is not installed."""

    code = "service_unavailable"
    status = 503
    headers: Mapping[str, str] = MappingProxyType({"Retry-After": "60"})


def plain_id(text: str, workspace: str) -> str | None:
    """Decrypt an id by its workspace (a UUID in lower case); ``None`` if it was not encrypted there.

    Raises ``DecryptionUnavailable`` if the library is not installed.
    """
    if len(text) > _MAX_LENGTH:
        return None
    try:
        encrypted = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    cipher, padding = _library()
    key = hashlib.sha256(workspace.encode()).digest()
    try:
        decryptor = cipher.Cipher(cipher.algorithms.AES(key), cipher.modes.CBC(key[:16])).decryptor()
        padded = decryptor.update(encrypted) + decryptor.finalize()
        unpadder = padding.PKCS7(128).unpadder()
        found: str = (unpadder.update(padded) + unpadder.finalize()).decode()
    except ValueError:
        return None
    return found.lower() if is_uuid(found) else None


def check_decryption() -> None:
    """Raises ``DecryptionUnavailable`` if decryption is impossible here."""
    _library()


def _library() -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives import ciphers, padding
    except ImportError:
        raise DecryptionUnavailable(
            f"Encrypted ids of datasets need a package that is not installed: {how_to_install('knowledge')}"
        ) from None
    return ciphers, padding
