"""Facts about known packages: what to load of them, which cannot be used, and which modules they provide.

The first is in ``known.toml``, by package. The others are in ``names.json``, which every fork server reads: ``refused``
says why packages cannot be locked or are of no use once they are, ``modules`` which packages provide modules of other
names.
"""

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from jikko.sandbox.clients import MODULES

BUILT_IN: Final = frozenset(name.replace("_", "-") for name in MODULES)
"""Packages that programs have without installing them, by normalized name."""


def normalized(name: str) -> str:
    """The name of a package as indexes compare it: ``Scikit_Learn`` is ``scikit-learn``."""
    return re.sub(r"[-_.]+", "-", name).lower()


def notes_on(package: str) -> Mapping[str, Any]:
    """The entry of a package in ``known.toml``; empty without one."""
    notes: Mapping[str, Any] = _notes()["packages"].get(normalized(package), {})
    return notes


def why_refused(package: str) -> str | None:
    """Why a package is of no use to programs, if that is known."""
    return _names()["refused"].get(normalized(package))


def package_of(module: str) -> str:
    """The package that most likely provides a top-level module."""
    return _names()["modules"].get(module) or normalized(module)


def take_names_into_memory() -> None:
    """Read the names now, for a process that cannot open files later."""
    _names()


@cache
def _names() -> Mapping[str, Mapping[str, str]]:
    names: Mapping[str, Mapping[str, str]] = json.loads(_beside("names.json"))
    return names


@cache
def _notes() -> Mapping[str, Any]:
    import tomllib  # a fork server needs none of it

    return tomllib.loads(_beside("known.toml"))


def _beside(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")
