"""Launcher that locks its own process, then executes a plugin. It runs as root or a plain user.

* Landlock: read access to what the plugin needs, write access to its own folder, no bound ports, connections to listed
  ports only, no signals to other processes.
* seccomp: only the calls that ``allowed`` lists.
* No capabilities, no descriptors but 0 to 2, limits of memory, files and processes; it dies with the server.

It runs without ``site``, and imports only the standard library, ``jikko.locks`` and ``allowed``, to start fast and to
read nothing else. It fails closed: if a lock cannot be applied it prints the reason and exits with status 126.

Its arguments are ``SETTINGS COMMAND…``. ``SETTINGS`` is JSON: ``read``, ``write`` (paths), ``ports`` (``null`` for
all), ``parent`` (process id), ``memory`` (bytes), ``uid`` (0: unchanged), ``require`` (refuse a kernel without
Landlock), ``abi`` (the newest to use), ``sockets`` (descriptor for requesting them, or for ``epoll`` if all ports are
open; 0: none), ``attributes`` and ``epoll`` (see ``plugin_filter``) and ``cgroup`` (folder of the control group to
enter; ``""``: none).
"""

import _socket
import json
import os
import resource
import struct
import sys

from jikko.locks.calls import (
    LockFailed,
    close_from,
    die_with,
    drop_capabilities,
    forbid_new_privileges,
    install_filter,
    landlock_abi,
    prctl,
    prefer_for_oom_kill,
    system_call,
)
from jikko.locks.numbers import MACHINES
from jikko.plugins.process.allowed import plugin_filter

STATUS = 126

# Landlock's file access rights.
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_MAKE_CHAR, _MAKE_BLOCK = 1 << 6, 1 << 11
_REFER, _TRUNCATE, _IOCTL_DEVICE = 1 << 13, 1 << 14, 1 << 15
_FIRST_RIGHTS = (1 << 13) - 1
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEVICE
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_TCP_BIND, _TCP_CONNECT = 1, 2

SYSTEM = tuple(
    """
    /usr /lib /lib64 /bin /etc/ssl/certs /etc/ssl/openssl.cnf /etc/pki /etc/ca-certificates /etc/resolv.conf /etc/hosts
    /etc/nsswitch.conf /etc/gai.conf /etc/localtime /etc/ld.so.cache /etc/mime.types /dev/urandom /dev/random
    /proc/cpuinfo /proc/meminfo /sys/devices/system/cpu
    """.split()
)
"""Paths that every plugin may read: programs, libraries, certificates and host names; nothing about users."""

OWN = ("auxv", "cmdline", "environ", "io", "limits", "maps", "smaps", "smaps_rollup", "stat", "statm", "status")
"""Readable files below ``/proc/self``. Of the others only names are visible: ``net`` lists every connection."""

_PR_SET_KEEPCAPS, _PR_CAP_AMBIENT = 8, 47
_CAP_DAC_READ_SEARCH = 2
_USER_TASKS = 4096
"""Limit of processes and threads for a shared user id, beyond which a plugin cannot start one."""
_STACK = 64 << 20
"""Maximum stack in bytes, which ``DATA`` does not count."""
_FILES = 1024
"""Maximum open files of a process."""


def landlock(abi: int, read: "list[str]", write: "list[str]", ports: "list[int] | None") -> None:
    """Deny all files but those below the given paths, and all ports but the given ones (``None`` for all).

    ``abi``: At least 1. Ports need 4; signals and abstract sockets need 6.
    """
    rights = _FIRST_RIGHTS
    for since, right in ((2, _REFER), (3, _TRUNCATE), (5, _IOCTL_DEVICE)):
        rights |= right if abi >= since else 0
    network = 0 if abi < 4 else _TCP_BIND if ports is None else _TCP_BIND | _TCP_CONNECT
    attributes = struct.pack("QQQ", rights, network, 3 if abi >= 6 else 0)
    ruleset = system_call("landlock_create_ruleset", attributes, 8 if abi < 4 else 16 if abi < 6 else 24, 0)
    own = rights & ~(_MAKE_CHAR | _MAKE_BLOCK)
    for paths, granted in (
        (read, _READ),
        (write, own),
        (["/dev/null"], _READ | _WRITE_FILE),
        (["/proc/self"], _READ_DIR),
        ([f"/proc/self/{name}" for name in OWN], _READ),
    ):
        for path in paths:
            if not os.path.exists(path):
                continue
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
            allowed = granted if os.path.isdir(path) else granted & _OF_FILES & rights
            system_call("landlock_add_rule", ruleset, 1, struct.pack("=Qi", allowed, descriptor), 0)
            os.close(descriptor)
    if ports is not None and abi >= 4:
        for port in ports:
            system_call("landlock_add_rule", ruleset, 2, struct.pack("QQ", _TCP_CONNECT, port), 0)
    system_call("landlock_restrict_self", ruleset, 0)
    os.close(ruleset)


def become(uid: int, paths: "list[str]") -> None:
    """Switch from root to a user that owns only its folder.

    If that user cannot reach its own files, because only root may enter a parent folder, it keeps CAP_DAC_READ_SEARCH:
    then Landlock alone restricts reading.
    """
    os.setgroups([])
    prctl(_PR_SET_KEEPCAPS, 1, what="PR_SET_KEEPCAPS")
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    if 0 in os.getresuid() or 0 in os.getresgid() or os.getgroups():
        raise LockFailed("the kernel reported that root was dropped, but it was not; run the server as a plain user")
    kept = 0
    if not all(os.access(path, os.R_OK) for path in paths if path):
        kept = 1 << _CAP_DAC_READ_SEARCH
    try:
        drop_capabilities(but=kept)
        if kept:
            system_call("prctl", _PR_CAP_AMBIENT, 2, _CAP_DAC_READ_SEARCH, 0, 0)
    except (LockFailed, OSError):
        raise LockFailed(
            f"user {uid} cannot reach {' or '.join(paths)}: let others enter the folders above, "
            "grant CAP_DAC_READ_SEARCH, or run the server as a plain user"
        ) from None


def lock(settings: dict, command: "list[str]") -> None:  # type: ignore[type-arg]
    """Apply every lock. Raises ``LockFailed`` or ``OSError`` if one fails."""
    machine = os.uname().machine
    if machine not in MACHINES:
        raise LockFailed(f"no table of system calls for {machine}; JIKKO_PLUGINS_CONFINE=off runs plugins unlocked")
    lowest = 3
    if settings["sockets"]:
        if settings["sockets"] != lowest:
            os.dup2(settings["sockets"], lowest)
        lowest += 1
    close_from(lowest)
    if settings["cgroup"]:
        # First: it needs a right that is dropped next, and usage counts from here on.
        with open(os.path.join(settings["cgroup"], "cgroup.procs"), "w") as group:
            group.write("0")
    abi = min(landlock_abi(), int(settings.get("abi", 99)))
    if not abi and settings["require"]:
        raise LockFailed(
            "this kernel has no Landlock, or it is switched off: it needs Linux 5.13 and `landlock` in its list of "
            "LSMs; JIKKO_PLUGINS_CONFINE=off runs plugins unlocked"
        )
    interpreter = os.path.dirname(os.path.dirname(os.path.realpath(command[0])))
    read = [*SYSTEM, interpreter, *settings["read"]]
    uid = settings.get("uid") or 0
    own_user = os.geteuid() == 0 and uid != 0
    prefer_for_oom_kill()
    if own_user:
        become(uid, [os.path.realpath(command[0]), *settings["read"], *settings["write"]])
    else:
        drop_capabilities()
    die_with(settings["parent"])
    forbid_new_privileges()
    limits = {"DATA": settings["memory"], "STACK": _STACK, "CORE": 0, "FSIZE": 256 << 20}
    # Counted per user id, which all servers and plugins of the machine may share.
    limits["NPROC"] = 512 if own_user else _USER_TASKS
    for kind, value in limits.items():
        which = getattr(resource, f"RLIMIT_{kind}")
        soft, hard = resource.getrlimit(which)
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        # The soft stack limit is also the stack size of each thread.
        keeps = kind == "STACK" and soft != resource.RLIM_INFINITY
        resource.setrlimit(which, (min(soft, value) if keeps else value, value))
    os.nice(5)
    if abi:
        try:
            landlock(abi, read, settings["write"], settings["ports"])
        except OSError as error:
            raise LockFailed(f"Landlock (version {abi}) refused its rules: {error}") from None
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    listener = install_filter(
        plugin_filter(
            abi=abi,
            direct=settings["ports"] is None,
            asks=bool(settings["sockets"]),
            own_user=own_user,
            attributes=settings["attributes"],
            epoll=settings["epoll"],
            cgroup=bool(settings["cgroup"]),
            process_id=os.getpid(),
        ),
        asks=bool(settings["sockets"]),
    )
    if listener:
        asking = _socket.socket(fileno=3)
        asking.sendmsg([b"%d" % os.getpid()], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, struct.pack("i", listener))])
        asking.close()
        os.close(listener)
    # Descriptors in flight are counted per user against the sender's limit: keep plugins below the limit of the server
    # and of the next plugin's message above.
    files = min(_FILES, files // 2)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))


def main() -> None:
    """Lock the process, and execute the command."""
    settings, command = json.loads(sys.argv[1]), sys.argv[2:]
    try:
        lock(settings, command)
        os.execv(command[0], command)
    except (LockFailed, OSError) as error:
        os.write(2, f"jikko: the plugin cannot be locked: {error}\n".encode())
        os._exit(STATUS)
