"""Calls uv, locked down: it may run code of packages that have no wheel."""

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
"""Beginnings of the names of variables that say where packages come from."""


class Uv:
    """uv, with a cache of its own."""

    def __init__(self, cache: Path, environment: Mapping[str, str], *, confine: bool) -> None:
        """``cache``: Of packages; equal ones of several plugins are linked to it. ``environment``: Of this process.
        ``confine``: Whether it is locked. Raises ``InvalidSettings``: uv is not installed.
        """
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
        # Not by ``Path.home``, which fails for a user that the system does not know, as in containers.
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
        """Run a command of uv. Returns what it wrote. Raises ``PackageRefused`` with its last words if it failed.

        Args:
            folder, write: What it may read; what it may change besides its cache.
            own_cache: What builds a package could put something else into the common cache.
            of_project: Whether it is about the project in the folder. Else no project is looked for: one around the
                data folder is none of ours, and may not be read.
        """
        cache = own_cache or self._cache
        temporary = cache / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        # What builds a package is its own code; all else that is done here is uv's.
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
                # Also what a package has started while it was built, and left behind.
                await asyncio.to_thread(ProcessSession(process.pid, _MEMORY).kill)
                await process.wait()
        if process.returncode:
            output = (errors or out).decode(errors="replace").strip()[-_LAST_WORDS:]
            raise PackageRefused(f"What the plugin needs cannot be installed. uv says:\n{output}")
        return out.decode(errors="replace")


_CACHE: Final = "__pycache__"
_PROCESSES: Final = min(4, os.cpu_count() or 1)
_WORTH_A_PROCESS: Final = 200
"""Files for which one more compiler is started."""


class Bytecode(Struct, eq=False):
    """What was compiled so far, by the content of the sources and the Python that compiled them.

    Only what is compiled here is kept: bytecode that a package brings serves its own environment alone.
    """

    kept: Path
    """The folder of it, on the file system of what is compiled."""
    confine: bool
    """Whether compilers are locked."""

    async def compile(self, folder: Path, python: Path, *, shared: bool = True) -> None:
        """Compile the files of a folder that have no bytecode.

        Args:
            python: As of ``interpreters``. That of the environment would run code of packages (``.pth`` files).
            shared: Whether bytecode is taken from other folders and kept for them. Not where code of packages has run:
                only a locked compiler writes there.
        Raises ``OSError``: the folder of what is kept cannot be made.
        """
        kept = self.kept / hashlib.sha256(str(python).encode()).hexdigest()[:16]
        kept.mkdir(parents=True, exist_ok=True)
        missing = await asyncio.to_thread(_linked, folder, kept if shared else None)
        if not missing:
            return
        # Neighbours are of like sizes: each process gets files from everywhere.
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
        # What cannot be compiled may never be imported.
        await compiler.communicate(b"".join(os.fsencode(source) + b"\n" for source in sources))

    def sweep(self) -> None:
        """Remove what no environment has any more."""
        for path in self.kept.glob("*/*"):
            with suppress(OSError):
                if path.stat().st_nlink == 1:
                    path.unlink()


def _linked(folder: Path, kept: Path | None) -> dict[Path, str]:
    """Give sources the bytecode that is kept. Returns those without any, with the name under which it is to be kept.

    No link is followed: bytecode behind one is another source's, maybe another environment's.
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
            # What has a dot in its name is no module.
            if "." in stem or stem in done or not stat.S_ISREG(os.lstat(source).st_mode):
                continue
            with open(source, "rb") as file:
                digest = hashlib.file_digest(file, "blake2b").hexdigest()[:40]
                # Bytecode names the second in which its source was changed.
                key = f"{digest}-{int(os.fstat(file.fileno()).st_mtime)}"
            found = there.get(key)
            if found is None or not _link(found.path, cache, f"{stem}.{found.name.partition('.')[2]}"):
                missing[Path(source)] = key
    return missing


def _link(kept: str, cache: str, name: str) -> bool:
    try:
        os.makedirs(cache, exist_ok=True)
        os.link(kept, os.path.join(cache, name))
    except OSError:  # as of a file system without links
        return False
    return True


def _keep(compiled: Mapping[Path, str], kept: Path) -> None:
    for source, key in compiled.items():
        cache, stem = source.parent / _CACHE, f"{source.stem}."
        with suppress(OSError):
            for name in os.listdir(cache):
                if name.startswith(stem):
                    os.link(cache / name, kept / f"{key}.{name.removeprefix(stem)}")
