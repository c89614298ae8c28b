"""Encryption of dataset ids as in Dify's exports."""

import base64
import hashlib

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

WORKSPACE = "6f1d6b0e-3a52-4a5f-9d50-6f0f8a1c2d3e"


def encrypted(text: str, workspace: str) -> str:
    """Encrypt a text for a workspace."""
    key = hashlib.sha256(workspace.encode()).digest()
    padder = padding.PKCS7(128).padder()
    padded = padder.update(text.encode()) + padder.finalize()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
    return base64.b64encode(encryptor.update(padded) + encryptor.finalize()).decode()
