"""Writes ``sbom.cdx.json``: the locked libraries of server and page, with licences, as CycloneDX 1.6.

Usage: python -m scripts.sbom, in the test environment, which has all of them; ``make lock`` runs it. Wheels and images
contain the file in ``.dist-info/sboms`` (PEP 770). Libraries of extras have the scope ``optional``.
Extras missing from all images are left out, as is code bundled by libraries: its licences are in their files.
"""

import json
import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import metadata
from typing import Any, Final
from urllib.parse import quote

from packaging.requirements import Requirement
from scripts.install import LOCK, PART

SBOM: Final = LOCK.parent / "sbom.cdx.json"
NPM: Final = LOCK.parent / "console" / "package-lock.json"
KNOWN: Final = frozenset(
    "0BSD Apache-2.0 BSD-2-Clause BSD-3-Clause CC0-1.0 ISC MIT MIT-0 MIT-CMU MPL-2.0 PSF-2.0 Unlicense Zlib"
    " LicenseRef-xlrd".split()
)
"""SPDX identifiers of licences that allow redistribution in an image; xlrd has a second one of its own."""
_READ: Final = {
    "olefile": "BSD-2-Clause",
    "protobuf": "BSD-3-Clause",
    "pypdfium2": "BSD-3-Clause AND Apache-2.0",
    "pystemmer": "MIT AND BSD-3-Clause",
    "quickjs-ng": "MIT",
    "xlrd": "BSD-3-Clause AND LicenseRef-xlrd",
}
"""Licences stated in a library's files but not in its metadata."""
_CLASSES: Final = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
_SCOPES: Final = {"core": "required", "run": "optional", "image": "optional", "test": "required"}
"""Scopes by part of the lock."""
_COPIED: Final = ("genai-prices",)
"""Test libraries whose data ship with the project (``scripts/price_list.py``)."""
_PLATFORMS: Final = [
    {"sys_platform": system, "python_full_version": version}
    for system in ("linux", "darwin")
    for version in ("3.11.0", "3.13.0")
]
_WORD: Final = re.compile(r"[^\s()]+")


def main() -> None:
    """Write the file."""
    SBOM.write_text(json.dumps(sbom(), indent=1) + "\n", "utf-8")


def sbom() -> dict[str, Any]:
    """Describe the libraries of lock and page. Raises ``ValueError``: a licence is unknown."""
    project = tomllib.loads((LOCK.parent / "pyproject.toml").read_text("utf-8"))["project"]
    itself = _component("pypi", project["name"], project["version"], project["license"], "required")
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {**itself, "type": "application"}},
        "components": [
            *(_component("pypi", name, version, license_of(name), scope) for name, version, scope in locked()),
            *_of_the_page(),
        ],
    }


def locked() -> Iterator[tuple[str, str, str]]:
    """Return name, version and scope of the lock's libraries for Linux or macOS."""
    _, *pieces = PART.split(LOCK.read_text("utf-8"))
    parts = dict(zip(pieces[::2], pieces[1::2], strict=True))
    for part, scope in _SCOPES.items():
        for line in re.findall(r"^[a-z0-9].*==[^\\\n]*", parts[part], re.MULTILINE):
            wanted = Requirement(line)
            needed = wanted.marker is None or any(map(wanted.marker.evaluate, _PLATFORMS))
            if needed and (part != "test" or wanted.name in _COPIED):
                yield wanted.name, str(wanted.specifier).removeprefix("=="), scope


def license_of(name: str) -> str:
    """Return the SPDX expression of an installed library. Raises ``ValueError``: it states no known licence."""
    if name in _READ:
        return _READ[name]
    says = metadata(name).json
    classes = [each.rpartition(" :: ")[2] for each in says.get("classifier", ()) if each.startswith("License")]
    of_classes = " OR ".join(_CLASSES.get(each, each) for each in classes)
    for text in (says.get("license_expression"), says.get("license"), of_classes):
        if isinstance(text, str) and text and is_known(text):
            return text
    raise ValueError(f"{name}: unknown licence {classes}; read its files, and name it in scripts/sbom.py")


def is_known(expression: str) -> bool:
    """Return whether all licences of an SPDX expression are known."""
    return all(word in KNOWN for word in _WORD.findall(expression) if word not in ("AND", "OR"))


def _of_the_page() -> Iterator[dict[str, Any]]:
    packages = json.loads(NPM.read_text("utf-8"))["packages"]
    for place, package in packages.items():
        if place and not package.get("dev"):
            name = place.rpartition("node_modules/")[2]
            yield _component("npm", name, package["version"], package["license"], "required")


def _component(kind: str, name: str, version: str, licence: str, scope: str) -> dict[str, Any]:
    purl = f"pkg:{kind}/{quote(name)}@{version}"
    licences = [{"expression": licence}]
    named = {"type": "library", "bom-ref": purl, "name": name, "version": version}
    return {**named, "scope": scope, "licenses": licences, "purl": purl}


if __name__ == "__main__":
    main()
