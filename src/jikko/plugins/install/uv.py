"""Calls uv, locked down: it may run code of packages that have no wheel."""

import asyncio
import importlib.util
import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Final

from jikko.errors import InvalidSettings
from jikko.extras import how_to_install
from jikko.plugins.install.bytecode import Bytecode
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
