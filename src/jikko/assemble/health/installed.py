"""What is installed: Python, and the libraries that are optional."""

import importlib.metadata
import platform
import re
import sys
from collections.abc import Iterator
from typing import Final, get_args

from jikko.extras import WHAT_FOR, Extra, how_to_install
from jikko.finding import Finding

_REQUIREMENT: Final = re.compile(r"""([\w.-]+).*;.*\bextra\s*==\s*["']([\w-]+)["']""")
"""A requirement of an extra, as the metadata of an installed package has it: its name, and that of the extra."""


def python() -> Finding:
    """The version of Python: any will do that can install Jikko, and those that it was tested with are better."""
    tested = [
        name.rpartition(" ")[2] for name in _classifiers() if name.startswith("Programming Language :: Python ::")
    ]
    detail = f"{platform.python_implementation()} {platform.python_version()}"
    if ".".join(platform.python_version_tuple()[:2]) in tested:
        return Finding("python", True, detail)
    advice = "whether code nodes run is what the lines about the sandbox say"
    return Finding("python", True, f"{detail}; Jikko was tested with {', '.join(tested)} only; {advice}", warning=True)


def _classifiers() -> list[str]:
    return importlib.metadata.metadata("jikko").get_all("Classifier") or []


def extras() -> Iterator[Finding]:
    """Each optional part: whether its libraries are there. None has to be; one of which some are missing is no use."""
    wanted = _wanted()
    for extra in get_args(Extra):
        missing = [name for name in wanted.get(extra, ()) if not _is_installed(name)]
        if not missing:
            yield Finding(f"extra {extra}", True, f"installed, for {WHAT_FOR[extra]}")
            continue
        some = len(missing) < len(wanted[extra])
        lacks = f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing" if some else "not installed"
        yield Finding(f"extra {extra}", True, f"{lacks}; for {WHAT_FOR[extra]}: {how_to_install(extra)}", warning=some)


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
