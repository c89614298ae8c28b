"""Bytecode of plugins and their packages: compiled beforehand, as a plugin may not write it, and each file once.

Environments of most plugins have the same thirty packages. Their bytecode is linked from what was compiled for others.
"""

import asyncio
import hashlib
import os
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from jikko.plugins.process.plugin_launch import Lock

_CACHE: Final = "__pycache__"
_PROCESSES: Final = min(4, os.cpu_count() or 1)
_WORTH_A_PROCESS: Final = 200
"""Files for which one more compiler is started."""


class Bytecode:
    """What was compiled so far, by the content of the sources and the Python that compiled them.

    Only what is compiled here is kept: bytecode that a package brings serves its own environment alone.
    """

    def __init__(self, kept: Path, *, confine: bool) -> None:
        """``kept``: The folder of it, on the file system of what is compiled. ``confine``: Whether compilers are
        locked."""
        self._kept = kept
        self._confine = confine

    async def compile(self, folder: Path, python: Path, *, shared: bool = True) -> None:
        """Compile the files of a folder that have no bytecode.

        Args:
            python: As of ``interpreters``. That of the environment would run code of packages (``.pth`` files).
            shared: Whether bytecode is taken from other folders and kept for them. Not where code of packages has run:
                only a locked compiler writes there.
        Raises ``OSError``: the folder of what is kept cannot be made.
        """
        kept = self._kept / hashlib.sha256(str(python).encode()).hexdigest()[:16]
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
        lock = Lock(read=(), write=(folder,), confine=self._confine)
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
        for path in self._kept.glob("*/*"):
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
