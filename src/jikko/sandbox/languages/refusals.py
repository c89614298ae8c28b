"""Advice for refused operations of programs, each with an alternative.

Not a protection: the filter is. This only turns ``Operation not permitted`` into advice.
"""

import asyncio
import errno
import mmap
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, Final, NoReturn, Self

from jikko.diagnostics.translations import worded
from jikko.sandbox.packages.known import package_of, why_refused

NETWORK: Final = "the program cannot use the network; call the service from an HTTP Request node and pass its answer in"
FILES: Final = (
    "the program cannot read or write files; pass the file in as an input, "
    "and read its text with a Document Extractor node"
)
THREADS: Final = "the program cannot start threads; do the work in turn, or in an Iteration node in parallel mode"
PROCESSES: Final = "the program cannot start other processes; call a service that does from an HTTP Request node"
JAVASCRIPT_MODULES: Final = "program.javascript_modules"
"""Code of its text."""

_HTTP_CLIENTS: Final = frozenset(
    (
        "aiohttp", "httplib2", "pycurl", "websockets", "websocket", "openai", "anthropic", "boto3",
        "botocore",
    )
)  # fmt: skip
_PROCESS_MODULES: Final = frozenset(("subprocess", "multiprocessing", "pty"))


def add_advice_to_failing_calls() -> None:
    """Replace calls that would fail cryptically by ones that fail with advice. Called once, before forking."""
    for name in (
        "getaddrinfo", "gethostbyname", "gethostbyname_ex", "gethostbyaddr", "getnameinfo", "create_connection",
        "create_server", "socketpair", "fromfd",
    ):  # fmt: skip
        setattr(socket, name, _refuser(NETWORK))
    socket.socket.__init__ = _refuser(NETWORK)  # type: ignore[method-assign]
    for name in (
        "fork", "forkpty", "system", "execv", "execve", "posix_spawn", "posix_spawnp", "_spawnvef",
    ):  # fmt: skip
        setattr(os, name, _refuser(PROCESSES))
    # There is no process to share memory with, so private memory, which is allowed, will do.
    mmap.mmap = _PrivateMemory  # type: ignore[misc]
    subprocess._fork_exec = _refuser(PROCESSES)  # type: ignore[attr-defined]
    asyncio.DefaultEventLoopPolicy._loop_factory = _SocketlessLoop  # type: ignore[attr-defined]


def advice_for(error: BaseException, stdlib_names: frozenset[str] = frozenset()) -> str | None:
    """Return the advice for an error caused by a refusal, if it is one. ``stdlib_names``: Top-level modules of the
    standard library."""
    for cause in _causes(error):
        if isinstance(cause, ModuleNotFoundError) and cause.name:
            top, dot, _ = cause.name.partition(".")
            is_part = bool(dot) and top in sys.modules and top not in stdlib_names
            return None if is_part else worded(*module_advice(cause.name, stdlib_names))
        if isinstance(cause, RuntimeError) and "can't start new thread" in str(cause):
            return THREADS
        if isinstance(cause, OSError) and cause.errno in (errno.EPERM, errno.EACCES, errno.ENOENT, errno.ENOSYS):
            modules = _modules_in(cause.__traceback__)
            if modules & _PROCESS_MODULES:
                return PROCESSES
            if "socket" in modules:
                return NETWORK
            if cause.filename is not None or "tempfile" in modules:
                return FILES
    return None


def module_advice(name: str, stdlib_names: frozenset[str]) -> tuple[str, Mapping[str, str]]:
    """Return code and parameters of the advice for a refused module. ``stdlib_names``: As for ``advice_for``."""
    top = name.split(".")[0]
    if top in _HTTP_CLIENTS:
        return "program.http_modules", {}
    if top in stdlib_names:
        return "program.stdlib_modules", {}
    package = package_of(top)
    reason = why_refused(package)
    if reason is not None:
        return "program.refused_package", {"package": package, "reason": reason}
    return "program.package", {"package": package}


def _refuser(advice: str) -> Callable[..., NoReturn]:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise PermissionError(errno.EPERM, advice)

    return refuse


def _awaited_refuser(advice: str) -> Any:
    async def refuse(*_: object, **__: object) -> NoReturn:
        raise PermissionError(errno.EPERM, advice)

    return refuse


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen and len(seen) < 20:
        seen.add(id(current))
        yield current
        reason = getattr(current, "reason", None)
        current = reason if isinstance(reason, BaseException) else current.__cause__ or current.__context__


def _modules_in(traceback: TracebackType | None) -> set[str]:
    modules: set[str] = set()
    while traceback is not None:
        modules.add(str(traceback.tb_frame.f_globals.get("__name__", "")).split(".")[0])
        traceback = traceback.tb_next
    return modules


class _PrivateMemory(mmap.mmap):
    """Anonymous memory, made private where programs ask for shared memory."""

    def __new__(cls, fileno: int, length: int, flags: int = mmap.MAP_SHARED, *arguments: Any, **named: Any) -> Self:
        if flags & mmap.MAP_SHARED and "access" not in named:
            flags = (flags & ~mmap.MAP_SHARED) | mmap.MAP_PRIVATE
        return super().__new__(cls, fileno, length, flags, *arguments, **named)


class _Sleeper:
    """Selector without sockets: there is nothing to wait for but time."""

    def select(self, timeout: float | None) -> tuple[()]:
        if timeout is None:
            raise RuntimeError("the event loop waits for something that cannot happen")
        if timeout > 0:
            time.sleep(timeout)
        return ()


class _SocketlessLoop(asyncio.BaseEventLoop):
    """Event loop for programs: tasks, timers and queues work; sockets and processes fail with advice."""

    def __init__(self) -> None:
        super().__init__()
        self._selector = _Sleeper()

    def _process_events(self, events: object) -> None:
        pass

    def _write_to_self(self) -> None:
        pass

    create_connection = create_server = create_datagram_endpoint = getaddrinfo = _awaited_refuser(NETWORK)
    subprocess_exec = subprocess_shell = _awaited_refuser(PROCESSES)
