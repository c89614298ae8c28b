"""What is in a folder that packages were installed into."""

import importlib.metadata
from collections.abc import Collection, Iterator
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path, PurePosixPath
from typing import Final

from jikko.sandbox.packages.installed import Package
from jikko.sandbox.packages.known import normalized

_NO_PACKAGES: Final = frozenset(("pip", "setuptools", "wheel"))


def packages_in(lib: Path, requested: Collection[str]) -> tuple[Package, ...]:
    """The packages of a folder: first those that others need, then those that were asked for, each by name.

    Args:
        requested: Normalized names of those that were asked for.
    """
    found = [
        _package(name, distribution, requested)
        for distribution in importlib.metadata.distributions(path=[str(lib)])
        if (name := normalized(distribution.metadata["Name"] or "")) and name not in _NO_PACKAGES
    ]
    return tuple(sorted(found, key=lambda package: (package.requested, package.name)))


def _package(name: str, distribution: importlib.metadata.Distribution, requested: Collection[str]) -> Package:
    modules = list(_modules(PurePosixPath(file) for file in distribution.files or ()))
    return Package(
        name=name,
        version=distribution.version,
        modules=tuple(sorted({module.partition(".")[0] for module, _ in modules})),
        native=tuple(sorted(module for module, is_native in modules if is_native)),
        requested=name in requested,
    )


def _modules(files: Iterator[PurePosixPath]) -> Iterator[tuple[str, bool]]:
    """Full names of modules, and whether they are native."""
    for file in files:
        suffix = next((each for each in (*EXTENSION_SUFFIXES, ".py") if file.name.endswith(each)), None)
        if suffix is None:
            continue
        stem = file.name.removesuffix(suffix)
        parts = file.parts[:-1] if stem == "__init__" and suffix == ".py" else (*file.parts[:-1], stem)
        if parts and all(map(str.isidentifier, parts)):
            yield ".".join(parts), suffix != ".py"
