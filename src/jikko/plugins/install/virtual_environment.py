"""Virtual environments of plugins, made by uv. Plugins with equal requirements share one."""

import asyncio
import hashlib
import re
import shutil
import sys
import time
import tomllib
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from weakref import WeakValueDictionary

from jikko.plugins.install.uv import Uv
from jikko.plugins.package.declaration import Plugin
from jikko.plugins.package.package_archive import Archive, PackageRefused
from jikko.private import make_file, remove

_SDK: Final = re.compile(r"^(dify[-_.]plugin)(?:\[[^\]]*\])?\s*[~>]=\s*([^,;\s]+)[^;]*", re.IGNORECASE)
_PLAIN: Final = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*(\s*\[[A-Za-z0-9,._\s-]*\])?\s*([<>=!~(].*)?(;.*)?$")
_HASH: Final = "--hash="


@dataclass(frozen=True, slots=True)
class Requirements:
    lines: tuple[str, ...]
    """One requirement a line, with hashes."""
    day: int | None = None
    """Cut-off date of package versions (seconds since the Unix epoch), if there is no lock."""

    @property
    def hashed(self) -> bool:
        """Whether every line has hashes."""
        return bool(self.lines) and all(_HASH in line for line in self.lines)

    @property
    def text(self) -> str:
        return "".join(f"{line}\n" for line in self.lines)


def from_lock(exported: str) -> Requirements:
    """Parse the output of ``uv export``: requirements with hashes, continued over lines. Raises ``PackageRefused``:
    anything else.
    """
    joined = exported.replace("\\\n", " ")
    lines = [" ".join(line.split()) for line in joined.splitlines() if line.strip() and not line.startswith("#")]
    for line in lines:
        _check(line.partition(_HASH)[0].strip())
    return Requirements(tuple(lines))


def from_files(files: Mapping[str, bytes], day: int | None) -> tuple[Requirements, ...]:
    """Candidate requirements of a package without a lock, in order of attempt. ``day``: Seconds since the Unix epoch.

    First the versions of the package's day: newer ones break old plugins. Then the oldest admissible SDK, since the day
    may be that of an earlier plugin version; then the newest versions.
    Raises ``PackageRefused``: no requirements, or one is not a plain name with a version.
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
        raise PackageRefused(f"The plugin's dependencies cannot be read: {error}.") from None
    raise PackageRefused(
        "The package has no uv.lock, pyproject.toml or requirements.txt: its dependencies are unknown."
    )


def _check(line: str) -> None:
    if not _PLAIN.match(line) or "://" in line or " @ " in line:
        raise PackageRefused(
            f"The plugin needs {line[:200]!r}, which is not a name with a version: URLs, paths and options are not "
            "installed."
        )


OWN: Final = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
"""Jikko's own interpreter, outside of its virtual environment."""
_READY: Final = ".ready"
_NO_WHEEL: Final = re.compile(r"Wheels are required for `([^`]+)`")
"""uv's message about a package without a wheel."""
_NAME: Final = re.compile(r"[^A-Za-z0-9._-]")
_DAY: Final = 86_400
_MAKING: Final[WeakValueDictionary[Path, asyncio.Lock]] = WeakValueDictionary()
"""Environments being created in this process: plugins with equal requirements create one."""
_NEWER: Final = 3
"""Number of Python versions to try beyond the plugin's own."""


async def requirements_of(
    plugin: Plugin, archive: Archive, folder: Path, uv: Uv, python: Path
) -> tuple[Requirements, ...]:
    """Candidate requirements of the plugin in ``folder`` for this Python, likeliest first.

    Raises ``PackageRefused``: they cannot be determined, or are not installable.
    """
    if "uv.lock" in archive.files and "pyproject.toml" in archive.files:
        options = ("--frozen", "--no-dev", "--no-emit-project", "--no-header", "--no-annotate", "--quiet")
        command = ("export", *options, "--python", str(python))
        return (from_lock(await uv.run(*command, folder=folder, python=python, of_project=True)),)
    return from_files(archive.files, plugin.signed_at or plugin.created_at)


async def interpreters(plugin: Plugin) -> AsyncIterator[Path]:
    """Yield Pythons to try for a plugin: the version it was made for, then newer ones; Jikko's own before those on the
    search path, each of which is started to find it only once those before it did not do.
    Locked libraries may depend on what newer Pythons dropped.

    Raises ``PackageRefused`` if none is new enough.
    """
    try:
        major, minor, *_ = (int(part) for part in f"{plugin.python}.0".split("."))
    except ValueError:
        raise PackageRefused(f"manifest.yaml: meta.runner.version is {plugin.python!r}, not a version.") from None
    own = sys.version_info[:2]
    found: set[Path] = set()
    for newer in range(minor, minor + _NEWER + 1):
        if OWN not in found and ((major, newer) == own or (newer > minor and own > (major, minor))):
            found.add(OWN)
            yield OWN
        named = None if (major, newer) == own else shutil.which(f"python{major}.{newer}")
        python = None if named is None else await _itself(named)
        if python is not None and python not in found:
            found.add(python)
            yield python
    if not found:
        raise PackageRefused(
            f"{plugin.id} needs Python {plugin.python}, and no python{major}.{minor} or newer is installed: Jikko runs "
            f"on {own[0]}.{own[1]}."
        )


async def _itself(command: str) -> Path | None:
    """Resolve a command to its interpreter, since it may be a launcher script; ``None`` if it has none."""
    process = await asyncio.create_subprocess_exec(
        command, "-I", "-c", "import sys; print(getattr(sys, '_base_executable', sys.executable))",
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    output, _ = await process.communicate()
    return None if process.returncode else _real(output.decode().strip())


def _real(path: str) -> Path:
    return Path(path).resolve()


async def make_environment(wanted: Requirements, environments: Path, *, python: Path, uv: Uv) -> Path:
    """Create the environment unless it exists. ``python``: From ``interpreters``.

    A half-made one is made again: the ready marker is written last. Raises ``PackageRefused``, ``OSError``: it failed.
    """
    day = [] if wanted.day is None else ["--exclude-newer", time.strftime("%Y-%m-%d", time.gmtime(wanted.day + _DAY))]
    named = f"{python}\n{day}\n{wanted.text}"
    place = environments / hashlib.sha256(named.encode()).hexdigest()[:16]
    async with _MAKING.setdefault(place, asyncio.Lock()):
        if not (place / _READY).exists():
            await _make(place, wanted, day, python, uv)
    return place


async def _make(place: Path, wanted: Requirements, day: list[str], python: Path, uv: Uv) -> None:
    listed = await _begin(place, wanted, python, uv)
    options = ["pip", "install", "--quiet", "--python", str(place / "bin/python"), *day]
    options += ["--require-hashes"] if wanted.hashed else []
    built = False
    try:
        await uv.run(*options, "--only-binary", ":all:", "-r", str(listed), folder=place, write=(place,), python=python)
    except PackageRefused as refused:
        # A package without a wheel: its build runs its own code, so nothing it could change may be shared. Existing
        # files may be
        # hard links into the shared cache. Copy all other packages of the lock first.
        await _begin(place, wanted, python, uv)
        if wanted.hashed:
            await _install_wheels(wanted, listed, str(refused), options, python, uv)
        built, own = True, place / "build-cache"
        try:
            await uv.run(*options, "-r", str(listed), folder=place, write=(place,), own_cache=own, python=python)
        finally:
            remove(own, missing_ok=True)
    await uv.bytecode.compile(place / "lib", python, shared=not built)
    make_file(place / _READY)


async def _begin(place: Path, wanted: Requirements, python: Path, uv: Uv) -> Path:
    listed = _emptied(place) / "requirements.txt"
    listed.write_text(wanted.text)
    venv = ("venv", "--quiet", "--allow-existing", "--python", str(python), str(place))
    await uv.run(*venv, folder=place, write=(place,), python=python)
    return listed


async def _install_wheels(
    wanted: Requirements, listed: Path, reason: str, options: list[str], python: Path, uv: Uv
) -> None:
    """Install copies of those packages of a lock that have wheels, and none if uv's message ``reason`` does not name
    the others.
    ``listed``: File with all of them; the reduced one is written beside it."""
    lines, place = wanted.lines, listed.parent
    some = listed.with_name("with-wheels.txt")
    while names := {_normal(name) for name in _NO_WHEEL.findall(reason)}:
        left = tuple(line for line in lines if _normal(_NAME.split(line)[0]) not in names)
        if len(left) == len(lines):
            return
        lines = left
        some.write_text(Requirements(lines).text)
        only = ("--no-deps", "--only-binary", ":all:", "--link-mode", "copy", "-r", str(some))
        try:
            await uv.run(*options, *only, folder=place, write=(place,), python=python)
        except PackageRefused as refused:
            reason = str(refused)
        else:
            return


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _emptied(place: Path) -> Path:
    remove(place, missing_ok=True)
    place.mkdir(parents=True)
    return place
