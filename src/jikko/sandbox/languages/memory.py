"""In-memory modules and files: a locked process cannot open the originals."""

import builtins
import errno
import importlib.util
import io
import marshal
import mmap
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.abc import Loader
from importlib.machinery import ModuleSpec, SourceFileLoader
from types import CodeType, ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from importlib.readers import FileReader

_WRITING: Final = frozenset("wax+")


class Source(NamedTuple):
    package: bool
    compiled: bool
    content: bytes | memoryview
    """Marshalled code, or source text."""
    path: str = ""
    """Value of ``__file__``; ``""`` for none."""


class MemoryImporter(Loader):
    """Importer of pure Python modules from one block of memory.

    The block is a private, read-only mapping of a memory file that is closed at once. A fork need not copy its page
    tables, and what a child writes there (it can make its own pages writable) is invisible to other processes.
    """

    def __init__(
        self,
        modules: Iterable[tuple[str, Source]],
        refused: Mapping[str, str] | None = None,
        *,
        completed: Mapping[str, str] | None = None,
    ) -> None:
        """Load modules, by full name. ``refused``: Why other modules cannot be imported.

        ``completed``: Modules whose ``complete`` is called after the import of others, by those.
        """
        self._completed = completed or {}
        self._places: dict[str, tuple[bool, bool, int, int, str]] = {}
        self._refused = dict(refused or {})
        self._block = _Block()
        for name, (package, compiled, content, path) in modules:
            self._places[name] = (package, compiled, *self._block.add(content), path)
        self._block.close()

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a module in memory. Raises ``ImportError``, with the reason, if it is refused."""
        place = self._places.get(name)
        if place is None:
            if name in self._refused:
                raise ImportError(self._refused[name], name=name)
            return None
        package, _, _, _, file = place
        spec = ModuleSpec(name, self, is_package=package, origin=file or "<standard library>")
        if file:
            spec.has_location = True
            if package:
                spec.submodule_search_locations = [os.path.dirname(file)]
        return spec

    def exec_module(self, module: ModuleType) -> None:
        assert module.__spec__ is not None
        name = module.__spec__.name
        _, compiled, start, length, file = self._places[name]
        content = self._block.read(start, length)
        code: CodeType = (
            marshal.loads(content)
            if compiled
            else compile(bytes(content), file or f"<{name}>", "exec", dont_inherit=True)
        )
        exec(code, module.__dict__)
        if name in self._completed:
            importlib.import_module(self._completed[name]).complete()

    def get_data(self, path: str) -> bytes:
        """Return the content of a file, for ``pkgutil.get_data``. Raises ``OSError`` if there is none."""
        with open(path, "rb") as file:
            content: bytes = file.read()
        return content

    def get_resource_reader(self, name: str) -> "FileReader | None":
        """Return the reader of files beside a module, for ``importlib.resources``."""
        from importlib.readers import FileReader  # imported by the caller

        file = self._places[name][4]
        return FileReader(SimpleNamespace(path=file)) if file else None  # type: ignore[arg-type]


class MemoryFiles:
    """Files of one folder, for ``open``, ``os.stat`` and ``os.listdir``."""

    def __init__(self, root: str, paths: Iterable[str], others: Sequence[str] = ()) -> None:
        """Read the files. ``root``: Without a trailing slash. ``paths``: Absolute, below it.

        ``others``: Files elsewhere, in no folder that can be listed.
        """
        self._prefix = f"{root}{os.sep}"
        self._places: dict[str, tuple[int, int]] = {}
        self._folders: dict[str, dict[str, None]] = {root: {}}
        self._block = _Block()
        for path in paths:
            self._take(path)
            self._enter(path)
        self._others = frozenset(others)
        for path in self._others - self._places.keys():
            self._take(path)
        self._block.close()

    def serve(self) -> None:
        """Make these files readable although the process cannot open files."""
        opened, seen, listed = builtins.open, os.stat, os.listdir

        def open_(file: Any, mode: str = "r", *arguments: Any, **named: Any) -> Any:
            path = self._path(file)
            return opened(file, mode, *arguments, **named) if path is None else self._open(path, mode, **named)

        def stat_(path: Any, *arguments: Any, **named: Any) -> os.stat_result:
            found = self._path(path)
            return seen(path, *arguments, **named) if found is None else self._stat(found)

        def listdir(path: Any = ".") -> list[str]:
            found = self._path(path, folders=True)
            return listed(path) if found is None else list(self._folders[found])

        builtins.open = io.open = open_
        os.stat = stat_
        os.listdir = listdir  # type: ignore[assignment]
        # For modules imported from disk before the lock.
        SourceFileLoader.get_data = MemoryImporter.get_data  # type: ignore[assignment]

    def _take(self, path: str) -> None:
        with open(path, "rb") as file:
            self._places[path] = self._block.add(file.read())

    def _enter(self, path: str) -> None:
        folder, _, name = path.rpartition(os.sep)
        known = folder in self._folders
        self._folders.setdefault(folder, {})[name] = None
        if not known:
            self._enter(folder)

    def _path(self, file: Any, *, folders: bool = False) -> str | None:
        """Return the path of one of these files or folders; ``None`` for anything else."""
        if not isinstance(file, (str, os.PathLike)):
            return None
        text = os.fspath(file)
        if text in self._others:
            return text
        if not isinstance(text, str) or not f"{text}{os.sep}".startswith(self._prefix):
            return None
        text = os.path.normpath(text)
        return text if text in self._folders or (not folders and text in self._places) else None

    def _open(self, path: str, mode: str, buffering: int = -1, encoding: str | None = None, **named: Any) -> Any:
        if path in self._folders:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        if _WRITING & set(mode):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        start, length = self._places[path]
        content = _Opened(self._block.read(start, length))
        content.name = path
        if "b" in mode:
            return content
        named = {name: named[name] for name in ("errors", "newline") if name in named}
        return io.TextIOWrapper(content, encoding=encoding or "utf-8", **named)

    def _stat(self, path: str) -> os.stat_result:
        if path in self._folders:
            return os.stat_result((stat.S_IFDIR | 0o555, 0, 0, 1, 0, 0, 0, 0, 0, 0))
        return os.stat_result((stat.S_IFREG | 0o444, 0, 0, 1, 0, 0, self._places[path][1], 0, 0, 0))


def modules_below(
    root: str, left_out: Iterable[str] = (), *, within: str = "", located: bool = False
) -> Iterator[tuple[str, Source]]:
    """Yield the modules of a folder by name. ``within``: Its package; by default they are top-level.

    ``left_out``: Names of folders and files skipped at any depth. ``located``: Whether modules have ``__file__``. If
    so, folders without ``__init__.py`` are packages, too.
    """
    left = frozenset(left_out)
    above = within.split(".") if within else []
    for directory, subdirectories, files in os.walk(root):
        subdirectories[:] = [name for name in subdirectories if name not in left and not name.startswith("config-")]
        parts = above + [part for part in directory[len(root) :].split(os.sep) if part]
        sources = [file for file in files if file.endswith(".py") and file not in left]
        if located and parts and "__init__.py" not in sources and all(map(str.isidentifier, parts)):
            yield ".".join(parts), Source(True, False, b"", os.path.join(directory, "__init__.py"))
        for file in sources:
            package = file == "__init__.py"
            name = ".".join(parts if package else (*parts, file[:-3]))
            if name:
                path = os.path.join(directory, file)
                yield name, Source(package, *_code_of(path), path if located else "")


def _code_of(source: str) -> tuple[bool, bytes | memoryview]:
    # Images often lack compiled files. Compiling all here would take seconds, so it is left to the import.
    try:
        with open(importlib.util.cache_from_source(source), "rb", buffering=0) as file:
            cached = file.read()
        changed = int(os.stat(source).st_mtime) & 0xFFFFFFFF
    except OSError:
        cached, changed = b"", 0
    fresh = cached[:4] == importlib.util.MAGIC_NUMBER and (
        cached[4:8] != bytes(4) or cached[8:12] == changed.to_bytes(4, "little")
    )
    if fresh:
        return True, memoryview(cached)[16:]
    with open(source, "rb") as file:
        return False, file.read()


class _Opened(io.BytesIO):
    name: str


class _Block:
    """Bytes in a memory file: first added, then read."""

    def __init__(self) -> None:
        self._file = os.fdopen(os.memfd_create("block"), "wb")
        self._size = 0
        self._content = memoryview(b"")

    def add(self, content: bytes | memoryview) -> tuple[int, int]:
        """Add bytes. Returns start and length."""
        self._file.write(content)
        start = self._size
        self._size += len(content)
        return start, len(content)

    def close(self) -> None:
        self._file.flush()
        if self._size:
            mapped = mmap.mmap(self._file.fileno(), self._size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
            self._content = memoryview(mapped)
        self._file.close()

    def read(self, start: int, length: int) -> memoryview:
        return self._content[start : start + length]
