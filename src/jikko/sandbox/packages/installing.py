"""Installation of packages for programs: into a new folder, tried in a real child, then made current.

A failure changes nothing for programs; and a running server continues with its loaded packages.
"""

import contextlib
import fcntl
import importlib.metadata
import importlib.util
import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path, PurePosixPath
from typing import Final

import msgspec
from msgspec import Struct

from jikko.ports.sandbox import SandboxFailure
from jikko.sandbox.client import ForkServerSandbox
from jikko.sandbox.fork_server_client import ForkServerClient, ForkServerGone, probed
from jikko.sandbox.limits import SandboxLimits, why_unsupported
from jikko.sandbox.packages.installed import (
    MANIFEST,
    InstalledPackages,
    Package,
    PackageFolder,
    Unreadable,
    loadable,
    this_python,
)
from jikko.sandbox.packages.known import normalized, notes_on, why_refused
from jikko.sandbox.packages.loading import EXCLUDED_FOLDERS

_WORDS_OF_INSTALLER: Final = 1500
_LIMITS: Final = SandboxLimits(wall_seconds=60, memory_bytes=1 << 30, concurrent_runs=1)
"""Limits of the trial, whose duration does not matter."""


class NotInstalled(Exception):
    """Nothing was installed. The message says why."""


class FolderBusy(NotInstalled):
    """Another process is changing the folder."""


class PackageInstaller(Struct, eq=False):
    """Changes the packages of a folder. Blocks; only ``try_out`` needs an event loop."""

    folder: PackageFolder
    report: Callable[[str], None] = lambda text: None
    """Receives progress, line by line."""

    def requested(self) -> dict[str, str]:
        try:
            installed = self.folder.current()
        except Unreadable:
            return {}
        return parse(installed.requested) if installed else {}

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Lock the folder. Raises ``FolderBusy``, or ``NotInstalled`` if it cannot be created."""
        try:
            self.folder.path.mkdir(parents=True, exist_ok=True)
            file = os.open(self.folder.path / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise NotInstalled(f"{self.folder.path} cannot be written: {error.strerror}") from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            raise FolderBusy(f"another process is changing {self.folder.path}; wait until it has finished") from None
        try:
            yield
        finally:
            os.close(file)

    def install(self, requested: Mapping[str, str]) -> InstalledPackages:
        """Install into a new folder, which is not current yet. ``requested``: All requirements, by name. Raises
        ``NotInstalled``, without leftovers: a package is unavailable or unusable."""
        for name in requested:
            _check(name, name)
        new = InstalledPackages(secrets.token_hex(4), this_python(), tuple(requested.values()))
        lib, state = self.folder.lib(new), self.folder.state(new)
        try:
            lib.mkdir(parents=True)
            state.mkdir(mode=0o700)
            if requested:
                self.report(f"Installing {', '.join(requested)} …")
                _run(_command(lib), [*requested.values()])
                _compile(lib)
            packages = packages_in(lib, requested.keys())
            for package in packages:
                _check(package.name, ", ".join(requested))
        except NotInstalled:
            self.discard(new)
            raise
        except OSError as error:
            self.discard(new)
            raise NotInstalled(f"{lib} cannot be written: {error.strerror}") from None
        return msgspec.structs.replace(new, packages=packages)

    async def try_out(self, new: InstalledPackages) -> list[str]:
        """Load packages in a locked fork server, and use each in a child. Returns a sentence per failure."""
        if not new.packages or why_unsupported():
            return []
        self.report("Trying them in a locked process …")
        trial = _Trial(self.folder, new)
        packages = loadable(trial)
        try:
            server = await ForkServerClient.start(_LIMITS, packages=packages)
        except SandboxFailure as failure:
            return [str(failure)]
        try:
            failed: dict[str, str] = server.report.get("failed", {})
            wrong = [f"{line} ({detail.text()})" for line, held, detail in await probed(server) if not held]
        except ForkServerGone:
            return ["The fork server ended while it was tested"]
        finally:
            await server.close()
        sandbox = ForkServerSandbox(_LIMITS, packages=trial)
        try:
            for package in new.packages:
                wrong += await _try(package, sandbox, failed)
        finally:
            await sandbox.close()
        return wrong

    def make_current(self, new: InstalledPackages) -> None:
        """Make it available to programs from the next run on, and delete the former installation."""
        # World-readable: the server may run as another user.
        _set_modes(self.folder.lib(new), folders=0o555, files=0o444)
        _set_modes(self.folder.state(new), folders=0o755, files=0o644)
        text = msgspec.json.format(msgspec.json.encode(new), indent=2)
        draft = self.folder.path / f".{MANIFEST}"
        with draft.open("wb") as manifest:
            manifest.write(text)
            manifest.flush()
            os.fsync(manifest.fileno())
        draft.replace(self.folder.path / MANIFEST)
        for entry in self.folder.path.iterdir():
            if entry.is_dir() and entry.name != new.folder:
                _remove(entry)

    def discard(self, new: InstalledPackages) -> None:
        _remove(self.folder.path / new.folder)


class _Trial(PackageFolder):
    def __init__(self, folder: PackageFolder, new: InstalledPackages) -> None:
        super().__init__(folder.path, load=folder.load)
        self._new = new

    @property
    def stamp(self) -> tuple[int, int] | None:
        return (0, 0)

    def current(self) -> InstalledPackages | None:
        return self._new


async def _try(package: Package, sandbox: ForkServerSandbox, failed: Mapping[str, str]) -> list[str]:
    reasons = [f"{name}: {failed[name]}" for name in (*package.modules, f"{package.name} (prepare)") if name in failed]
    if reasons:
        # A dependency may be a part that is never used.
        return [f"{package.name} cannot be imported ({'; '.join(reasons)})"] if package.requested else []
    program = notes_on(package.name).get("try")
    if program is None:
        if not package.requested:
            return []
        program = f"import {', '.join(package.modules)}\ndef main(): return {{}}" if package.modules else ""
    if not program:
        return [f"{package.name} has no modules"]
    try:
        await sandbox.run_code("python3", program, {})
    except SandboxFailure as failure:
        return [f"{package.name} does not work in a locked process: {failure}"]
    return []


def _check(name: str, wanted_by: str) -> None:
    reason = why_refused(name)
    if reason is not None:
        what = name if name == wanted_by else f"{name}, which {wanted_by} needs,"
        raise NotInstalled(f"{what} cannot be used by programs: {reason}")


def _command(lib: Path) -> list[str]:
    """Return the install command: pip of this Python, or uv."""
    if importlib.util.find_spec("pip") is not None:
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--quiet"]
        return [*pip, "--progress-bar", "off", "--no-compile", "--target", str(lib)]
    uv = shutil.which("uv")
    if uv is not None:
        return [uv, "pip", "install", "--quiet", "--python", sys.executable, "--target", str(lib)]
    remedy = (
        f"run `{sys.executable} -m ensurepip`, or install uv; in a container, take the full image, not the slim one"
    )
    raise NotInstalled(f"neither pip nor uv is installed: {remedy}")


def _run(command: list[str], requirements: list[str]) -> None:
    done = subprocess.run(
        [*command, "--", *requirements],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        words = (done.stderr.strip() or done.stdout.strip())[-_WORDS_OF_INSTALLER:]
        raise NotInstalled(f"{Path(command[0]).name} could not install {', '.join(requirements)}:\n{words}")


def _compile(lib: Path) -> None:
    """Compile what programs can import, about half of the packages' files."""
    root = str(lib.absolute())
    excluded = rf"{re.escape(root)}/(?:.*/)?(?:{'|'.join(EXCLUDED_FOLDERS)})/"
    command = [sys.executable, "-I", "-m", "compileall", "-q", "-x", excluded, root]
    # Some packages contain files for other Pythons, which they never import.
    subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)


def _set_modes(root: Path, *, folders: int, files: int) -> None:
    for directory, _, names in os.walk(root):
        for name in names:
            path = os.path.join(directory, name)
            if not os.path.islink(path):
                os.chmod(path, files)
        os.chmod(directory, folders)


def _remove(folder: Path) -> None:
    for directory, _, _ in os.walk(folder):
        os.chmod(directory, 0o755)
    shutil.rmtree(folder, ignore_errors=True)


# What is in a folder that packages were installed into.

_NO_PACKAGES: Final = frozenset(("pip", "setuptools", "wheel"))


def packages_in(lib: Path, requested: Collection[str]) -> tuple[Package, ...]:
    """Return the packages in a folder: dependencies, then requested ones (normalised names), by name."""
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
    for file in files:
        suffix = next((each for each in (*EXTENSION_SUFFIXES, ".py") if file.name.endswith(each)), None)
        if suffix is None:
            continue
        stem = file.name.removesuffix(suffix)
        parts = file.parts[:-1] if stem == "__init__" and suffix == ".py" else (*file.parts[:-1], stem)
        if parts and all(map(str.isidentifier, parts)):
            yield ".".join(parts), suffix != ".py"


_NAME: Final = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?=$|[\[<>=!~;@(])")
_COMMENT: Final = re.compile(r"(^|\s)#.*$")


class BadRequirement(ValueError):
    """A requirement is invalid. The message says which and why."""


def parse(texts: Iterable[str]) -> dict[str, str]:
    """Parse requirements, by normalised name; the last of each counts, and a wheel's path becomes a URL. Raises
    ``BadRequirement``."""
    found: dict[str, str] = {}
    for text in texts:
        requirement = _of_wheel(text) if text.endswith(".whl") and " @ " not in text else text.strip()
        name = _NAME.match(requirement)
        if name is None or requirement.startswith("-"):
            raise BadRequirement(
                f"{text!r} is not a requirement: expected the name of a package, such as numpy or 'pandas>=3', or "
                "NAME @ ADDRESS"
            )
        found[normalized(name[1])] = requirement
    return found


def parse_file(file: Path) -> dict[str, str]:
    """Parse a requirements file: one a line, with comments, without pip options.

    Raises ``BadRequirement``: an invalid line; ``OSError``: the file cannot be read.
    """
    lines = [_COMMENT.sub("", line).strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
    try:
        return parse(line for line in lines if line)
    except BadRequirement as error:
        raise BadRequirement(f"{file}: {error}") from None


def without(requested: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """Remove requirements. Raises ``BadRequirement`` if a package was not requested."""
    left = dict(requested)
    for name in names:
        if left.pop(normalized(name), None) is None:
            known = ", ".join(sorted(requested)) or "none"
            raise BadRequirement(f"{name} was not installed by name; packages installed by name: {known}")
    return left


def _of_wheel(text: str) -> str:
    file = Path(text).expanduser().resolve()
    if not file.is_file():
        raise BadRequirement(f"no file {text}")
    return f"{file.name.partition('-')[0]} @ {file.as_uri()}"
