"""Requirements as pip takes them, each with the name of its package."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from jikko.sandbox.packages.known import normalized

_NAME: Final = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?=$|[\[<>=!~;@(])")
_COMMENT: Final = re.compile(r"(^|\s)#.*$")


class BadRequirement(ValueError):
    """A requirement cannot be used. The message says which and why."""


def parse(texts: Iterable[str]) -> dict[str, str]:
    """Requirements by normalized names, the last of each; a wheel's path as its address. Raises ``BadRequirement``."""
    found: dict[str, str] = {}
    for text in texts:
        requirement = _of_wheel(text) if text.endswith(".whl") and " @ " not in text else text.strip()
        name = _NAME.match(requirement)
        if name is None or requirement.startswith("-"):
            raise BadRequirement(
                f"{text!r} is no requirement: expected the name of a package, such as numpy or 'pandas>=3', or "
                "NAME @ ADDRESS"
            )
        found[normalized(name[1])] = requirement
    return found


def parse_file(file: Path) -> dict[str, str]:
    """The requirements of a file: one a line, with comments. Options of pip are not taken.

    Raises ``BadRequirement``: a line is no requirement; ``OSError``: the file cannot be read.
    """
    lines = [_COMMENT.sub("", line).strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
    try:
        return parse(line for line in lines if line)
    except BadRequirement as error:
        raise BadRequirement(f"{file}: {error}") from None


def without(requested: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """Requirements without those of some packages. Raises ``BadRequirement``: a package was not asked for."""
    left = dict(requested)
    for name in names:
        if left.pop(normalized(name), None) is None:
            known = ", ".join(sorted(requested)) or "none"
            raise BadRequirement(f"{name} was not installed by name; those that were: {known}")
    return left


def _of_wheel(text: str) -> str:
    file = Path(text).expanduser().resolve()
    if not file.is_file():
        raise BadRequirement(f"there is no file {text}")
    return f"{file.name.partition('-')[0]} @ {file.as_uri()}"
