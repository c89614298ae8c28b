"""Lookup of plugin packages in folders and archives, by the identifiers in workflow files."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote
from zipfile import ZipFile

import msgspec

from jikko.dsl.text.yaml_text import LoadLimits, YamlProblem, parse
from jikko.plugins.package.declaration import Plugin, read_package
from jikko.plugins.package.package_archive import BROKEN, MAX_PACKED, Archive, PackageRefused, PublicKey, pack
from jikko.plugins.package.package_names import Identifier, identifier
from jikko.ports.http import HttpClient, HttpFailure, OutgoingRequest, Timeouts

_MAX_MANIFEST: Final = 1 << 20
"""Bytes."""


class AvailablePackage(NamedTuple):
    path: Path
    """A ``.difypkg`` file, or a plugin's folder."""
    plugin: str
    """``author/name``."""
    version: str


def offered_in(place: Path, unread: list[str]) -> Iterator[AvailablePackage]:
    """Yield the packages in a file, a plugin's folder, or any folder below. ``unread`` collects unreadable paths with
    reasons."""
    try:
        if place.is_file():
            with ZipFile(place) as archive, archive.open("manifest.yaml") as member:
                yield from _offered(place, member.read(_MAX_MANIFEST + 1))
        elif (manifest := place / "manifest.yaml").is_file():
            with manifest.open("rb") as file:
                yield from _offered(place, file.read(_MAX_MANIFEST + 1))
        else:
            for path in sorted(place.iterdir()):
                is_tree = path.is_dir() and not path.is_symlink() and not path.name.startswith(".")
                if is_tree or (path.suffix == ".difypkg" and path.is_file()):
                    yield from offered_in(path, unread)
    except (*BROKEN, KeyError, YamlProblem) as error:
        unread.append(f"{place}: {error}")


def _offered(path: Path, manifest: bytes) -> Iterator[AvailablePackage]:
    if len(manifest) > _MAX_MANIFEST:
        raise ValueError(f"its manifest.yaml has more than {_MAX_MANIFEST} bytes")
    declared: Any = parse(manifest.decode(), LoadLimits(max_bytes=_MAX_MANIFEST))
    if isinstance(declared, Mapping) and declared.get("type", "plugin") == "plugin":
        yield AvailablePackage(path, f"{declared.get('author')}/{declared.get('name')}", str(declared.get("version")))


class PluginSources:
    def __init__(self, places: Iterable[Path], keys: Sequence[PublicKey]) -> None:
        """``keys``: Trusted signers."""
        self.unread: list[str] = []
        """Unreadable paths, each with its reason."""
        self._offered = [offered for place in places for offered in offered_in(place, self.unread)]
        self._keys = keys

    async def find(self, wanted: Identifier) -> tuple[Plugin, Archive] | None:
        """Find a package: by checksum, else by version, else the newest; ``None`` if there is none.

        Raises ``PackageRefused``: it cannot be used; ``OSError``: it cannot be read.
        """
        same = sorted((each for each in self._offered if each.plugin == wanted.plugin), key=_newness)
        meant = [each for each in same if each.version == wanted.version] or same[-1:]
        found = None
        for offered in meant:
            found = await asyncio.to_thread(self._read, offered.path)
            if found[0].checksum == wanted.checksum:
                break
        return found

    def _read(self, path: Path) -> tuple[Plugin, Archive]:
        if path.is_dir():
            return read_package(pack(path), self._keys)
        with path.open("rb") as file:
            return read_package(file.read(MAX_PACKED + 1), self._keys)


def _newness(offered: AvailablePackage) -> tuple[int, ...]:
    return tuple(int(part[:18]) if part.isdecimal() else 0 for part in offered.version.split("."))


_TIMEOUTS: Final = Timeouts(connect=10.0, read=60.0, write=60.0, total=600.0)


async def download(wanted: Identifier, market: str, http: HttpClient) -> tuple[bytes, Identifier]:
    """Download a package from ``market``. Returns it with its identifier. Raises ``PackageRefused`` if that fails.

    ``wanted``: Without a checksum, the newest build of the version, or the newest version.
    """
    exact = wanted if wanted.version and wanted.checksum else await _newest(wanted, market, http)
    text = f"{exact.plugin}:{exact.version}@{exact.checksum}"
    url = f"{market.rstrip('/')}/api/v1/plugins/download?unique_identifier={quote(text, safe='')}"
    return await _ask(OutgoingRequest(method="GET", url=url, timeouts=_TIMEOUTS, max_bytes=MAX_PACKED), http), exact


async def _newest(wanted: Identifier, market: str, http: HttpClient) -> Identifier:
    body = msgspec.json.encode({"plugin_ids": [wanted.plugin]})
    request = OutgoingRequest(
        method="POST",
        url=f"{market.rstrip('/')}/api/v1/plugins/batch",
        headers=(("Content-Type", "application/json"),),
        body=body,
        timeouts=_TIMEOUTS,
    )
    try:
        answer: Any = msgspec.json.decode(await _ask(request, http))
        listed = answer["data"]["plugins"]
        found = [identifier(str(entry["latest_package_identifier"])) for entry in listed if isinstance(entry, Mapping)]
    except (msgspec.DecodeError, KeyError, TypeError):
        raise PackageRefused(f"{market} sent an invalid answer.") from None
    for exact in found:
        if exact is not None and exact.plugin == wanted.plugin and exact.checksum:
            if wanted.version and exact.version != wanted.version:
                raise PackageRefused(
                    f"{market} has {wanted.plugin} {exact.version}; of {wanted.version} it takes the identifier with "
                    "its checksum, as a workflow file has it."
                )
            return exact
    raise PackageRefused(f"{market} has no plugin {wanted.plugin}.")


async def _ask(request: OutgoingRequest, http: HttpClient) -> bytes:
    try:
        answer = await http.send(request)
    except HttpFailure as failure:
        raise PackageRefused(f"The package cannot be downloaded: {failure}") from None
    if answer.status != 200:
        raise PackageRefused(f"The package cannot be downloaded: {request.url} answered {answer.status}.")
    return answer.body
