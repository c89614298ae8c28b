"""Runner of uv, sandboxed: packages without a wheel execute code while they are built."""

import asyncio
import hashlib
import importlib.util
import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Final

from msgspec import Struct

from jikko.errors import InvalidSettings
from jikko.extras import how_to_install
from jikko.plugins.package.package_archive import PackageRefused
from jikko.plugins.process.plugin_launch import Lock
from jikko.plugins.process.process_usage import ProcessSession
from jikko.plugins.process.sockets import epoll_offered

_SECONDS: Final = 900.0
_LAST_WORDS: Final = 1500
_MEMORY: Final = 4 << 30
_HANDED_ON: Final = ("UV_", "SSL_CERT_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
"""Prefixes of environment variables that configure package indexes."""


class Uv:
    """uv with a cache of its own."""

    def __init__(self, cache: Path, environment: Mapping[str, str], *, confine: bool) -> None:
        """``cache``: Package cache; plugins share its files by hard links. ``environment``: Of this process.
        ``confine``: Whether to sandbox uv. Raises ``InvalidSettings`` if uv is not installed."""
        if importlib.util.find_spec("uv") is None:
            remedy = f"{how_to_install('plugins')}; in a container, take the full image, not the slim one"
            raise InvalidSettings(f"Installing plugins needs another library: {remedy}")
        from uv import find_uv_bin

        self._program = Path(find_uv_bin())
        self._cache = cache
        self._confine = confine
        self.bytecode = Bytecode(cache / "compiled", confine=confine)
        self._environment = {name: value for name, value in environment.items() if name.upper().startswith(_HANDED_ON)}
        index = environment.get("PIP_INDEX_URL")
        if index and not {"UV_DEFAULT_INDEX", "UV_INDEX_URL"} & environment.keys():
            self._environment["UV_DEFAULT_INDEX"] = index
        # Not ``Path.home``: it fails for unknown uids, as in containers.
        self._settings = Path(environment.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config"))

    async def run(
        self,
        *arguments: str,
        folder: Path,
        python: Path,
        write: Sequence[Path] = (),
        own_cache: Path | None = None,
        of_project: bool = False,
    ) -> str:
        """Run a uv command. Returns its output. Raises ``PackageRefused`` with its last lines if it fails.

        Args:
            folder, write: Readable folder; writable folders besides the cache.
            own_cache: Cache for builds, whose code could tamper with the shared one.
            of_project: Whether the folder is the project. Otherwise uv looks for none: one around the data folder is
                foreign, and
                may not be readable.
        """
        cache = own_cache or self._cache
        temporary = cache / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        # Only builds run package code; all else is uv's own.
        builds = own_cache is not None
        with epoll_offered() if builds and self._confine else nullcontext(0) as asked:
            lock = Lock(
                read=(folder, self._program.parent, self._settings / "uv", Path("/etc/uv"), python.parent.parent),
                write=(cache, *write),
                ports=None,
                sockets=asked,
                memory=_MEMORY,
                attributes=not builds,
                epoll=not builds,
                confine=self._confine,
            )
            process = await asyncio.create_subprocess_exec(
                *lock.command([str(self._program), *arguments]),
                cwd=folder if of_project else folder.anchor,
                env={
                    "PATH": os.defpath,
                    "HOME": str(temporary),
                    "TMPDIR": str(temporary),
                    "LANG": "C.UTF-8",
                    "XDG_CONFIG_HOME": str(self._settings),
                    "UV_CACHE_DIR": str(cache),
                    "UV_NO_PROGRESS": "1",
                    "UV_PYTHON_DOWNLOADS": "never",
                    **self._environment,
                },
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
                pass_fds=(asked,) if asked else (),
            )
            try:
                async with asyncio.timeout(_SECONDS):
                    out, errors = await process.communicate()
            except TimeoutError:
                raise PackageRefused(f"uv took longer than {_SECONDS:g} s: uv {' '.join(arguments)}") from None
            finally:
                # Including processes that a build left behind.
                await asyncio.to_thread(ProcessSession(process.pid, _MEMORY).kill)
                await process.wait()
        if process.returncode:
            output = (errors or out).decode(errors="replace").strip()[-_LAST_WORDS:]
            raise PackageRefused(f"The plugin's dependencies cannot be installed. uv reports:\n{output}")
        return out.decode(errors="replace")


_CACHE: Final = "__pycache__"
_PROCESSES: Final = min(4, os.cpu_count() or 1)
_WORTH_A_PROCESS: Final = 200
"""Files per additional compiler process."""


class Bytecode(Struct, eq=False):
    """Cache of compiled bytecode, by source content and Python version.

    It holds only what is compiled here: bytecode shipped in a package serves that environment alone.
    """

    kept: Path
    """Cache folder, on the same file system as the environments."""
    confine: bool
    """Whether compilers are sandboxed."""

    async def compile(self, folder: Path, python: Path, *, shared: bool = True) -> None:
        """Compile the files of a folder that have no bytecode.

        Args:
            python: From ``interpreters``. The environment's own would run package code (``.pth`` files).
            shared: Whether to use the cache. Not after package code ran there: only sandboxed compilers write to it.
        Raises ``OSError`` if the cache folder cannot be created.
        """
        kept = self.kept / hashlib.sha256(str(python).encode()).hexdigest()[:16]
        kept.mkdir(parents=True, exist_ok=True)
        missing = await asyncio.to_thread(_linked, folder, kept if shared else None)
        if not missing:
            return
        # Neighbouring files have similar sizes: interleave them.
        count = min(_PROCESSES, 1 + len(missing) // _WORTH_A_PROCESS)
        await asyncio.gather(*(self._compile(list(missing)[n::count], folder, python) for n in range(count)))
        if shared:
            await asyncio.to_thread(_keep, missing, kept)

    async def _compile(self, sources: Iterable[Path], folder: Path, python: Path) -> None:
        lock = Lock(read=(), write=(folder,), confine=self.confine)
        compiler = await asyncio.create_subprocess_exec(
            *lock.command([str(python), "-I", "-S", "-m", "compileall", "-q", "-i", "-"]),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env={},
        )
        # A file that does not compile may never be imported.
        await compiler.communicate(b"".join(os.fsencode(source) + b"\n" for source in sources))

    def sweep(self) -> None:
        """Delete bytecode that no environment uses."""
        for path in self.kept.glob("*/*"):
            with suppress(OSError):
                if path.stat().st_nlink == 1:
                    path.unlink()


def _linked(folder: Path, kept: Path | None) -> dict[Path, str]:
    """Link cached bytecode to its sources. Returns the sources without any, each with the cache name to store it under.

    Symbolic links are skipped: their bytecode belongs to another source, perhaps in another environment.
    """
    there = {} if kept is None else {entry.name.partition(".")[0]: entry for entry in os.scandir(kept)}
    missing: dict[Path, str] = {}
    if folder.is_symlink():
        return missing
    for directory, _, names in os.walk(folder):
        sources = [name for name in names if name.endswith(".py")]
        cache = os.path.join(directory, _CACHE)
        if os.path.islink(cache):
            continue
        done = {name.partition(".")[0] for name in os.listdir(cache)} if os.path.isdir(cache) else set[str]()
        for name in sources:
            stem, source = name.removesuffix(".py"), os.path.join(directory, name)
            # A name with a dot is not a module.
            if "." in stem or stem in done or not stat.S_ISREG(os.lstat(source).st_mode):
                continue
            with open(source, "rb") as file:
                digest = hashlib.file_digest(file, "blake2b").hexdigest()[:40]
                # Bytecode records its source's modification time in seconds.
                key = f"{digest}-{int(os.fstat(file.fileno()).st_mtime)}"
            found = there.get(key)
            if found is None or not _link(found.path, cache, f"{stem}.{found.name.partition('.')[2]}"):
                missing[Path(source)] = key
    return missing


def _link(kept: str, cache: str, name: str) -> bool:
    try:
        os.makedirs(cache, exist_ok=True)
        os.link(kept, os.path.join(cache, name))
    except OSError:  # file system without hard links
        return False
    return True


def _keep(compiled: Mapping[Path, str], kept: Path) -> None:
    for source, key in compiled.items():
        cache, stem = source.parent / _CACHE, f"{source.stem}."
        with suppress(OSError):
            for name in os.listdir(cache):
                if name.startswith(stem):
                    os.link(cache / name, kept / f"{key}.{name.removeprefix(stem)}")
