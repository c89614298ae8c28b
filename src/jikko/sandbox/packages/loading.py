"""Preloading of packages in the fork server, before it locks; the rest goes into memory.

Native code cannot be loaded later, since that opens files and maps executable memory: so every native module is
imported here. Pure Python modules can be imported from memory; popular ones are imported here, too, to save time.
"""

import contextlib
import importlib
import os
import shutil
import sys
import sysconfig
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from jikko.sandbox.languages.memory import MemoryFiles, MemoryImporter, modules_below
from jikko.sandbox.lock import LockFailed

EXCLUDED_FOLDERS: Final = ("tests", "test", "__pycache__", "bin", "include", "share")
"""Folders of packages, at any depth, from which programs import nothing."""
_NO_DATA: Final = (".py", ".pyc", ".pyi", ".so", ".pyx", ".pxd", ".h", ".c", ".cpp", ".a", ".f90", ".typed")
_MAX_DATA_BYTES: Final = 32 << 20
"""Maximum size of a readable file. Larger ones are left out."""

# Without threads: a library that starts one would end the program.
_ONE_THREAD: Final = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "LOKY_MAX_CPU_COUNT"), "1"
)


class PackageLoader:
    """Imports the packages of one installation, once per fork server."""

    def __init__(self, settings: Mapping[str, Any], report: Callable[[str], None]) -> None:
        """``settings``: From ``settings_of``. ``report``: Receives the name of the next package."""
        self._lib: str = settings["lib"]
        self._state: str = settings["state"]
        self._packages: list[dict[str, Any]] = settings["packages"]
        self._load: list[str] = settings["load"]
        self._report = report
        self._kept: list[str] = []
        """Files outside that programs may open."""
        self.failed: dict[str, str] = {}
        """Import errors by full module name."""

    def load(self) -> None:
        """Import the packages. Raises ``LockFailed``: a package does what cannot be locked."""
        before = dict(os.environ)
        with _writable(self._state) as state:
            self._load_all(state)
        tempfile.tempdir = None
        os.environ.clear()
        os.environ.update(before)

    def _load_all(self, state: str) -> None:
        # Not the shared folder for temporary files: libraries trust what they store there.
        tempfile.tempdir = state
        os.environ.update(_ONE_THREAD, TMPDIR=state, HOME=state, MPLCONFIGDIR=state)
        for package in self._packages:
            os.environ.update(package["environment"])
        stdlib = sysconfig.get_path("stdlib")
        # Without the server's own libraries: packages must not depend on them.
        sys.path[:] = [self._lib, stdlib, f"{stdlib}/lib-dynload"]
        known = _writable_code()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for package in self._packages:
                self._report(package["name"])
                for module in (*package["modules"], *package["load"], *package["native"]):
                    self._import(module)
                self._prepare(package)
                self._check(package["name"], known)
            for module in list(self.failed):
                # Native code imported before its importer.
                if not self._is_main(module):
                    del self.failed[module]
                    self._import(module)
            self._report("what JIKKO_PACKAGES_LOAD names")
            for module in self._load:
                self._import(module)
            self._check("what JIKKO_PACKAGES_LOAD names", known)

    def preload(self, hidden: tuple[str, ...]) -> MemoryImporter:
        """Load everything importable or readable into memory. ``hidden``: Top-level modules provided elsewhere."""
        for name in [name for name in sys.modules if name.partition(".")[0] in hidden]:
            # A library may have imported the real one.
            del sys.modules[name]
        modules = (
            (name, source)
            for name, source in modules_below(self._lib, EXCLUDED_FOLDERS, located=True)
            if name not in self.failed
        )
        MemoryFiles(self._lib, self._data(), self._kept).serve()
        return MemoryImporter(modules, self._refused())

    def report(self) -> dict[str, Any]:
        return {
            "packages": {package["name"]: package["version"] for package in self._packages},
            "failed": {name: reason[:300] for name, reason in self.failed.items() if self._is_main(name)},
        }

    def _is_main(self, module: str) -> bool:
        """Return whether it is a package's main module, or one named by the operator, rather than a part."""
        return "." not in module or " " in module or module in self._load

    def _import(self, module: str) -> None:
        if module in self.failed:
            return
        try:
            importlib.import_module(module)
        except LockFailed:
            raise
        except BaseException as error:
            self.failed[module] = f"{type(error).__name__}: {error}"

    def _prepare(self, package: Mapping[str, Any]) -> None:
        if not package["prepare"] or any(module in self.failed for module in package["modules"]):
            return
        try:
            exec(
                compile(package["prepare"], "<prepare>", "exec", dont_inherit=True),
                {"__name__": "prepare", "keep": self._kept.append},
            )
        except Exception as error:
            self.failed[f"{package['name']} (prepare)"] = f"{type(error).__name__}: {error}"

    def _check(self, name: str, known: frozenset[str]) -> None:
        advice = f"`jikko packages remove {name}` removes it"
        if len(os.listdir("/proc/self/task")) != 1:
            raise LockFailed(f"the package {name} starts threads when it is imported, so it cannot be locked; {advice}")
        if _has_children():
            raise LockFailed(
                f"the package {name} starts processes when it is imported, so it cannot be locked; {advice}"
            )
        if _writable_code() - known:
            raise LockFailed(
                f"the package {name} makes executable memory when it is imported, so it cannot be locked; {advice}"
            )

    def _refused(self) -> dict[str, str]:
        """Return the modules that can no longer be imported, with reasons."""
        refused = {name: f"{name} could not be loaded ahead: {reason}" for name, reason in self.failed.items()}
        for package in self._packages:
            for name in package["left_out"]:
                parts = name.split(".")
                # With its parents: test folders are not in memory.
                for each in (".".join(parts[:count]) for count in range(2, len(parts) + 1)):
                    if each not in sys.modules:
                        refused[each] = (
                            f"{each} has native code, and the import comes too late: name {name} in "
                            "JIKKO_PACKAGES_LOAD, so that it is loaded ahead"
                        )
        return refused

    def _data(self) -> Iterator[str]:
        for directory, subdirectories, files in os.walk(self._lib):
            subdirectories[:] = [name for name in subdirectories if name not in EXCLUDED_FOLDERS]
            for file in files:
                path = os.path.join(directory, file)
                if not file.endswith(_NO_DATA) and ".so." not in file and os.path.getsize(path) <= _MAX_DATA_BYTES:
                    yield path


@contextlib.contextmanager
def _writable(state: str) -> Iterator[str]:
    """Yield the folder, or a temporary copy if another user installed the packages."""
    if os.access(state, os.W_OK):
        yield state
        return
    with tempfile.TemporaryDirectory(prefix="jikko-packages-", ignore_cleanup_errors=True) as folder:
        copy = os.path.join(folder, "state")
        shutil.copytree(state, copy)
        os.chmod(copy, 0o700)
        yield copy


def _has_children() -> bool:
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return False
    return True


def _writable_code() -> frozenset[str]:
    """Return writable and executable mappings, which every child would inherit."""
    with open("/proc/self/maps") as file:
        lines = [line.split() for line in file]
    return frozenset(
        fields[0] for fields in lines if "x" in fields[1] and ("w" in fields[1] or fields[1].endswith("s"))
    )
