"""Attacks of a plugin on its lock, and their observation from outside.

Run as a program it is the plugin: it tries each attack, and prints the results.
"""

import contextlib
import ctypes
import errno
import json
import os
import resource
import socket
import struct
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

MSG_FASTOPEN = 0x20000000
NEW_USER, NEW_NET, SIGCHLD = 0x10000000, 0x40000000, 17
KEY = 0x6A696B6B
INT_80 = bytes.fromhex("89f8cd80c3")
"""mov eax, edi; int 0x80; ret"""

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


def given() -> dict[str, Any]:
    """Return process ids, ports and paths of the server, and numbers of system calls."""
    found: dict[str, Any] = json.loads(sys.argv[1])
    return found


def call(name: str, *arguments: Any) -> int:
    return by_number(given()["numbers"][name], *arguments)


def by_number(number: int, *arguments: Any) -> int:
    converted = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    answer: int = libc.syscall(ctypes.c_long(number), *converted)
    if answer < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return answer


def in_child(act: Callable[[], Any]) -> None:
    """Call ``act`` in a child process, whose own state does not matter, and re-raise its exception."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        code = 0
        try:
            act()
        except OSError as error:
            code = error.errno or 255
        os.write(writing, bytes([code]))
        os._exit(0)
    os.close(writing)
    said = os.read(reading, 1)
    os.close(reading)
    os.waitpid(child, 0)
    if said != b"\0":
        code = said[0] if said else errno.EFAULT
        raise OSError(code, os.strerror(code))


def tcp(protocol: int = 0) -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM, protocol)


def other() -> tuple[str, int]:
    return "127.0.0.1", given()["other"]


def message(port: int) -> Any:
    """Return a ``struct msghdr`` to a port of this machine; it refers to the kept buffers."""
    address = ctypes.create_string_buffer(
        struct.pack("=H", socket.AF_INET) + struct.pack(">H", port) + b"\x7f\0\0\1" + bytes(8), 16
    )
    data = ctypes.create_string_buffer(b"x", 1)
    vector = ctypes.create_string_buffer(struct.pack("QQ", ctypes.addressof(data), 1), 16)
    header = struct.pack("QIxxxxQQQQixxxx", ctypes.addressof(address), 16, ctypes.addressof(vector), 1, 0, 0, 0)
    made = ctypes.create_string_buffer(header + bytes(8), 64)
    made.kept = (address, data, vector)  # type: ignore[attr-defined]
    return made


def listens_by_itself() -> None:
    with tcp() as made:
        made.listen()  # without bind, the kernel chooses a port


def is_owner_of_signals(process_id: int) -> None:
    import fcntl

    reading, _writing = os.pipe()
    fcntl.fcntl(reading, fcntl.F_SETOWN, process_id)


def is_owner_of_a_socket() -> None:
    import fcntl

    with tcp() as made:
        fcntl.ioctl(made, 0x8901, struct.pack("i", given()["server"]))  # FIOSETOWN


def sends_to(path: str) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        ours.sendto(b"x", path)


def as_i386(number: int) -> int:
    import mmap

    page = mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=7)
    page.write(INT_80)
    function = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
    answer: int = function(number)
    if answer < 0:
        raise OSError(-answer, os.strerror(-answer))
    return answer


def lowers(process_id: int) -> None:
    soft, hard = resource.prlimit(process_id, resource.RLIMIT_NOFILE)
    resource.prlimit(process_id, resource.RLIMIT_NOFILE, (soft - 1, hard))


def clones(flags: int, call_: str = "clone") -> None:
    """Make the raw call. A resulting child ends at once."""
    plain = flags | SIGCHLD, 0, 0, 0, 0
    extended = ctypes.create_string_buffer(struct.pack("QQQQQQQQ", flags, 0, 0, 0, SIGCHLD, 0, 0, 0), 64), 64
    if call(call_, *(plain if call_ == "clone" else extended)) == 0:
        os._exit(0)
    with contextlib.suppress(ChildProcessError):  # a sibling belongs to its parent
        os.wait()


def on_other_connects(flags: int, name: str) -> None:
    with tcp() as made:
        match name:
            case "sendto":
                made.sendto(b"x", flags, other())
            case "sendmsg":
                made.sendmsg([b"x"], [], flags, other())
            case _:
                call("sendmmsg", made.fileno(), message(given()["other"]), 1, flags)


def connected(protocol: int) -> None:
    with tcp(protocol) as made:
        made.connect(other())


def connected_with_the_first_data() -> None:
    with tcp() as made:
        made.setsockopt(socket.IPPROTO_TCP, 30, 1)  # TCP_FASTOPEN_CONNECT
        made.connect(other())
        made.send(b"x")


def connects_to(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.connect(path)


def attacks() -> dict[str, Callable[[], Any]]:
    """Return attacks that succeed without the lock, by name: each changes something of the server's, or reaches
    something."""
    server, plugin, file = given()["server"], given()["plugin"], given()["file"]
    named = {"the server": server, "another plugin": plugin}
    at_processes: dict[str, Callable[[int], Any]] = {
        "lower a limit": lowers,
        "read a limit": lambda pid: resource.prlimit(pid, resource.RLIMIT_CPU),
        "set the affinity": lambda pid: os.sched_setaffinity(pid, {min(os.sched_getaffinity(0))}),
        "set the scheduler": lambda pid: os.sched_setscheduler(pid, os.SCHED_BATCH, os.sched_param(0)),
        "set the parameters of the scheduler": lambda pid: os.sched_setparam(pid, os.sched_param(0)),
        "set attributes of the scheduler": lambda pid: call(
            "sched_setattr", pid, struct.pack("=IIQiIQQQ", 48, 0, 0, 19, 0, 0, 0, 0), 0
        ),
        "set the priority": lambda pid: os.setpriority(os.PRIO_PROCESS, pid, 19),
        "set the priority of input and output": lambda pid: call("ioprio_set", 1, pid, 3 << 13),
        "move memory": lambda pid: call("migrate_pages", pid, 64, struct.pack("Q", 1), struct.pack("Q", 1)),
        "move pages": lambda pid: call("move_pages", pid, 0, 0, 0, 0, 0),
        "signal": lambda pid: os.kill(pid, 0),
        "signal by kill": lambda pid: call("tkill", pid, 0),
        "signal a thread": lambda pid: call("tgkill", pid, pid, 0),
        "signal with a value": lambda pid: call("rt_sigqueueinfo", pid, 0, struct.pack("iii", 0, 0, -1) + bytes(116)),
        "open as a descriptor": lambda pid: call("pidfd_open", pid, 0),
        "have signals sent": is_owner_of_signals,
        "trace": lambda pid: call("ptrace", 0x4206, pid, 0, 0),
        "read memory": lambda pid: call("process_vm_readv", pid, 0, 0, 0, 0, 0),
        "compare": lambda pid: call("kcmp", pid, pid, 0, 0, 0),
    }
    made: dict[str, Callable[[], Any]] = {
        f"{attempt}: {name}": partial(act, pid) for attempt, act in at_processes.items() for name, pid in named.items()
    }
    return made | {
        "connect": lambda: connected(0),
        "connect by MPTCP": lambda: connected(262),
        "SCTP": lambda: tcp(132),
        "SMC": lambda: tcp(256),
        "a raw socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1),
        "a packet socket": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
        "a socket of the virtual machine": lambda: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM),
        "connect by fast open: sendto": lambda: on_other_connects(MSG_FASTOPEN, "sendto"),
        "connect by fast open: sendmsg": lambda: on_other_connects(MSG_FASTOPEN, "sendmsg"),
        "connect by fast open: sendmmsg": lambda: on_other_connects(MSG_FASTOPEN, "sendmmsg"),
        "connect by fast open, as an option": connected_with_the_first_data,
        "another protocol over TCP": lambda: tcp().setsockopt(socket.IPPROTO_TCP, 31, b"tls\0"),
        "another device": lambda: tcp().setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"\0"),
        "UDP": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
        "IPv6": lambda: socket.socket(socket.AF_INET6, socket.SOCK_STREAM),
        "netlink": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
        "a Unix socket": lambda: connects_to(given()["unix"]),
        "a Unix socket without a name": lambda: connects_to("\0" + given()["abstract"]),
        "a datagram to a Unix socket": lambda: sends_to(given()["datagrams"]),
        "bind": lambda: tcp().bind(("127.0.0.1", 0)),
        "listen": listens_by_itself,
        "io_uring": lambda: call("io_uring_setup", 1, ctypes.create_string_buffer(120)),
        "connections of this machine": lambda: open("/proc/net/tcp").read(),
        "connections by its own folder": lambda: open("/proc/self/net/tcp").read(),
        "connections by its thread": lambda: open(f"/proc/self/task/{threading.get_native_id()}/net/tcp").read(),
        "the server's command": lambda: open(f"/proc/{server}/cmdline").read(),
        "the server's limits": lambda: open(f"/proc/{server}/limits").read(),
        "the server's memory": lambda: os.open(f"/proc/{server}/mem", os.O_RDWR),
        "the server's descriptors": lambda: os.listdir(f"/proc/{server}/fd"),
        "signals of a socket to the server": is_owner_of_a_socket,
        "a namespace by unshare": lambda: in_child(lambda: call("unshare", NEW_USER)),
        "a namespace by clone": lambda: in_child(lambda: clones(NEW_USER)),
        "a namespace by clone3": lambda: in_child(lambda: clones(NEW_USER, "clone3")),
        "a network of its own": lambda: in_child(lambda: clones(NEW_USER | NEW_NET)),
        "a sibling": lambda: in_child(lambda: clones(0x8000)),
        "memory of System V": lambda: call("shmget", KEY, 4096, 0o600),
        "a queue": lambda: call("msgget", KEY, 0o1600),
        "keys": lambda: call("keyctl", 0, -3, 1),
        "a key": lambda: call("add_key", b"user\0", b"jikko\0", b"x", 1, -3),
        "watch a folder of the server": lambda: call(
            "inotify_add_watch", call("inotify_init1", 0), os.fsencode(given()["folder"]), 0xFFF
        ),
        "empty a file of the server": lambda: os.truncate(file, 0),
        "an attribute of a file of the server": lambda: os.setxattr(file, "user.jikko", b"x"),
        "memory by fault": lambda: call("userfaultfd", 1),
        "its own filter": lambda: call("seccomp", 2, 0, struct.pack("I", 0x7FFC0000)),
        "a call of i386": lambda: in_child(lambda: as_i386(20)),
        "a call of x32": lambda: in_child(lambda: by_number(0x40000000 | 39)),
    }


def quiet_attacks() -> dict[str, Callable[[], Any]]:
    """Return attacks that silently do nothing in a locked plugin."""
    file = given()["file"]
    return {
        "the mode of a file of the server": lambda: os.chmod(file, 0),
        "the times of a file of the server": lambda: os.utime(file, (1, 1)),
        "the mode by a descriptor": lambda: os.fchmod(os.open(given()["readable"], os.O_RDONLY), 0),
    }


def outcome(act: Callable[[], Any]) -> str | int:
    """Return ``"done"`` or the error number."""
    try:
        act()
    except OSError as error:
        return error.errno or -1
    return "done"


def sweep(numbers: list[int]) -> dict[str, int]:
    """Return the error of each system call with all-zero arguments; 0 for none."""
    answers = {}
    for number in numbers:
        ctypes.set_errno(0)
        answer = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(0)] * 6)
        answers[str(number)] = ctypes.get_errno() if answer == -1 else 0
    return answers


if __name__ == "__main__":
    tried = {name: outcome(act) for name, act in attacks().items()}
    tried |= {name: outcome(act) for name, act in quiet_attacks().items()}
    print(json.dumps({"tried": tried, "sweep": sweep(given()["sweep"])}))
