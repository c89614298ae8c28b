"""Signatures of packages: RSA with PKCS#1 v1.5 and SHA-256, in the comment of the archive.

What is signed: the SHA-256 of each file in the order of the archive, then the time of signing as decimal text.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from jikko.plugins.package.package_archive import Archive

Trust: TypeAlias = Literal["signed", "unsigned", "unknown signer"]

_PREFIX: Final = bytes.fromhex("3031300d060960864801650304020105000420")
"""``DigestInfo`` of SHA-256. Source: RFC 8017, section 9.2."""
_RSA: Final = bytes.fromhex("06092a864886f70d010101")
"""The identifier of RSA keys in a public key's DER."""
_SMALLEST_KEY: Final = 2048


@dataclass(frozen=True, slots=True)
class PublicKey:
    modulus: int
    exponent: int


class BadKey(Exception):
    """A text is no public RSA key in PEM."""


def signed_at(archive: Archive) -> int | None:
    """When a package was signed, by its own word: seconds since the Unix epoch; ``None`` if it does not say."""
    return None if (found := _comment(archive)) is None else found[1]


def trust(archive: Archive, keys: Iterable[PublicKey]) -> Trust:
    """Whether one of the keys has signed a package as it is."""
    found = _comment(archive)
    if found is None:
        return "unsigned"
    signature, time = found
    digest = hashlib.sha256()
    for content in archive.files.values():
        digest.update(hashlib.sha256(content).digest())
    digest.update(str(time).encode())
    if any(_verifies(key, signature, digest.digest()) for key in keys):
        return "signed"
    return "unknown signer"


def read_keys(text: str) -> tuple[PublicKey, ...]:
    """The keys of a text in PEM, one or several. Raises ``BadKey`` if there is none, or one cannot be read."""
    blocks = [block for block in text.split("-----BEGIN ")[1:] if block.partition("-----")[0].endswith("PUBLIC KEY")]
    if not blocks:
        raise BadKey("it has no public key in PEM")
    return tuple(read_key(f"-----BEGIN {block.partition('-----END')[0]}") for block in blocks)


def read_key(pem: str) -> PublicKey:
    """A key from PEM (``PUBLIC KEY``, ``RSA PUBLIC KEY``). Raises ``BadKey``: none, or of less than 2048 bits."""
    lines = [line.strip() for line in pem.strip().splitlines()]
    try:
        der = base64.b64decode("".join(line for line in lines if not line.startswith("-----")), validate=True)
        body, _ = _value(der, 0x30)
        if _RSA in body[:20]:
            _, rest = _value(body, 0x30)
            bits, _ = _value(rest, 0x03)
            body, _ = _value(bits[1:], 0x30)
        modulus, rest = _value(body, 0x02)
        exponent, _ = _value(rest, 0x02)
    except (binascii.Error, ValueError, IndexError) as error:
        raise BadKey(f"this is no public RSA key in PEM ({error})") from None
    key = PublicKey(int.from_bytes(modulus), int.from_bytes(exponent))
    if key.modulus.bit_length() < _SMALLEST_KEY:
        raise BadKey(f"the key has {key.modulus.bit_length()} bits; at least {_SMALLEST_KEY} are asked for")
    return key


def _comment(archive: Archive) -> tuple[bytes, int] | None:
    try:
        comment = json.loads(archive.comment)
        signature, time = base64.b64decode(comment["signature"], validate=True), comment["time"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return (signature, time) if isinstance(time, int) and 0 <= time < 1 << 40 else None


def _verifies(key: PublicKey, signature: bytes, digest: bytes) -> bool:
    size = (key.modulus.bit_length() + 7) // 8
    number = int.from_bytes(signature)
    if len(signature) != size or number >= key.modulus:
        return False
    # All is public here: nothing has to take the same time.
    message = pow(number, key.exponent, key.modulus).to_bytes(size)
    filling = b"\xff" * (size - len(_PREFIX) - len(digest) - 3)
    return message == b"\x00\x01" + filling + b"\x00" + _PREFIX + digest


def _value(data: bytes, tag: int) -> tuple[bytes, bytes]:
    """The content of the DER value that ``data`` begins with, and what follows it."""
    if data[0] != tag:
        raise ValueError(f"unexpected tag {data[0]}")
    length, start = data[1], 2
    if length & 0x80:
        count = length & 0x7F
        length, start = int.from_bytes(data[2 : 2 + count]), 2 + count
    if start + length > len(data):
        raise ValueError("it is cut off")
    return data[start : start + length], data[start + length :]
