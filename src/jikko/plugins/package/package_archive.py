"""``.difypkg`` files: zip archives with ``manifest.yaml`` at the root. All content is untrusted.

Signatures are RSA with PKCS#1 v1.5 and SHA-256, in the archive comment. They cover the SHA-256 of each file, in archive
order, then the signing time as decimal text.
"""

import base64
import hashlib
import io
import json
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from jikko.errors import InvalidParam
from jikko.extras import how_to_install

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

MAX_PACKED: Final = 50 << 20
"""Maximum size of the package file in bytes."""
MAX_UNPACKED: Final = 200 << 20
"""Maximum total size of its content in bytes."""
MAX_FILES: Final = 5000
_MAX_NAME: Final = 512
_SKIPPED: Final = frozenset({".git", ".venv", "__pycache__", ".env", ".difyignore", ".mypy_cache", ".ruff_cache"})
"""Files and folders that ``pack`` leaves out."""
_LONG_AGO: Final = (1980, 1, 1, 0, 0, 0)
BROKEN: Final = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OSError,
    struct.error,
)
"""Exceptions raised for a broken or encrypted archive."""


class PackageRefused(InvalidParam):
    """A package cannot be installed. The message says which part is wrong and what to do."""

    code = "plugin_refused"


@dataclass(frozen=True, slots=True)
class Archive:
    files: Mapping[str, bytes]
    """Content by path, in archive order."""
    comment: bytes
    """Archive comment, which holds the signature."""

    @property
    def checksum(self) -> str:
        """The ``@`` part of an identifier: a digest of names and contents, independent of compression and order."""
        digest = hashlib.sha256()
        for name in sorted(self.files, key=str.encode):
            digest.update(hashlib.sha256(name.encode()).digest())
            digest.update(hashlib.sha256(self.files[name]).digest())
        return digest.hexdigest()


def read_archive(data: bytes) -> Archive:
    """Read a package's files. Raises ``PackageRefused``: not an archive, too large, or a forbidden entry."""
    if len(data) > MAX_PACKED:
        raise PackageRefused(f"The package has {len(data)} bytes; at most {MAX_PACKED} are read.")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return Archive(_files(archive), archive.comment)
    except PackageRefused:
        raise
    except BROKEN as error:
        raise PackageRefused(f"This is not a readable .difypkg file: {error}.") from None


def _files(archive: zipfile.ZipFile) -> dict[str, bytes]:
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    if len(entries) > MAX_FILES:
        raise PackageRefused(f"The package has {len(entries)} files; at most {MAX_FILES} are read.")
    room = MAX_UNPACKED
    files: dict[str, bytes] = {}
    for entry in entries:
        name = checked_path(entry.filename)
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise PackageRefused(f"The package has a link: {entry.filename!r}.")
        if name in files:
            raise PackageRefused(f"The package has two files with the same name: {entry.filename!r}.")
        # The size in the entry's header may be false: count the bytes read.
        with archive.open(entry) as stream:
            content = stream.read(room + 1)
        room -= len(content)
        if room < 0:
            raise PackageRefused(f"The package holds more than {MAX_UNPACKED} bytes (reading {entry.filename!r}).")
        files[name] = content
    for name in files:
        if any(str(parent) in files for parent in PurePosixPath(name).parents):
            raise PackageRefused(f"A file of the package is a folder, too: it contains {name!r}.")
    return files


def checked_path(name: str) -> str:
    """Validate an entry's path. Raises ``PackageRefused``: it leaves the folder, or is not portable."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts or {"\\", ":", "\0"} & set(name):
        raise PackageRefused(f"A file of the package would be outside of its folder: {name!r}.")
    if len(name) > _MAX_NAME or any(ord(character) < 32 for character in name):
        raise PackageRefused(f"A file of the package has a name that cannot be used: {name[:80]!r}.")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise PackageRefused(f"A file of the package has a name that is not text: {name!r}.") from None
    return str(path)


def pack(folder: Path) -> bytes:
    """Build an unsigned package from a folder. The output is reproducible.

    Raises ``PackageRefused``: no manifest, or over the size limit; ``OSError``: unreadable.
    """
    if not (folder / "manifest.yaml").is_file():
        raise PackageRefused(f"{folder} has no manifest.yaml: it is not a plugin folder.")
    data = io.BytesIO()
    room = MAX_UNPACKED
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            parts = path.relative_to(folder).parts
            if _SKIPPED & set(parts) or path.is_symlink() or not path.is_file():
                continue
            name = "/".join(parts)
            if re.search(r"[\ud800-\udfff]", name):
                raise PackageRefused(f"{folder} has a file whose name is not UTF-8: {name!a}.")
            room -= path.stat().st_size
            if room < 0:
                raise PackageRefused(f"{folder} holds more than {MAX_UNPACKED} bytes.")
            entry = zipfile.ZipInfo(name, _LONG_AGO)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes())
    return data.getvalue()


def unpack(archive: Archive, folder: Path) -> None:
    """Write the files into an empty folder. Raises ``OSError`` if that fails."""
    for name, content in archive.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    # The SDK lists this folder at startup and crashes without it.
    (folder / "_assets").mkdir(exist_ok=True)


Trust: TypeAlias = Literal["signed", "unsigned", "unknown signer"]

PublicKey: TypeAlias = "RSAPublicKey"
_SMALLEST_KEY: Final = 2048


class BadKey(Exception):
    """The text is not a public RSA key in PEM."""


def signed_at(archive: Archive) -> int | None:
    """Return the claimed signing time in seconds since the Unix epoch, or ``None`` if there is none."""
    return None if (found := _comment(archive)) is None else found[1]


def trust(archive: Archive, keys: Iterable[PublicKey]) -> Trust:
    """Check the package's signature against trusted keys."""
    found = _comment(archive)
    if found is None:
        return "unsigned"
    signature, time = found
    content = b"".join(hashlib.sha256(content).digest() for content in archive.files.values()) + str(time).encode()
    return "signed" if any(_verifies(key, signature, content) for key in keys) else "unknown signer"


def read_keys(text: str) -> tuple[PublicKey, ...]:
    """Read one or more PEM keys. Raises ``BadKey`` if there is none, or one is invalid."""
    blocks = [block for block in text.split("-----BEGIN ")[1:] if block.partition("-----")[0].endswith("PUBLIC KEY")]
    if not blocks:
        raise BadKey("it has no public key in PEM")
    return tuple(_read_key(f"-----BEGIN {block}") for block in blocks)


def _read_key(pem: str) -> PublicKey:
    """Read a PEM key (``PUBLIC KEY``, ``RSA PUBLIC KEY``)."""
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key
    except ImportError:
        raise BadKey(f"reading them needs another library: {how_to_install('plugins')}") from None
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadKey(f"this is not a public key in PEM ({error})") from None
    if not isinstance(key, RSAPublicKey):
        raise BadKey("this is not an RSA key")
    if key.key_size < _SMALLEST_KEY:
        raise BadKey(f"the key has {key.key_size} bits; at least {_SMALLEST_KEY} are required")
    return key


def _comment(archive: Archive) -> tuple[bytes, int] | None:
    try:
        comment = json.loads(archive.comment)
        signature, time = base64.b64decode(comment["signature"], validate=True), comment["time"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return (signature, time) if isinstance(time, int) and 0 <= time < 1 << 40 else None


def _verifies(key: PublicKey, signature: bytes, content: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256

    try:
        key.verify(signature, content, PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True
