"""Checks of what is installed: Python, and the libraries that are optional."""

import importlib.metadata
import platform
import re
import sys
from collections.abc import Iterator
from typing import Final, get_args

from jikko.diagnostics.diagnostic import Diagnostic, Phrase, Severity
from jikko.extras import Extra, how_to_install

_REQUIREMENT: Final = re.compile(r"""([\w.-]+).*;.*\bextra\s*==\s*["']([\w-]+)["']""")
"""A requirement of an extra, as the metadata of an installed package has it: its name, and that of the extra."""


def python() -> Diagnostic:
    """The version of Python: any will do that can install Jikko, and those that it was tested with are better."""
    tested = [
        name.rpartition(" ")[2] for name in _classifiers() if name.startswith("Programming Language :: Python ::")
    ]
    params = {"version": f"{platform.python_implementation()} {platform.python_version()}", "tested": ", ".join(tested)}
    if ".".join(platform.python_version_tuple()[:2]) in tested:
        return Diagnostic("python.tested", params, where="python", severity="ok")
    return Diagnostic("python.untested", params, where="python", severity="warning")


def _classifiers() -> list[str]:
    return importlib.metadata.metadata("jikko").get_all("Classifier") or []


def extras() -> Iterator[Diagnostic]:
    """Each optional part: whether its libraries are there. None has to be; one of which some are missing is no use."""
    wanted = _wanted()
    for extra in get_args(Extra):
        missing = [name for name in wanted.get(extra, ()) if not _is_installed(name)]
        severity: Severity = "ok"
        where, code = f"extra {extra}", "extra.installed"
        if missing and len(missing) < len(wanted[extra]):
            severity = "warning"
            code = "extra.missing" if len(missing) > 1 else "extra.one_missing"
        elif missing:
            code = "extra.not_installed"
        purpose = Phrase(f"extra.for_{extra}")
        params = {"names": ", ".join(missing), "purpose": purpose, "command": how_to_install(extra)}
        yield Diagnostic(code, params, where=where, severity=severity)


def _wanted() -> dict[str, list[str]]:
    """The names of the packages that each extra consists of, on this platform."""
    found: dict[str, list[str]] = {}
    for requirement in importlib.metadata.requires("jikko") or ():
        if (parts := _REQUIREMENT.match(requirement)) and ("sys_platform" not in requirement or _is_linux()):
            found.setdefault(parts[2], []).append(parts[1])
    return found


def _is_linux() -> bool:
    return sys.platform == "linux"


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
