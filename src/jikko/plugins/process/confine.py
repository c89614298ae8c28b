"""Locks this process, then becomes a plugin: ``python -I -S confine.py SETTINGS COMMAND…``. As root or a plain user.

* Landlock: it reads what it needs, writes its own folder, binds no port, connects to the listed ports only, signals
  nobody outside.
* seccomp: no sockets but TCP (and UDP, where all ports are open), and none of the calls in ``_FORBIDDEN``.
* No capabilities, no descriptors but 0 to 2, limits of memory, files and processes; it dies with the server.

It imports nothing of Jikko, so that it starts at once and reads nothing that it should not. Whatever cannot be locked
ends it with status 126 and a line that says why: nothing here fails open.

``SETTINGS`` is JSON: ``read``, ``write`` (paths), ``ports`` (``null`` for all), ``parent`` (process id), ``memory``
(bytes), ``uid`` (0: stay), ``require`` (whether a kernel without Landlock is refused), ``abi`` (the most to use).
"""

import ctypes
import json
import os
import platform
import resource
import struct
import sys

STATUS = 126
_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long

_MACHINE = platform.machine()
_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_COLUMN = {"x86_64": 0, "aarch64": 1}

# name: (x86_64, aarch64). Source: the kernel's system call tables.
_CALLS = {
    "capget": (125, 90),
    "capset": (126, 91),
    "close_range": (436, 436),
    "landlock_add_rule": (445, 445),
    "landlock_create_ruleset": (444, 444),
    "landlock_restrict_self": (446, 446),
    "prctl": (157, 167),
    "seccomp": (317, 277),
    "socket": (41, 198),
}
_FORBIDDEN = {
    "add_key": (248, 217),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "finit_module": (313, 273),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "init_module": (175, 105),
    "io_uring_setup": (425, 425),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "mount": (165, 40),
    "move_mount": (429, 429),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "request_key": (249, 218),
    "setns": (308, 268),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
}

# Landlock's rights to files.
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_MAKE_CHAR, _MAKE_BLOCK = 1 << 6, 1 << 11
_REFER, _TRUNCATE, _IOCTL_DEVICE = 1 << 13, 1 << 14, 1 << 15
_FIRST_RIGHTS = (1 << 13) - 1
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEVICE
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_TCP_BIND, _TCP_CONNECT = 1, 2

SYSTEM = (
    "/usr",
    "/lib",
    "/lib64",
    "/bin",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/pki",
    "/etc/ca-certificates",
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/localtime",
    "/etc/ld.so.cache",
    "/etc/mime.types",
    "/dev/urandom",
    "/dev/random",
    "/dev/zero",
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/sys/devices/system/cpu",
)
"""What every plugin may read: programs and libraries, certificates, names of hosts; nothing that tells of users."""

_PR_SET_PDEATHSIG, _PR_SET_KEEPCAPS, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT = 1, 8, 38, 47
_CAP_DAC_READ_SEARCH, _SIGKILL = 2, 9
_CAPABILITIES = struct.pack("Ii", 0x20080522, 0)


class LockFailed(Exception):
    """A lock could not be put on. The message says which, and what to do about it."""


def call(name: str, *arguments: object) -> int:
    """Issue a system call of ``_CALLS``.

    Raises:
        OSError: The kernel answered with an error.
    """
    number = _CALLS[name][_COLUMN[_MACHINE]]
    converted = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    result: int = _libc.syscall(ctypes.c_long(number), *converted)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")
    return result


def landlock_abi() -> int:
    """Which version of Landlock the kernel has; 0 for none."""
    try:
        return call("landlock_create_ruleset", None, 0, 1)
    except OSError:
        return 0


def landlock(abi: int, read: "list[str]", write: "list[str]", ports: "list[int] | None") -> None:
    """Deny all files but those below some paths, and all ports but some.

    Args:
        abi: At least 1. Before 4 ports cannot be denied, before 6 neither signals nor abstract sockets.
        ports: That may be connected to; ``None`` for all.
    """
    rights = _FIRST_RIGHTS
    for since, right in ((2, _REFER), (3, _TRUNCATE), (5, _IOCTL_DEVICE)):
        rights |= right if abi >= since else 0
    network = 0 if abi < 4 else _TCP_BIND if ports is None else _TCP_BIND | _TCP_CONNECT
    attributes = struct.pack("QQQ", rights, network, 3 if abi >= 6 else 0)
    ruleset = call("landlock_create_ruleset", attributes, 8 if abi < 4 else 16 if abi < 6 else 24, 0)
    own = rights & ~(_MAKE_CHAR | _MAKE_BLOCK)
    for paths, granted in ((read, _READ), (write, own), (["/dev/null"], _READ | _WRITE_FILE)):
        for path in paths:
            if not os.path.exists(path):
                continue
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
            allowed = granted if os.path.isdir(path) else granted & _OF_FILES & rights
            call("landlock_add_rule", ruleset, 1, struct.pack("=Qi", allowed, descriptor), 0)
            os.close(descriptor)
    if ports is not None and abi >= 4:
        for port in ports:
            call("landlock_add_rule", ruleset, 2, struct.pack("QQ", _TCP_CONNECT, port), 0)
    call("landlock_restrict_self", ruleset, 0)
    os.close(ruleset)


def seccomp_filter(machine: str, *, udp: bool) -> bytes:
    """The program of the filter: sockets of other kinds, and forbidden calls, fail with EPERM."""
    load, equal, at_least, mask, answer = 0x20, 0x15, 0x35, 0x54, 0x06
    allow, refuse, kill = 0x7FFF0000, 0x00050001, 0x80000000
    column = _COLUMN[machine]
    # A socket: its family is IPv4 or IPv6, its kind (without flags) a stream, or a datagram where that is allowed.
    socket = [(load, 16, 0, 0), (equal, 2, 1, 0), (equal, 10, 0, 3 + udp), (load, 24, 0, 0), (mask, 15, 0, 0)]
    socket += [(equal, 1, 1 + udp, 0), *([(equal, 2, 1, 0)] if udp else []), (answer, refuse, 0, 0)]
    socket.append((answer, allow, 0, 0))
    # Another architecture has other numbers: never legitimate, so the process dies.
    program = [(load, 4, 0, 0), (equal, _ARCH[machine], 1, 0), (answer, kill, 0, 0), (load, 0, 0, 0)]
    if machine == "x86_64":
        program += [(at_least, 0x40000000, 0, 1), (answer, kill, 0, 0)]
    for numbers in _FORBIDDEN.values():
        program += [(equal, numbers[column], 0, 1), (answer, refuse, 0, 0)]
    program += [(equal, _CALLS["socket"][column], 0, len(socket)), *socket, (answer, allow, 0, 0)]
    return b"".join(struct.pack("HBBI", code, yes, no, value) for code, value, yes, no in program)


def install_filter(program: bytes) -> None:
    """Put a filter on this process, and all that it will start."""
    code = ctypes.create_string_buffer(program, len(program))
    call("seccomp", 1, 0, struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(code)))


def become(uid: int, paths: "list[str]") -> None:
    """Give root up for a user that owns nothing but its folder.

    Where it could not even reach its own files, since a folder above them is root's alone, it keeps the right to look
    everywhere: what it may read is then what Landlock lets it.
    """
    os.setgroups([])
    call("prctl", _PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    if 0 in os.getresuid() or 0 in os.getresgid() or os.getgroups():
        raise LockFailed("the kernel said that root was given up, but it was not; run the server as a plain user")
    kept = 0
    if not all(os.access(path, os.R_OK) for path in paths if path):
        kept = 1 << _CAP_DAC_READ_SEARCH
    try:
        call("capset", _CAPABILITIES, struct.pack("IIIIII", kept, kept, kept, 0, 0, 0))
        if kept:
            call("prctl", _PR_CAP_AMBIENT, 2, _CAP_DAC_READ_SEARCH, 0, 0)
    except OSError:
        raise LockFailed(
            f"user {uid} cannot reach {' or '.join(paths)}: let others enter the folders above, "
            "grant CAP_DAC_READ_SEARCH, or run the server as a plain user"
        ) from None


def lock(settings: dict, command: "list[str]") -> None:  # type: ignore[type-arg]
    """Put on all locks.

    Raises:
        LockFailed: One cannot be put on.
        OSError: The same; the text names the call.
    """
    if _MACHINE not in _COLUMN:
        raise LockFailed(f"there is no table of system calls for {_MACHINE}; JIKKO_PLUGINS_CONFINE=off does without")
    call("close_range", 3, 0xFFFFFFFF, 0)
    abi = min(landlock_abi(), int(settings.get("abi", 99)))
    if not abi and settings["require"]:
        raise LockFailed(
            "this kernel has no Landlock, or it is switched off: it takes Linux 5.13 and `landlock` in its list of "
            "LSMs; JIKKO_PLUGINS_CONFINE=off runs plugins without a lock"
        )
    interpreter = os.path.dirname(os.path.dirname(os.path.realpath(command[0])))
    read = [*SYSTEM, interpreter, *settings["read"]]
    uid = settings.get("uid") or 0
    if os.geteuid() == 0 and uid:
        become(uid, [os.path.realpath(command[0]), *settings["read"], *settings["write"]])
    else:
        call("capset", _CAPABILITIES, bytes(24))
    call("prctl", _PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
    if os.getppid() != settings["parent"]:
        raise LockFailed("the server is gone")
    call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    limits = {"DATA": settings["memory"], "CORE": 0, "NOFILE": 1024, "FSIZE": 256 << 20}
    if uid:
        limits["NPROC"] = 512  # counted by user: only where the user is its own
    for kind, value in limits.items():
        which = getattr(resource, f"RLIMIT_{kind}")
        hard = resource.getrlimit(which)[1]
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        resource.setrlimit(which, (value, value))
    os.nice(5)
    if abi:
        landlock(abi, read, settings["write"], settings["ports"])
    install_filter(seccomp_filter(_MACHINE, udp=settings["ports"] is None))


def main() -> None:
    """Lock, and become the command."""
    settings, command = json.loads(sys.argv[1]), sys.argv[2:]
    try:
        lock(settings, command)
        os.execv(command[0], command)
    except (LockFailed, OSError) as error:
        os.write(2, f"jikko: the plugin cannot be locked: {error}\n".encode())
        os._exit(STATUS)


if __name__ == "__main__":
    main()
