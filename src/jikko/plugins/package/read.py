"""Reads a package: archive, signature and declaration in one."""

from collections.abc import Iterable

from jikko.plugins.package.declaration import Plugin, read_plugin
from jikko.plugins.package.package_archive import Archive, read_archive
from jikko.plugins.package.signature import PublicKey, signed_at, trust


def read_package(data: bytes, keys: Iterable[PublicKey] = ()) -> tuple[Plugin, Archive]:
    """What a package is, and has. ``keys``: Whose signatures are believed. Raises ``PackageRefused``: no use."""
    archive = read_archive(data)
    return read_plugin(archive, trust=trust(archive, keys), signed_at=signed_at(archive)), archive
