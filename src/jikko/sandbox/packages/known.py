"""What is known of packages ahead: what to load of them, which cannot be used, and which modules they provide."""

import re
import tomllib
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
    notes: Mapping[str, Any] = _known()["packages"].get(normalized(package), {})
    return notes


def why_refused(package: str) -> str | None:
    """Why a package is of no use to programs, if that is known."""
    reason: str | None = _known()["refused"].get(normalized(package))
    return reason


def package_of(module: str) -> str:
    """The package that most likely provides a top-level module."""
    name: str = _known()["modules"].get(module) or normalized(module)
    return name


def take_into_memory() -> None:
    """Read the file now, for a process that cannot open it later."""
    _known()


@cache
def _known() -> Mapping[str, Any]:
    return tomllib.loads(Path(__file__).with_name("known.toml").read_text(encoding="utf-8"))
