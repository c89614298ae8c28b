"""Known packages: what to preload, which are unusable, and their module names.

``known.toml`` has what to preload, by package. ``names.json``, which every fork server reads, has the rest: ``refused``
explains unusable packages, ``modules`` maps modules to packages of other names.
"""

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from jikko.sandbox.clients import MODULES

BUILT_IN: Final = frozenset(name.replace("_", "-") for name in MODULES)
"""Packages available without installation, by normalised name."""


def normalized(name: str) -> str:
    """Normalise a package name like an index: ``Scikit_Learn`` becomes ``scikit-learn``."""
    return re.sub(r"[-_.]+", "-", name).lower()


def notes_on(package: str) -> Mapping[str, Any]:
    """Return a package's entry in ``known.toml``; empty if there is none."""
    notes: Mapping[str, Any] = _notes()["packages"].get(normalized(package), {})
    return notes


def why_refused(package: str) -> str | None:
    """Return why a package is unusable for programs, if known."""
    return _names()["refused"].get(normalized(package))


def package_of(module: str) -> str:
    """Return the package that most likely provides a top-level module."""
    return _names()["modules"].get(module) or normalized(module)


def preload_names() -> None:
    """Load the names, for a process that cannot open files later."""
    _names()


@cache
def _names() -> Mapping[str, Mapping[str, str]]:
    names: Mapping[str, Mapping[str, str]] = json.loads(_beside("names.json"))
    return names


@cache
def _notes() -> Mapping[str, Any]:
    import tomllib  # not needed by a fork server

    return tomllib.loads(_beside("known.toml"))


def _beside(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")
