"""One use of each system call allowed to plugins, as made by Python, the C library or native packages."""

import contextlib
import ctypes
import errno
import fcntl
import mmap
import os
import resource
import select
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from jikko.locks.numbers import numbers

PATIENCE = 20
"""Timeout in seconds of a use that hangs without its call."""
HERE_AT = -100
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


def raw(name: str, *arguments: Any, fails: int = 0) -> int:
    """Make a raw system call, as static programs and other C libraries do.

    Args:
        fails: Kernel error that proves that the call was made.
    """
    converted = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    answer: int = libc.syscall(ctypes.c_long(numbers()[name]), *converted)
    code = ctypes.get_errno() if answer < 0 else 0
    if code != fails:
        raise OSError(code, f"{name}: {os.strerror(code)}")
    return answer


def buffer(size: int = 256) -> Any:
    return ctypes.create_string_buffer(size)


def file(content: bytes = b"content") -> str:
    with tempfile.NamedTemporaryFile(dir=".", delete=False) as made:
        made.write(content)
    return made.name


@contextlib.contextmanager
def opened(content: bytes = b"content") -> Iterator[int]:
    descriptor = os.open(file(content), os.O_RDWR)
    yield descriptor
    os.close(descriptor)


@contextlib.contextmanager
def here() -> Iterator[int]:
    descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)


def vector(size: int = 4) -> tuple[Any, Any]:
    data = buffer(size)
    return ctypes.create_string_buffer(struct.pack("QQ", ctypes.addressof(data), size), 16), data


def on_file(act: Callable[[int], Any]) -> Callable[[], Any]:
    def use() -> None:
        with opened() as descriptor:
            act(descriptor)

    return use


def in_folder(act: Callable[[int, str], Any]) -> Callable[[], Any]:
    def use() -> None:
        with here() as folder:
            act(folder, os.path.basename(file()))

    return use


def on_pair(act: Callable[[socket.socket, socket.socket], Any]) -> Callable[[], Any]:
    def use() -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            act(ours, theirs)

    return use


def child(act: Callable[[], Any]) -> int:
    process_id = os.fork()
    if not process_id:
        act()
        os._exit(99)
    return process_id


def ended(process_id: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(process_id, 0)[1])


def same(value: Any, wanted: Any) -> None:
    assert value == wanted, (value, wanted)


def positive(value: int) -> None:
    assert 0 <= value < 1 << 31, value


def interrupted(act: Callable[[], Any]) -> None:
    signal.signal(signal.SIGALRM, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)  # repeatedly: the first may come before it waits
    act()
    signal.setitimer(signal.ITIMER_REAL, 0)


def handled() -> None:
    seen: list[int] = []
    signal.signal(signal.SIGUSR1, lambda number, _: seen.append(number))
    signal.raise_signal(signal.SIGUSR1)
    same(seen, [signal.SIGUSR1])


def threaded() -> None:
    thread = threading.Thread(target=time.sleep, args=(0.01,))
    thread.start()
    thread.join()


def waiting_child() -> tuple[int, int]:
    """Start a child that waits until a descriptor is written to, or closed by this process's end."""
    reading, writing = os.pipe()

    def wait() -> None:
        os.close(writing)
        waiter = select.poll()
        waiter.register(reading)
        waiter.poll(1000 * PATIENCE)
        os._exit(0)

    return child(wait), writing


def stopped_and_continued() -> None:
    """Resume a wait by ``restart_syscall`` after a stop."""
    waiting, wakes = waiting_child()
    known = numbers()
    wait = str(known.get("poll", known["ppoll"]))
    while Path(f"/proc/{waiting}/syscall").read_text().split()[0] != wait:
        os.sched_yield()
    os.kill(waiting, signal.SIGSTOP)
    os.waitpid(waiting, os.WUNTRACED)
    os.kill(waiting, signal.SIGCONT)
    os.write(wakes, b"x")
    same(ended(waiting), 0)


def copied() -> None:
    with opened(b"abc") as source, opened(b"") as target:
        same(os.copy_file_range(source, target, 3), 3)


def sent_file() -> None:
    with opened(b"abc") as source, opened(b"") as target:
        same(os.sendfile(target, source, 0, 3), 3)


def closed() -> None:
    descriptor = os.open(".", os.O_RDONLY)
    os.close(descriptor)


def duplicated() -> None:
    with opened() as first, opened() as second:
        os.dup2(first, second, inheritable=True)


def duplicated_private() -> None:
    with opened() as first, opened() as second:
        os.dup2(first, second, inheritable=False)


def refused_by_the_other_side() -> None:
    with socket.socket() as made:
        same(made.connect_ex(("127.0.0.1", 1)), errno.ECONNREFUSED)


def many_messages(ours: socket.socket, _: socket.socket) -> None:
    vectors, _data = vector()
    header = struct.pack("QIxxxxQQQQixxxx", 0, 0, ctypes.addressof(vectors), 1, 0, 0, 0) + bytes(8)
    same(raw("sendmmsg", ours.fileno(), ctypes.create_string_buffer(header, 64), 1, 0), 1)


def waits(name: str, *more: Any) -> Callable[[], Any]:
    def use() -> None:
        with select.epoll() as waiter:
            raw(name, waiter.fileno(), buffer(12), 1, 0, *more)

    return use


def watched(ours: socket.socket, _: socket.socket) -> None:
    with select.epoll() as waiter:
        waiter.register(ours, select.EPOLLIN)


def polled() -> None:
    with select.epoll() as waiter:
        waiter.poll(0)


def timer(act: Callable[[int], Any] = lambda descriptor: None) -> Callable[[], Any]:
    return lambda: act(raw("timerfd_create", 1, 0))


def mapped(act: Callable[[mmap.mmap], Any]) -> Callable[[], Any]:
    def use() -> None:
        with opened(bytes(8192)) as descriptor, mmap.mmap(descriptor, 8192) as memory:
            act(memory)

    return use


def at_memory(name: str, *more: int) -> Callable[[], Any]:
    def use() -> None:
        memory = mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        same(getattr(libc, name)(ctypes.c_void_p(address), ctypes.c_size_t(4096), *more), 0)
        os._exit(0)  # the memory may be gone

    return use


def own_list() -> None:
    head = buffer(24)
    ctypes.memmove(head, struct.pack("QQQ", ctypes.addressof(head), 0, 0), 24)
    raw("set_robust_list", head, 24)
    os._exit(0)


def set_ids(name: str, *ids: int) -> Callable[[], Any]:
    return lambda: raw(name, file().encode(), *ids)


USES: dict[str, Callable[[], Any]] = {
    # Files.
    "access": lambda: raw("access", b"/usr", 0),
    "chdir": lambda: os.chdir("."),
    "close": closed,
    "close_range": lambda: raw("close_range", 100, 200, 0),
    "copy_file_range": copied,
    "creat": lambda: raw("creat", b"created", 0o600),
    "dup": lambda: raw("dup", 0),
    "dup2": duplicated,
    "dup3": duplicated_private,
    "faccessat": lambda: raw("faccessat", HERE_AT, b".", 4),
    "faccessat2": lambda: os.access(".", os.R_OK, effective_ids=True) or 1 / 0,
    "fadvise64": on_file(lambda descriptor: os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_SEQUENTIAL)),
    "fallocate": on_file(lambda descriptor: os.posix_fallocate(descriptor, 0, 4096)),
    "fchdir": in_folder(lambda folder, _: os.fchdir(folder)),
    "fdatasync": on_file(os.fdatasync),
    "flock": on_file(lambda descriptor: fcntl.flock(descriptor, fcntl.LOCK_EX)),
    "fstat": on_file(os.fstat),
    "fstatfs": on_file(os.fstatvfs),
    "fsync": on_file(os.fsync),
    "ftruncate": on_file(lambda descriptor: os.ftruncate(descriptor, 0)),
    "getcwd": os.getcwd,
    "getdents64": lambda: os.listdir("."),
    "link": lambda: os.link(file(), "linked"),
    "linkat": in_folder(lambda folder, name: os.link(name, "linked at", src_dir_fd=folder)),
    "lseek": on_file(lambda descriptor: os.lseek(descriptor, 0, os.SEEK_END)),
    "lstat": lambda: raw("lstat", b".", buffer()),
    "mkdir": lambda: os.mkdir("folder"),
    "mkdirat": in_folder(lambda folder, _: os.mkdir("folder at", dir_fd=folder)),
    "newfstatat": lambda: os.stat("."),
    "open": lambda: raw("open", b".", 0),
    "openat": lambda: os.open(".", os.O_RDONLY),
    "pipe": lambda: raw("pipe", buffer()),
    "pipe2": os.pipe,
    "pread64": on_file(lambda descriptor: os.pread(descriptor, 4, 0)),
    "preadv": on_file(lambda descriptor: raw("preadv", descriptor, vector()[0], 1, 0, 0)),
    "preadv2": on_file(lambda descriptor: os.preadv(descriptor, [bytearray(4)], 0)),
    "pwrite64": on_file(lambda descriptor: os.pwrite(descriptor, b"x", 0)),
    "pwritev": on_file(lambda descriptor: raw("pwritev", descriptor, vector()[0], 1, 0, 0)),
    "pwritev2": on_file(lambda descriptor: os.pwritev(descriptor, [b"x"], 0)),
    "read": on_file(lambda descriptor: os.read(descriptor, 4)),
    "readlink": lambda: os.readlink("/proc/self"),
    "readlinkat": lambda: raw("readlinkat", HERE_AT, b"/proc/self", buffer(), 255),
    "readv": on_file(lambda descriptor: os.readv(descriptor, [bytearray(4)])),
    "rename": lambda: os.rename(file(), "renamed"),
    "renameat": in_folder(lambda folder, name: os.rename(name, "renamed at", src_dir_fd=folder)),
    "renameat2": lambda: raw("renameat2", HERE_AT, file().encode(), HERE_AT, b"moved", 1),
    "rmdir": lambda: os.rmdir(tempfile.mkdtemp(dir=".")),
    "sendfile": sent_file,
    "stat": lambda: raw("stat", b".", buffer()),
    "statfs": lambda: os.statvfs("."),
    "statx": lambda: raw("statx", HERE_AT, b".", 0, 0x7FF, buffer()),
    "symlink": lambda: os.symlink(".", "symbolic"),
    "symlinkat": in_folder(lambda folder, _: os.symlink(".", "symbolic at", dir_fd=folder)),
    "umask": lambda: positive(os.umask(0o077)),
    "unlink": lambda: os.unlink(file()),
    "unlinkat": in_folder(lambda folder, name: os.unlink(name, dir_fd=folder)),
    "write": on_file(lambda descriptor: os.write(descriptor, b"x")),
    "writev": on_file(lambda descriptor: os.writev(descriptor, [b"x"])),
    # Modes, owners and times.
    "chmod": lambda: os.chmod(file(), 0o600),
    "chown": lambda: os.chown(file(), os.getuid(), os.getgid()),
    "fchmod": on_file(lambda descriptor: os.fchmod(descriptor, 0o600)),
    "fchmodat": in_folder(lambda folder, name: os.chmod(name, 0o600, dir_fd=folder)),
    "fchmodat2": lambda: raw("fchmodat2", HERE_AT, file().encode(), 0o600, 0),
    "fchown": on_file(lambda descriptor: os.fchown(descriptor, os.getuid(), os.getgid())),
    "fchownat": in_folder(lambda folder, name: os.chown(name, os.getuid(), os.getgid(), dir_fd=folder)),
    "futimesat": lambda: raw("futimesat", HERE_AT, file().encode(), 0),
    "lchown": lambda: os.lchown(file(), os.getuid(), os.getgid()),
    "utime": lambda: raw("utime", file().encode(), 0),
    "utimensat": lambda: os.utime(file()),
    "utimes": lambda: raw("utimes", file().encode(), 0),
    # Memory.
    "brk": lambda: positive(raw("brk", 0) >> 32),
    "madvise": mapped(lambda memory: memory.madvise(mmap.MADV_WILLNEED)),
    "membarrier": lambda: raw("membarrier", 0, 0, 0),
    "memfd_create": lambda: os.memfd_create("memory"),
    "mlock": at_memory("mlock"),
    "mmap": lambda: mmap.mmap(-1, 4096),
    "mprotect": at_memory("mprotect", 1),
    "mremap": mapped(lambda memory: memory.resize(4096)),
    "msync": mapped(lambda memory: memory.flush()),
    "munlock": at_memory("munlock"),
    "munmap": at_memory("munmap"),
    # Processes and threads.
    "arch_prctl": lambda: raw("arch_prctl", 0x1003, buffer()),
    "clone": lambda: same(ended(child(lambda: os._exit(0))), 0),
    "execve": lambda: os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0),
    "exit": lambda: same(ended(child(lambda: libc.syscall(ctypes.c_long(numbers()["exit"]), 7))), 7),
    "exit_group": lambda: same(ended(child(lambda: os._exit(7))), 7),
    "fork": lambda: raw("fork") or os._exit(0),
    "futex": threaded,
    "getcpu": lambda: raw("getcpu", buffer(), 0, 0),
    "getegid": lambda: positive(os.getegid()),
    "geteuid": lambda: positive(os.geteuid()),
    "getgid": lambda: positive(os.getgid()),
    "getgroups": os.getgroups,
    "getpgid": lambda: os.getpgid(0),
    "getpgrp": lambda: positive(os.getpgrp()),
    "getpid": lambda: positive(os.getpid()),
    "getppid": lambda: positive(os.getppid()),
    "getpriority": lambda: os.getpriority(os.PRIO_PROCESS, 0),
    "getresgid": os.getresgid,
    "getresuid": os.getresuid,
    "getrlimit": lambda: raw("getrlimit", 7, buffer()),
    "getrusage": lambda: resource.getrusage(resource.RUSAGE_SELF),
    "getsid": lambda: os.getsid(0),
    "gettid": lambda: positive(threading.get_native_id()),
    "getuid": lambda: positive(os.getuid()),
    "prctl": lambda: same(raw("prctl", 39, 0, 0, 0, 0), 1),
    "prlimit64": lambda: resource.getrlimit(resource.RLIMIT_NOFILE),
    "rseq": lambda: raw("rseq", 0, 0, 0, 0, fails=errno.EINVAL),
    "sched_get_priority_max": lambda: os.sched_get_priority_max(os.SCHED_OTHER),
    "sched_get_priority_min": lambda: os.sched_get_priority_min(os.SCHED_OTHER),
    "sched_getaffinity": lambda: os.sched_getaffinity(0),
    "sched_getparam": lambda: os.sched_getparam(0),
    "sched_getscheduler": lambda: os.sched_getscheduler(0),
    "sched_yield": os.sched_yield,
    "set_robust_list": own_list,
    "set_tid_address": lambda: positive(raw("set_tid_address", buffer())),
    "setpgid": lambda: os.setpgid(0, 0),
    "setrlimit": lambda: raw("setrlimit", resource.RLIMIT_CORE, buffer()),
    "setsid": os.setsid,
    "sysinfo": lambda: raw("sysinfo", buffer()),
    "times": lambda: raw("times", buffer()),
    "uname": os.uname,
    "vfork": lambda: subprocess.run(["/bin/sh", "-c", "/bin/true; exit $?"], check=True),
    "wait4": lambda: ended(child(lambda: os._exit(0))),
    "waitid": lambda: os.waitid(os.P_PID, child(lambda: os._exit(0)), os.WEXITED),
    # Signals and time.
    "alarm": lambda: positive(signal.alarm(PATIENCE)),
    "clock_getres": lambda: time.clock_getres(time.CLOCK_PROCESS_CPUTIME_ID),
    "clock_gettime": lambda: time.clock_gettime(time.CLOCK_PROCESS_CPUTIME_ID),
    "clock_nanosleep": lambda: time.sleep(0.001),
    "getitimer": lambda: signal.getitimer(signal.ITIMER_REAL),
    "gettimeofday": lambda: raw("gettimeofday", buffer(), 0),
    "kill": lambda: os.kill(waiting_child()[0], signal.SIGKILL),
    "nanosleep": lambda: raw("nanosleep", buffer(16), 0),
    "pause": lambda: interrupted(lambda: raw("pause", fails=errno.EINTR)),
    "restart_syscall": stopped_and_continued,
    "rt_sigaction": lambda: signal.signal(signal.SIGUSR1, signal.SIG_IGN),
    "rt_sigpending": signal.sigpending,
    "rt_sigprocmask": lambda: signal.pthread_sigmask(signal.SIG_BLOCK, []),
    "rt_sigreturn": handled,
    "rt_sigsuspend": lambda: interrupted(lambda: raw("rt_sigsuspend", buffer(8), 8, fails=errno.EINTR)),
    "rt_sigtimedwait": lambda: signal.sigtimedwait([signal.SIGUSR1], 0),
    "setitimer": lambda: signal.setitimer(signal.ITIMER_REAL, PATIENCE),
    "sigaltstack": lambda: same(libc.sigaltstack(None, buffer()), 0),
    "tgkill": handled,
    "time": lambda: raw("time", 0),
    "timerfd_create": timer(),
    "timerfd_gettime": timer(lambda descriptor: raw("timerfd_gettime", descriptor, buffer())),
    "timerfd_settime": timer(lambda descriptor: raw("timerfd_settime", descriptor, 0, buffer(), 0)),
    "tkill": lambda: raw("tkill", threading.get_native_id(), 0),
    # Waiting and sockets.
    "connect": refused_by_the_other_side,
    "epoll_create1": select.epoll,
    "epoll_ctl": on_pair(watched),
    "epoll_pwait": waits("epoll_pwait", 0, 8),
    "epoll_wait": polled,
    "eventfd2": lambda: os.eventfd(0),
    "fcntl": on_file(lambda descriptor: fcntl.fcntl(descriptor, fcntl.F_GETFL)),
    "getpeername": on_pair(lambda ours, _: ours.getpeername()),
    "getrandom": lambda: os.getrandom(4),
    "getsockname": on_pair(lambda ours, _: ours.getsockname()),
    "getsockopt": on_pair(lambda ours, _: ours.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)),
    "ioctl": on_pair(lambda ours, _: ours.settimeout(1)),
    "poll": lambda: raw("poll", 0, 0, 0),
    "ppoll": lambda: raw("ppoll", 0, 0, buffer(16), 0, 8),
    "pselect6": lambda: select.select([], [], [], 0),
    "recvfrom": on_pair(lambda ours, theirs: same((ours.send(b"x"), theirs.recv(1)), (1, b"x"))),
    "recvmsg": on_pair(lambda ours, theirs: same((ours.send(b"x"), theirs.recvmsg(1)[0]), (1, b"x"))),
    "select": lambda: raw("select", 0, 0, 0, 0, buffer(16)),
    "sendmmsg": on_pair(many_messages),
    "sendmsg": on_pair(lambda ours, _: ours.sendmsg([b"x"])),
    "sendto": on_pair(lambda ours, _: ours.send(b"x")),
    "setsockopt": on_pair(lambda ours, _: ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)),
    "shutdown": on_pair(lambda ours, _: ours.shutdown(socket.SHUT_RDWR)),
    "socket": socket.socket,
    "socketpair": socket.socketpair,
}
