"""What a plugin needs, as lines that an installer takes: versions and hashes, from whatever index is set up here."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from jikko.plugins.package.refused import PackageRefused

_SDK: Final = re.compile(r"^(dify[-_.]plugin)(?:\[[^\]]*\])?\s*[~>]=\s*([^,;\s]+)[^;]*", re.IGNORECASE)
_PLAIN: Final = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*(\s*\[[A-Za-z0-9,._\s-]*\])?\s*([<>=!~(].*)?(;.*)?$")
_HASH: Final = "--hash="


@dataclass(frozen=True, slots=True)
class Requirements:
    """What is to be installed."""

    lines: tuple[str, ...]
    """One requirement each, with its hashes."""
    day: int | None = None
    """As of when versions are chosen (seconds since the Unix epoch), where no lock says which."""

    @property
    def hashed(self) -> bool:
        """Whether each line has hashes, so that nothing else can be installed."""
        return bool(self.lines) and all(_HASH in line for line in self.lines)

    @property
    def text(self) -> str:
        """A requirements file."""
        return "".join(f"{line}\n" for line in self.lines)


def from_lock(exported: str) -> Requirements:
    """Those of a lock, as ``uv export`` tells them: a requirement and its hashes, over several lines.

    Raises:
        PackageRefused: One is no plain name with a version.
    """
    joined = exported.replace("\\\n", " ")
    lines = [" ".join(line.split()) for line in joined.splitlines() if line.strip() and not line.startswith("#")]
    for line in lines:
        _check(line.partition(_HASH)[0].strip())
    return Requirements(tuple(lines))


def from_files(files: Mapping[str, bytes], day: int | None) -> tuple[Requirements, ...]:
    """Those of a package without a lock, in the order in which they are tried.

    First versions of the day on which the package was made: newer ones break old plugins. Then the oldest SDK that it
    admits, as the day may be that of an earlier version of the plugin; then the newest versions.

    Args:
        day: Seconds since the Unix epoch.

    Raises:
        PackageRefused: There are none, or one is no plain name with a version.
    """
    lines = tuple(_listed(files))
    for line in lines:
        _check(line)
    made = [] if day is None else [Requirements(lines, day)]
    oldest = Requirements(tuple(_SDK.sub(r"\1==\2", line) for line in lines))
    return tuple(dict.fromkeys((*made, oldest, Requirements(lines))))


def _listed(files: Mapping[str, bytes]) -> Iterable[str]:
    try:
        if "requirements.txt" in files:
            text = files["requirements.txt"].decode()
            lines = (line.partition(" #")[0].strip() for line in text.splitlines())
            return [line for line in lines if line and not line.startswith("#")]
        if "pyproject.toml" in files:
            project: Any = tomllib.loads(files["pyproject.toml"].decode()).get("project", {})
            return [str(line) for line in project.get("dependencies", [])]
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, AttributeError, TypeError) as error:
        raise PackageRefused(f"What the plugin needs cannot be read: {error}.") from None
    raise PackageRefused("The package has no uv.lock, pyproject.toml or requirements.txt: nothing says what it needs.")


def _check(line: str) -> None:
    if not _PLAIN.match(line) or "://" in line or " @ " in line:
        raise PackageRefused(
            f"The plugin needs {line[:200]!r}, which is no name with a version: addresses, paths and options are not "
            "installed (--allow-sources tries them)."
        )
