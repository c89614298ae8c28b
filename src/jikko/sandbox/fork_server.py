"""Fork server: a process that has imported everything, forks a locked child for each run, and reaps it.

It is executed afresh with an empty environment, so nothing of the server is in its memory. Jobs never pass through it:
each child has its own connection to the server, so that nothing of one run can be inherited by the next.

The control socket is file descriptor 0 at the start. The server sends, one message each: ``S`` and a kind of job, fork
a child warmed up for it; ``K`` and a process id, kill it; ``N`` and one, lower its priority; ``L`` and a module, import
it for later children. It receives ``P`` and text, what is being loaded; ``H`` and JSON, ready; ``F`` and text, it
cannot start or go on; ``R`` and a process id, with the connection to it; ``E`` and text, no child; ``X`` and how a
child ended.
"""

import _socket
import array
import contextlib
import gc
import importlib
import json
import os
import platform
import resource
import select
import signal
import socket
import sys
import time
from typing import Any, Final, NoReturn

from jikko.diagnostics.translations import texts
from jikko.sandbox import lock
from jikko.sandbox.clients import LIBRARIES, MODULES
from jikko.sandbox.clients.sources import clients_in_memory
from jikko.sandbox.languages import refusals, stdlib
from jikko.sandbox.packages import known
from jikko.sandbox.packages.loading import PackageLoader
from jikko.sandbox.runner import CONNECTION, JobRunner
from jikko.sandbox.wire import BROKEN, ENDED, NOT_BEGUN, PROCESS_ID, pack

_STACK_BYTES: Final = 32 << 20
_STACK_KEPT_FREE: Final = 2 << 20
_RUNTIME_BYTES: Final = 16 << 20
"""Memory of a runtime besides the program's: JavaScript's crashes without any."""
_CHILD_NICENESS: Final = 5
_LONG_NICENESS: Final = 10
"""Niceness of long-running programs: a short one gets three times their share of a processor."""

# Before it is replaced, for programs, by advice.
_fork = os.fork


class ForkServer:
    """The process: prepared, then locked, then serving until the control socket closes."""

    def __init__(self, control: _socket.socket, settings: dict[str, Any]) -> None:
        self._control = control
        self._settings = settings
        self._children: set[int] = set()
        self._report: dict[str, Any] = {}

    def prepare(self) -> None:
        """Import and read everything that a child may need. No user data is here yet."""
        lock.require_known_machine()
        _, most = resource.getrlimit(resource.RLIMIT_STACK)
        stack = _STACK_BYTES if most == resource.RLIM_INFINITY else min(_STACK_BYTES, most)
        self._limits = {
            resource.RLIMIT_CPU: self._settings["cpu_seconds"],
            resource.RLIMIT_FSIZE: 0,
            resource.RLIMIT_CORE: 0,
            resource.RLIMIT_NPROC: 0,
            resource.RLIMIT_MEMLOCK: 0,
            resource.RLIMIT_MSGQUEUE: 0,
            resource.RLIMIT_SIGPENDING: 16,
            resource.RLIMIT_NOFILE: CONNECTION + 1,
        }
        self._stack_limit = stack
        known.preload_names()
        texts("en")
        clients = clients_in_memory()
        packages = self._load_packages()
        refusals.add_advice_to_failing_calls()
        stdlib.preload_time_zones()
        self._runner = JobRunner(
            memory_bytes=self._settings["memory_bytes"],
            output_bytes=self._settings["output_bytes"],
            stack_bytes=stack - _STACK_KEPT_FREE,
        )
        stdlib.preload()
        sys.meta_path.append(clients)
        if packages is not None:
            sys.meta_path.append(packages.preload(LIBRARIES))
        os.environ["TZ"] = "UTC"
        time.tzset()
        os.environ.clear()
        sys.argv = [""]
        sys.orig_argv = []
        for name in [name for name in sys.modules if name.split(".")[0] == "jikko"]:
            del sys.modules[name]
        own = os.getpriority(os.PRIO_PROCESS, 0)
        self._niceness, self._long_niceness = (min(19, own + more) for more in (_CHILD_NICENESS, _LONG_NICENESS))
        lock.prefer_for_oom_kill()
        self._own_size = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
        _redirect_standard_files()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        # Python writes a byte here for each signal, which wakes the poll below.
        self._wakeup, wakeup_end = _socket.socketpair()
        self._wakeup.setblocking(False)
        wakeup_end.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wakeup_end.detach(), warn_on_full_buffer=False)

    def _load_packages(self) -> PackageLoader | None:
        settings = self._settings["packages"]
        if settings is None:
            return None
        path = list(sys.path)
        loader = PackageLoader(settings, self._report_loading)
        loader.load()
        sys.path[:] = path
        self._report |= loader.report()
        return loader

    def _report_loading(self, what: str) -> None:
        self._control.send(b"P" + what.encode()[:200])

    def lock_up(self) -> None:
        """Drop every right that forking does not need. Raises ``LockFailed``: it must not serve then."""
        lock.require_one_thread()
        self._filter = lock.child_filter()
        server_filter = lock.server_filter()
        abi = lock.landlock_abi()
        if abi == 0 and self._settings["require_landlock"]:
            raise lock.LockFailed(
                "the kernel has no Landlock, and require_landlock is set; boot with `lsm=landlock,...`, or unset it"
            )
        if os.geteuid() == 0:
            lock.become_nobody()
        lock.drop_capabilities()
        lock.die_with(self._settings["parent"])
        lock.forbid_dumps()
        lock.forbid_new_privileges()
        if abi:
            lock.landlock_everything(abi)
        lock.install_filter(server_filter)
        self._process_id = os.getpid()
        self._report |= {"landlock": abi, "uid": os.geteuid(), "machine": platform.machine()}
        # Copied pages cost more than anything else in a fork, and the collector would touch them all. It would find 400
        # objects here.
        gc.freeze()
        gc.enable()

    def serve(self) -> NoReturn:
        """Report readiness, and fork on demand, until the server is gone."""
        import jinja2

        self._report["version"] = f"{sys.version} jinja2 {jinja2.__version__}"
        self._control.send(b"H" + json.dumps(self._report).encode())
        poll = select.poll()
        poll.register(self._control.fileno(), select.POLLIN)
        poll.register(self._wakeup.fileno(), select.POLLIN)
        while True:
            for descriptor, _ in poll.poll():
                if descriptor == self._control.fileno():
                    self._handle_command(self._control.recv(64))
                else:
                    self._drain_wakeup()
            self._reap()

    def _handle_command(self, message: bytes) -> None:
        if not message:
            os._exit(0)
        if message[:1] == b"S":
            self._spawn(message[1:].decode())
        elif message[:1] == b"K":
            (process_id,) = PROCESS_ID.unpack(message[1:])
            # Reaped processes are not in the set, so the id cannot belong to another process.
            if process_id in self._children:
                os.kill(process_id, signal.SIGKILL)
        elif message[:1] == b"N":
            (process_id,) = PROCESS_ID.unpack(message[1:])
            if process_id in self._children:
                with contextlib.suppress(ProcessLookupError):  # it has just ended
                    lock.lower_priority(process_id, self._long_niceness)
        elif message[:1] == b"L":
            self._import(message[1:].decode())

    @staticmethod
    def _import(module: str) -> None:
        if module in MODULES:
            with contextlib.suppress(Exception):  # the importing program gets the error
                importlib.import_module(module)
            gc.freeze()

    def _spawn(self, kind: str) -> None:
        size, data = self._pages(0), self._pages(5)
        try:
            ours, childs = _socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
            process_id = _fork()
        except OSError as error:
            self._control.send(b"E" + str(error).encode())
            return
        if process_id == 0:
            try:
                self._become_child(childs, size, data, kind)
            except BaseException as error:
                # Children die with the fork server, even before they have requested that.
                if os.getppid() == self._process_id:
                    mark = BROKEN if self._runner.has_begun else NOT_BEGUN
                    os.write(CONNECTION, pack(mark + _error_text(error)))
            finally:
                os._exit(70)
        childs.close()
        self._children.add(process_id)
        # Not in the child: an earlier command to lower its priority might run first, after which it cannot raise it
        # again.
        os.setpriority(os.PRIO_PROCESS, process_id, self._niceness)
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [ours.fileno()]))]
        self._control.sendmsg([b"R" + PROCESS_ID.pack(process_id)], rights)
        ours.close()

    def _become_child(self, connection: _socket.socket, size: int, data: int, kind: str) -> NoReturn:
        os.dup2(connection.detach(), CONNECTION, inheritable=False)
        lock.close_from(CONNECTION + 1)
        lock.die_with(self._process_id)
        signal.set_wakeup_fd(-1)
        resource.setrlimit(resource.RLIMIT_STACK, (self._stack_limit, self._stack_limit))
        more = self._settings["memory_bytes"] + _RUNTIME_BYTES
        # The second limit keeps programs from using address space freed by unmapping large libraries for data.
        lock.set_limits({**self._limits, resource.RLIMIT_AS: size + more, resource.RLIMIT_DATA: data + more})
        lock.install_filter(self._filter)
        self._runner.warm_up(kind)
        self._runner.serve()

    def _reap(self) -> None:
        while self._children:
            process_id, status, usage = os.wait4(-1, os.WNOHANG)
            if process_id == 0:
                return
            self._children.discard(process_id)
            memory = max(0, usage.ru_maxrss * 1024 - self._pages(1))
            self._control.send(b"X" + ENDED.pack(process_id, status, usage.ru_utime + usage.ru_stime, memory))

    def _pages(self, field: int) -> int:
        """Return a size of this process in bytes: address space (0), resident (1), or data (5)."""
        return int(os.pread(self._own_size, 64, 0).split()[field]) * resource.getpagesize()

    def _drain_wakeup(self) -> None:
        try:
            while self._wakeup.recv(4096):
                pass
        except BlockingIOError:
            return


def main() -> NoReturn:
    """Run the fork server. The first argument is a JSON object of settings."""
    control = _socket.socket(fileno=os.dup(0))
    try:
        server = ForkServer(control, json.loads(sys.argv[1]))
        server.prepare()
        server.lock_up()
        server.serve()
    except BaseException as error:
        control.send(b"F" + _error_text(error))
    finally:
        os._exit(1)


def _error_text(error: BaseException) -> bytes:
    text = str(error) if isinstance(error, lock.LockFailed) else f"{type(error).__name__}: {error}"
    return text.encode("utf-8", "replace")[:4000]


def _redirect_standard_files() -> None:
    nothing = os.open("/dev/null", os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    os.close(nothing)
