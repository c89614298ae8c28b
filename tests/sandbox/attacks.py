# ruff: noqa: E501 (programs and their outcomes are kept on one line each)

"""Attacks of untrusted programs on the sandbox, and checks that they failed.

In Python programs, ``t(f, ...)`` calls ``f`` and reports the result, beginning with ``OPEN`` if it worked; ``sc(n,
...)`` makes a system call by number. An attacker can make any, so hiding ``ctypes`` would be no defence.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass

from jikko.values import Json
from tests.sandbox.scene import Outcome

TRY = """
import os, sys
def t(f, *a, **k):
    try: return "OPEN:" + repr(f(*a, **k))[:200]
    except BaseException as e: return f"{type(e).__name__}:{e}"[:160]
"""
CALL = (
    TRY
    + """
import ctypes
L = ctypes.CDLL(None, use_errno=True); L.syscall.restype = ctypes.c_long
def sc(n, *a):
    ctypes.set_errno(0)
    r = L.syscall(n, *[ctypes.c_long(x) if isinstance(x, int) else x for x in a])
    return (r, os.strerror(ctypes.get_errno()) if r < 0 else "SUCCESS")
"""
)


@dataclass(frozen=True, slots=True)
class Attack:
    """Program, and whether an outcome of it means that the sandbox held."""

    name: str
    language: str
    code: str
    held: Callable[[Outcome], bool]
    arguments: tuple[str, ...] = ()
    """Arguments of the program: any of ``server``, ``parent`` (process ids) and ``secret_file``."""


def nothing_worked(outcome: Outcome) -> bool:
    return not outcome.error and all(not str(value).startswith("OPEN") for value in outcome.result.values())


def every_value_has(*texts: str) -> Callable[[Outcome], bool]:
    return lambda o: not o.error and all(any(text in str(value) for text in texts) for value in o.result.values())


def result_is(value: Json) -> Callable[[Outcome], bool]:
    return lambda outcome: not outcome.error and outcome.result == value


def fails_with(*texts: str, kind: str | None = None) -> Callable[[Outcome], bool]:
    return lambda o: bool(o.error) and any(text in o.error for text in texts) and kind in (None, o.kind)


# If the server itself is delayed, a computing program reaches its CPU limit first.
wall = fails_with("wall time limit", "CPU time limit", kind="SandboxLimitError")
# On a busy machine the time limit may come first. The contract tests that the memory limit is reported.
memory = fails_with("memory limit", "wall time limit", kind="SandboxLimitError")
output = fails_with("output limit")


def python(name: str, code: str, held: Callable[[Outcome], bool], *arguments: str) -> Attack:
    return Attack(name, "python3", code, held, arguments)


NETWORK = [
    python("1 sockets of every family", TRY + '''
def main():
    import _socket
    return {str(f): t(_socket.socket, f, kind) for f in (1, 2, 10, 16, 17, 38, 40) for kind in (1, 2, 3)}''',
        every_value_has("PermissionError")),
    python("1 urllib, http.client, asyncio, smtplib to loopback", TRY + '''
async def connect(asyncio): await asyncio.open_connection("127.0.0.1", 1)
def main():
    import urllib.request, http.client, asyncio, smtplib, socket
    return {"u": t(urllib.request.urlopen, "http://127.0.0.1:1/"), "h": t(http.client.HTTPConnection("127.0.0.1").connect),
        "a": t(asyncio.run, connect(asyncio)),
        "s": t(smtplib.SMTP, "127.0.0.1"), "d": t(socket.getaddrinfo, "localhost", 1)}''',
        every_value_has("use the network")),
]  # fmt: skip

FILES = [
    python("2 reading files", TRY + '''
def main(server, parent, secret_file):
    paths = ["/etc/passwd", "/etc/hostname", "/etc/resolv.conf", "/proc/self/environ", "/proc/self/mem",
        "/proc/self/maps", "/proc/self/fd/3", f"/proc/{server}/environ", f"/proc/{server}/mem", f"/proc/{parent}/mem",
        f"/proc/{parent}/cmdline", "/proc/1/environ", "/dev/mem", "/dev/stdin", "/dev/tty", "/dev/null", os.__file__,
        secret_file, ".", "..", "/"]
    return {p: t(lambda p: open(p, "rb").read(50), p) for p in paths}''',
        every_value_has("FileNotFoundError", "NameError"), "server", "parent", "secret_file"),
    python("2 reading the job's own socket again", TRY + '''
def main():
    import select
    ready = select.select([3], [], [], 0)[0]
    return {"ready": t(lambda: ready or 1 / 0)}''', nothing_worked),
    python("3 metadata", TRY + '''
def main(secret_file):
    return {"stat": t(os.stat, "/etc/passwd"), "ls": t(os.listdir, "/"), "rl": t(os.readlink, "/proc/self/exe"),
        "acc": t(lambda: os.access("/etc/passwd", 0) or 1 / 0), "cwd": t(os.getcwd), "cd": t(os.chdir, "/tmp"),
        "dirfd": t(os.listdir, 3), "ex": t(lambda: os.path.exists(secret_file) or 1 / 0), "scan": t(os.scandir, "/"),
        "vfs": t(os.statvfs, "/"), "fvfs": t(os.fstatvfs, 3), "x": t(os.getxattr, "/etc/passwd", "user.x"),
        "dot": t(os.open, ".", 0), "up": t(os.open, "../../..", 0), "root": t(os.chroot, "/")}''',
        nothing_worked, "secret_file"),
    python("4 writing files", TRY + '''
def main(secret_file):
    s = secret_file
    return {"w": t(open, "/tmp/x", "w"), "mk": t(os.mkdir, "/tmp/y"), "rm": t(os.unlink, s), "mv": t(os.rename, s, s + "2"),
        "ln": t(os.symlink, "/a", "/tmp/c"), "hl": t(os.link, s, "/tmp/d"), "tr": t(os.truncate, s, 0),
        "ch": t(os.chmod, s, 0), "fifo": t(os.mkfifo, "/tmp/f"), "node": t(os.mknod, "/tmp/n"), "ut": t(os.utime, s),
        "memfd": t(os.memfd_create, "x"), "rmdir": t(os.rmdir, "/tmp"), "chown": t(os.chown, s, 0, 0),
        "ft": t(os.ftruncate, 0, 0), "fch": t(os.fchmod, 0, 0), "sync": t(os.fsync, 0), "shm": t(os.open, "/dev/shm/x", 66)}''',
        nothing_worked, "secret_file"),
]  # fmt: skip

PROCESSES = [
    python("5 starting processes", TRY + '''
def main():
    import subprocess, _posixsubprocess, pty, multiprocessing
    from posix import fork, system, posix_spawn, execv, forkpty
    return {"fork": t(os.fork), "rfork": t(fork), "pty": t(os.forkpty), "rpty": t(forkpty), "exec": t(os.execv, "/bin/sh", ["sh"]),
        "rexec": t(execv, "/bin/sh", ["sh"]), "sys": t(os.system, "id"), "rsys": t(lambda: system("id") + 1 and 1 / 0),
        "sp": t(subprocess.run, ["id"]), "ps": t(posix_spawn, "/bin/true", ["true"], {}), "popen": t(lambda: os.popen("id").read()),
        "mp": t(multiprocessing.Process(target=print).start), "spawn": t(pty.spawn, "sh")}''', nothing_worked),
    python("5 fork bomb", TRY + '''
def main():
    from posix import fork
    made = 0
    for i in range(10000):
        try:
            if fork() == 0:
                while True: fork()
            made += 1
        except OSError: pass
    return {"made": made}''', result_is({"made": 0})),
    python("5 threads", TRY + '''
def main():
    import threading, _thread, concurrent.futures as c
    return {"t": t(threading.Thread(target=print).start), "r": t(_thread.start_new_thread, print, ()),
        "p": t(lambda: c.ThreadPoolExecutor().submit(print).result())}''', every_value_has("can't start new thread")),
    python("6 signals and priorities", TRY + '''
def main(server, parent):
    import signal
    return {"pp": t(os.kill, parent, 0), "pp9": t(os.kill, parent, 9), "srv": t(os.kill, server, 9), "all": t(os.kill, -1, 9),
        "pg": t(os.killpg, 0, 9), "self": t(os.kill, os.getpid(), 9), "raise": t(signal.raise_signal, 9),
        "pidfd": t(os.pidfd_open, parent), "nice": t(os.nice, -5), "prio": t(os.setpriority, 0, parent, 19),
        "sched": t(os.sched_setscheduler, 0, 1, os.sched_param(1)), "aff": t(os.sched_setaffinity, parent, [0]),
        "own": t(os.sched_setaffinity, 0, [0]), "pgid": t(os.setpgid, 0, 0), "sid": t(os.setsid), "wait": t(os.waitpid, -1, 1),
        "itimer": t(signal.setitimer, 0, 1), "q": t(signal.pthread_kill, __import__("threading").get_ident(), 9)}''',
        nothing_worked, "server", "parent"),
]  # fmt: skip

_X86_CALLS = """
def main(server, parent):
    b = ctypes.create_string_buffer(64); pp = parent
    d = {"ptrace_attach": sc(101, 16, pp, 0, 0), "ptrace_seize": sc(101, 0x4206, server, 0, 0), "pvr": sc(310, pp, b, 1, b, 1, 0),
    "pvw": sc(311, pp, b, 1, b, 1, 0), "setuid": sc(105, 0), "setresuid": sc(117, 0, 0, 0), "setgid": sc(106, 0), "setgroups": sc(116, 0, 0),
    "unshare": sc(272, 0x10000000), "mount": sc(165, 0, 0, 0, 0, 0), "umount": sc(166, b"/", 2), "pivot": sc(155, b"/", b"/"), "chroot": sc(161, b"/"),
    "bpf": sc(321, 0, 0, 0), "iouring": sc(425, 1, b), "uffd": sc(323, 0), "perf": sc(298, b, 0, 0, 0, 0), "keyctl": sc(250, 0, -3, 1),
    "add_key": sc(248, b"user", b"a", b"b", 1, -3), "request_key": sc(249, b"user", b"a", 0, -3), "shmget": sc(29, 0, 4096, 0o1600),
    "semget": sc(64, 0, 1, 0o1600), "msgget": sc(68, 0, 0o1600), "mq": sc(240, b"/x", 0o102, 0o600, 0), "prctl_dump": sc(157, 4, 1),
    "prctl_seccomp": sc(157, 22, 2, 0), "prctl_pdeath": sc(157, 1, 0), "seccomp": sc(317, 1, 0, 0), "prlimit": sc(302, 0, 9, b, 0),
    "prlimit_parent": sc(302, pp, 7, b, 0), "setrlimit": sc(160, 9, b), "pidfd_open": sc(434, pp, 0), "pidfd_getfd": sc(438, 3, 0, 0),
    "pidfd_send": sc(424, 3, 9, 0, 0), "sendmsg": sc(46, 3, b, 0), "recvmsg": sc(47, 3, b, 0), "sendto": sc(44, 3, b, 1, 0, 0, 0),
    "recvfrom": sc(45, 3, b, 1, 0, 0, 0), "shutdown": sc(48, 3, 2), "getpeername": sc(52, 3, b, b), "socketpair": sc(53, 1, 1, 0, b),
    "dup": sc(32, 3), "dup2": sc(33, 3, 4), "pipe2": sc(293, b, 0), "clone_thread": sc(56, 0x100, 0, 0, 0, 0), "clone_ns": sc(56, 0x10000011, 0, 0, 0, 0),
    "clone3": sc(435, b, 64), "vfork": sc(58), "landlock": sc(444, 0, 0, 1), "kcmp": sc(312, pp, pp, 0, 0, 0), "openat2": sc(437, -100, b"/", b, 24),
    "open_by_handle": sc(304, 3, b, 0), "name_to_handle": sc(303, -100, b"/", b, b, 0), "mmap_exec": sc(9, 0, 4096, 7, 0x22, -1, 0),
    "mmap_fd": sc(9, 0, 4096, 1, 1, 3, 0), "pkey_mprotect": sc(329, 0, 0, 4, 0), "remap": sc(216, 0, 0, 0, 0, 0), "personality": sc(135, 0x400000),
    "modify_ldt": sc(154, 0, b, 8), "arch_prctl": sc(158, 0x1002, 0), "iopl": sc(172, 3), "ioperm": sc(173, 0, 1, 1), "reboot": sc(169, 0, 0, 0),
    "sethostname": sc(170, b"x", 1), "syslog": sc(103, 3, b, 10), "swapon": sc(167, b, 0), "setns": sc(308, 3, 0), "acct": sc(163, 0),
    "quotactl": sc(179, 0, 0, 0, 0), "timer_create": sc(222, 0, 0, b), "setitimer": sc(38, 0, b, 0), "alarm": sc(37, 1), "pause": sc(34),
    "memfd": sc(319, b"x", 0), "memfd_secret": sc(447, 0), "vmsplice": sc(278, 3, b, 1, 0), "splice": sc(275, 3, 0, 3, 0, 1, 0), "tee": sc(276, 3, 3, 1, 0),
    "sendfile": sc(40, 3, 3, 0, 1), "inotify": sc(294, 0), "fanotify": sc(300, 0, 0), "eventfd": sc(290, 0, 0), "epoll": sc(291, 0),
    "signalfd": sc(289, -1, b, 8, 0), "timerfd": sc(283, 0, 0), "fsopen": sc(430, b"tmpfs", 0), "mknod": sc(133, b"/x", 0, 0),
    "utimensat": sc(280, -100, b"/tmp", 0, 0), "sysinfo": sc(99, b), "capset": sc(126, b, b), "capget": sc(125, b, b), "mlock": sc(149, b, 64),
    "mlockall": sc(151, 1), "madvise_parent": sc(440, 3, b, 1, 4, 0), "module": sc(175, b, 1, b""), "finit": sc(313, 3, b"", 0), "kexec": sc(246, 0, 0, 0, 0),
    "settime": sc(227, 0, b), "adjtime": sc(159, b), "ioprio": sc(251, 1, 0, 0), "lookup": sc(212, 1, b, 64), "execve": sc(59, b"/bin/sh", 0, 0),
    "execveat": sc(322, 3, b"", 0, 0, 0x1000), "tgkill": sc(234, pp, pp, 9), "tkill": sc(200, pp, 9), "sigqueue": sc(129, pp, 9, b),
    "robust": sc(274, pp, b, b), "getsid": sc(124, pp), "ptrace_me": sc(101, 0, 0, 0, 0), "tiocsti": sc(16, 0, 0x5412, b), "tiocgwinsz": sc(16, 3, 0x5413, b),
    "setown": sc(72, 3, 8, pp), "setsig": sc(72, 3, 10, 9), "dupfd": sc(72, 3, 0, 10), "setfl": sc(72, 3, 4, 0x2000), "setlk": sc(72, 3, 6, b)}
    return {k: v for k, v in d.items() if v[0] >= 0}"""

RAW_CALLS = [
    python("7 raw system calls", CALL + _X86_CALLS, result_is({}), "server", "parent"),
] if os.uname().machine == "x86_64" else []  # fmt: skip

NATIVE = [
    python("8 executable memory", CALL + '''
def main():
    import mmap
    page = mmap.mmap(-1, 4096)
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    libc = ctypes.CDLL(None, use_errno=True)
    protect = lambda prot: (libc.mprotect(ctypes.c_void_p(address), 4096, prot) == 0) or 1 / 0
    return {"map": t(mmap.mmap, -1, 4096, prot=7), "protect": t(protect, 7), "only": t(protect, 4), "both": t(protect, 5)}''',
        nothing_worked),
    python("8 code in a data page", CALL + '''
def main():
    page = ctypes.create_string_buffer(b"\\xc3" * 4096)
    ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(page))()
    return {"ran": 1}''', fails_with("crashed (SIGSEGV)")),
    python("8 x32 system call", CALL + "\ndef main(): return {'r': sc(0x40000000 | 39)}",
        fails_with("called the kernel in a way")),
    python("8 i386 system call", "def main():\n    import evil\n    return {'pid': evil.i386_getpid()}",
        fails_with("called the kernel in a way")),
] if os.uname().machine == "x86_64" else []  # fmt: skip

DESCRIPTORS = [
    python("9 open descriptors", TRY + '''
def main():
    found = {}
    for number in range(1100):
        try: found[str(number)] = oct(os.fstat(number).st_mode)
        except OSError: pass
    return {"open": sorted(found)}''', result_is({"open": ["0", "1", "2", "3"]})),
    python("9 writing to others' descriptors", TRY + '''
def main(): return {str(f): t(os.write, f, b"Kxxxx") for f in range(4, 64)}''', every_value_has("Bad file descriptor")),
]  # fmt: skip

MEMORY = [
    python("10 searching the interpreter for secrets", TRY + '''
import gc, inspect
def main(mark):
    word = mark[::-1]
    hits = []
    for o in gc.get_objects():
        try:
            text = str(o)[:20000] if isinstance(o, (dict, list, tuple, set)) else repr(o)
            if word in text and "hits" not in text: hits.append(text[:80])
        except Exception: pass
    frame = sys._getframe(); names = []
    while frame: names.append(frame.f_code.co_name); frame = frame.f_back
    return {"hits": hits, "environment": dict(os.environ), "argv": sys.argv, "orig": sys.orig_argv,
        "jikko": [name for name in sys.modules if name.startswith("jikko")]}''',
        result_is({"hits": [], "environment": {}, "argv": [""], "orig": [], "jikko": []}), "mark"),
    python("10 the raw environment", CALL + '''
def main():
    p = ctypes.POINTER(ctypes.c_char_p).in_dll(L, "environ"); found = []; i = 0
    while p and p[i]: found.append(p[i].decode()); i += 1
    return {"environment": found}''', result_is({"environment": []})),
    python("10 scanning writable memory for secrets", CALL + '''
def main(mark):
    word = mark[::-1].encode()
    libc = ctypes.CDLL(None); start = int.from_bytes(bytes(ctypes.c_void_p(id(object()))), "little")
    found = 0
    for at in range(start & ~0xfffff, (start & ~0xfffff) + 0x100000, 4096):
        ctypes.set_errno(0)
        if os.write.__call__(1, b"") == 0:
            try: found += word in ctypes.string_at(at, 4096)
            except Exception: pass
    return {"found": found}''', lambda o: o.result == {"found": 0} or "crashed" in o.error, "mark"),
    python("10 poisoning the next run", '''
import json, builtins, os, sys, re, linecache
json.dumps = lambda *a, **k: "{}"
builtins.len = lambda x: 0
os.environ["POISON"] = "1"
re.compile = None
sys.modules["math"] = None
def main(): return {"a": 1}''', lambda o: bool(o.error) or o.result == {"a": 1}),
    python("10 finding poison of an earlier run", '''
import json, os, sys, re, math
def main(): return {"d": json.dumps([1]), "l": len("abc"), "e": dict(os.environ), "r": re.compile("a").pattern, "m": math.pi > 3}''',
        result_is({"d": "[1]", "l": 3, "e": {}, "r": "a", "m": True})),
]  # fmt: skip

EXHAUSTION = [
    python("11 ten gigabytes at once", TRY + "\ndef main(): return {'r': t(bytearray, 10**10)}", every_value_has("MemoryError")),
    python("11 growing without end", "def main():\n    x = []\n    while True: x.append(bytearray(1 << 20))", memory),
    python("11 growing in small pieces", "def main():\n    x = []\n    while True: x.append(x[:] + [1.5])", memory),
    python("11 huge lists and strings", TRY + "\ndef main(): return {'a': t(lambda: [0] * 10**10), 'b': t(lambda: 'a' * 10**11)}",
        every_value_has("MemoryError")),
    python("11 mapping eight gigabytes", TRY + "\ndef main():\n    import mmap\n    return {'a': t(mmap.mmap, -1, 8 << 30)}", nothing_worked),
    python("11 recursion", "import sys\nsys.setrecursionlimit(10**9)\ndef f(n): return f(n + 1)\ndef main(): f(0)",
        fails_with("memory limit", "crashed", "wall time", "RecursionError")),
    python("11 recursion in native code", '''
import sys
sys.setrecursionlimit(10**9)
class A:
    def __getattr__(self, name): return getattr(self, name + "x")
def main(): repr(A().y)''', fails_with("memory limit", "crashed", "wall time", "RecursionError", "SystemError")),
    python("11 endless loop", "def main():\n    while True: pass", wall),
    python("11 sleep", "import time\ndef main(): time.sleep(1e6)", wall),
    python("11 catastrophic regular expression", "import re\ndef main(): return {'r': bool(re.match(r'(a+)+$', 'a' * 50 + 'b'))}", wall),
    python("11 huge power", "def main(): return {'r': (10 ** 10 ** 8) % 7}", fails_with("wall time limit", "memory limit")),
    python("11 ignoring signals and exceptions", '''
import signal
def main():
    for number in range(1, 65):
        try: signal.signal(number, signal.SIG_IGN)
        except Exception: pass
    while True:
        try:
            while True: pass
        except BaseException: pass''', wall),
    python("11 many descriptors", TRY + "\ndef main(): return {'n': t(lambda: [os.dup(3) for _ in range(9)])}", nothing_worked),
    python("11 zip bomb", '''
import zlib
def main():
    data = zlib.compress(bytes(1 << 24)) * 1
    return {"n": len(zlib.decompress(zlib.compress(bytes(1 << 28))))}''', memory),
]  # fmt: skip

FRAME = 'import os\ndef send(b, block=0):\n    os.write(3, len(b).to_bytes(4, "big") + block.to_bytes(4, "big") + b)\n'

OUTPUT = [
    # More than fits into a program's memory. A gigabyte would take a minute on a busy machine.
    python("12 64 MB printed", "def main():\n    for i in range(64): print('x' * (1 << 20))\n    return {'ok': 1}", result_is({"ok": 1})),
    python("12 a gigabyte written to 1 and 2", "import os\ndef main():\n    b = b'x' * (1 << 20)\n    for i in range(512): os.write(1, b); os.write(2, b)\n    return {'ok': 1}", result_is({"ok": 1})),
    python("12 a flood on the connection", 'import os\ndef main():\n    while True: os.write(3, b"\\xff" * (1 << 20))', output),
    python("12 a flood of announced length", FRAME + 'def main():\n    b = b"[" * (1 << 20)\n    send(b, 1 << 20)\n    while True: os.write(3, b)',
        fails_with("not JSON", "deep", "not a JSON object", "more than 200000 elements")),
    python("12 a slow drip", FRAME + 'import time\ndef main():\n    os.write(3, bytes([0, 0, 16, 0, 0, 0, 0, 0]) + b"{")\n    while True: os.write(3, b" "); time.sleep(.01)',
        fails_with("wall time limit", "not JSON")),
    python("12 a result of 5 MB", "def main(): return {'r': 'x' * (5 << 20)}", output),
    python("12 a reply that is not JSON", FRAME + 'def main():\n    send(b"abc"); os._exit(0)', fails_with("not JSON")),
    python("12 a reply that is not UTF-8", FRAME + 'def main():\n    send(b"{\\"ok\\": {\\"a\\": \\"\\xff\\"}}"); os._exit(0)', fails_with("not JSON")),
    python("12 a reply nested 100,000 deep", FRAME + 'def main():\n    send(b"[" * 100000); os._exit(0)', fails_with("deep")),
    python("12 a reply nested 900 deep", FRAME + 'def main():\n    send(b"{\\"ok\\":{\\"a\\":" + b"[" * 900 + b"]" * 900 + b"}}"); os._exit(0)', fails_with("deep")),
    python("12 a result nested 900 deep", "def main():\n    x = []\n    for _ in range(900): x = [x]\n    return {'r': x}", fails_with("deep")),
    python("12 a number of 5,000 digits", FRAME + 'def main():\n    send(b"{\\"ok\\": {\\"n\\": " + b"9" * 5000 + b"}}"); os._exit(0)', fails_with("digits")),
    python("12 a list for a reply", FRAME + 'def main():\n    send(b"[NaN]"); os._exit(0)', fails_with("not a JSON object")),
    python("12 a text for a result", FRAME + 'def main():\n    send(b"{\\"ok\\": \\"x\\"}"); os._exit(0)', fails_with("not an object")),
    python("12 an empty reply", FRAME + 'def main():\n    send(b"{}"); os._exit(0)', fails_with("not an object")),
    python("12 an error of a made-up kind", FRAME + 'def main():\n    send(b"{\\"error\\": {\\"a\\": 1}, \\"kind\\": [1]}"); os._exit(0)',
        fails_with("a", kind="CodeExecutionError")),
    python("12 a length of 0xffffffff", 'import os\ndef main():\n    os.write(3, b"\\xff" * 8)\n    while True: pass', output),
    python("12 a block of 0xffffffff", 'import os\ndef main():\n    os.write(3, bytes(4) + b"\\xff" * 4)\n    while True: pass', output),
    python("12 half surrogates in keys and values", FRAME + 'def main():\n    send(b\'{"ok": {"\\\\ud800": "\\\\udfff", "p": "\\\\ud83d\\\\ude00"}}\'); os._exit(0)',
        result_is({"\ufffd": "\ufffd", "p": "😀"})),
    python("12 a right reply, then an endless loop", FRAME + 'def main():\n    send(b\'{"ok":{"a":1}}\')\n    while True: pass', result_is({"a": 1})),
    python("12 closing everything, then ending", "import os\ndef main(): os.closerange(0, 100)", fails_with("ended its process", "crashed", "closed the connection")),
    python("12 closing everything, then an endless loop", "import os\ndef main():\n    os.closerange(0, 100)\n    while True: pass",
        # Which limit ends it is a race: all three are right.
        fails_with("closed the connection", "wall time limit", "CPU time limit")),
]  # fmt: skip

ENDINGS = [
    python("13 sys.exit", "import sys\ndef main(): sys.exit(0)", fails_with("SystemExit")),
    python("13 exit()", "def main(): exit()", fails_with("SystemExit")),
    python("13 os._exit", "import os\ndef main(): os._exit(7)", fails_with("exit code 7")),
    python("13 os.abort", "import os\ndef main(): os.abort()", fails_with("crashed", "ended its process")),
    python("13 a null pointer", "import ctypes\ndef main(): ctypes.string_at(0)", fails_with("crashed (SIGSEGV)")),
    python("13 an exception outside of main", "x = 1 / 0\ndef main(): pass", fails_with("ZeroDivisionError: division by zero (line 1)")),
    python("13 an exception that cannot be printed", "class E(Exception):\n    def __str__(self): raise E()\ndef main(): raise E()", fails_with("E")),
    python("13 a base exception", "def main(): raise KeyboardInterrupt('x')", fails_with("KeyboardInterrupt")),
    python("13 an exception of a megabyte", "def main(): raise ValueError('x' * (1 << 20))", lambda o: 4000 < len(o.error) < 5100),
]  # fmt: skip

JAVASCRIPT = [
    Attack("14 endless loop", "javascript", "function main(){ while (true) {} }", wall),
    Attack("14 endless promises", "javascript", "function main(){ const f = () => queueMicrotask(f); f(); return {} }", wall),
    Attack("14 endless timers", "javascript", "function main(){ setInterval(() => {}, 1); return {} }", wall),
    Attack("14 memory", "javascript", "function main(){ let x = []; while (true) x.push(new Array(1000).fill('a')) }", memory),
    Attack("14 memory in small pieces", "javascript", "function main(){ let x = []; while (true) x.push([...Array(10).keys()]) }", memory),
    Attack("14 memory in keys", "javascript", "function main(){ let o = {}; for (let i = 0; ; i++) o['k' + i] = i }", memory),
    Attack("14 throwing null", "javascript", "function main(){ throw null }", fails_with("null", kind="CodeExecutionError")),
    Attack("14 throwing what has no text", "javascript", "function main(){ throw {toString() { throw 1 }} }", fails_with("cannot be turned into text")),
    Attack("14 typed memory", "javascript", "function main(){ let x = []; while (true) x.push(new Uint8Array(1 << 24).fill(1)) }",
        fails_with("memory limit", "RangeError")),
    Attack("14 stack", "javascript", "function main(){ return main() }", fails_with("Maximum call stack", "overflow")),
    Attack("14 big output", "javascript", "function main(){ return {r: 'x'.repeat(5 << 20)} }", output),
    Attack("14 regular expression", "javascript", "function main(){ return {r: /^(a+)+$/.test('a'.repeat(40) + 'b')} }", wall),
    Attack("14 globals of a host", "javascript", "function main(){ return {g: Object.getOwnPropertyNames(globalThis).filter(x => /process|std|^os$|fetch|Deno|load|print|advice|seed/i.test(x))} }", result_is({"g": []})),
    Attack("14 import()", "javascript", "async function main(){ return {m: await import('fs')} }", fails_with("", kind="CodeExecutionError")),
    Attack("14 require", "javascript", "function main(){ return {m: require('fs')} }", fails_with("Document Extractor node")),
    Attack("14 the function constructor", "javascript", "function main(){ return {t: Function('return typeof std + typeof os')()} }",
        result_is({"t": "undefinedundefined"})),
    Attack("14 replacing JSON", "javascript", "JSON.stringify = () => 5; JSON.parse = () => 6; function main(){ return {a: 1} }", result_is({"a": 1})),
    Attack("14 a result that lies about its JSON", "javascript", "function main(){ return {toJSON() { return [1] }} }", fails_with("must return an object")),
]  # fmt: skip

JINJA = [
    Attack("14 nested ranges", "jinja2", "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}", wall),
    Attack("14 one huge range", "jinja2", "{% for i in range(10**12) %}{% endfor %}", wall),
    Attack("14 a gigabyte when compiled", "jinja2", "{{ ('a' * 10**9)|length }}", memory),
    Attack("14 doubling", "jinja2", "{% set n = namespace(s='a' * 1000) %}{% for i in range(60) %}{% set n.s = n.s ~ n.s %}{% endfor %}", memory),
    Attack("14 big output", "jinja2", "{{ 'a' * 5000000 }}", output),
    Attack("14 exploding macro", "jinja2", "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
        fails_with("wall time limit", "memory limit")),
    Attack("14 wide format", "jinja2", "{{ '{:>10000000000}'.format(1) }}", fails_with("memory limit", "Overflow", "ValueError")),
    Attack("14 indent", "jinja2", "{{ ('a\\n' * 100000)|indent(1000000) }}", fails_with("wall time limit", "memory limit")),
    Attack("14 globals of a method", "jinja2", "{{ cycler.__init__.__globals__.os.popen('id').read() }}", fails_with("SecurityError")),
    Attack("14 classes", "jinja2", "{{ ''.__class__.__mro__[1].__subclasses__() }}", fails_with("SecurityError")),
    Attack("14 attr filter", "jinja2", "{{ (''|attr('__class__'))|attr('__mro__') }}", lambda o: "SecurityError" in o.error or o.result == ""),
    Attack("14 format string", "jinja2", "{{ '{0.__class__.__init__}'.format(1) }}", lambda o: "SecurityError" in o.error or "object" not in str(o.result)),
    Attack("14 include", "jinja2", "{% include '/etc/passwd' %}", fails_with("no loader for this environment")),
    Attack("14 import", "jinja2", "{% import 'os' as os %}{{ os }}", fails_with("no loader for this environment")),
]  # fmt: skip

ALL = [
    *NETWORK, *FILES, *PROCESSES, *RAW_CALLS, *NATIVE, *DESCRIPTORS, *MEMORY, *EXHAUSTION, *OUTPUT, *ENDINGS, *JAVASCRIPT, *JINJA,
]  # fmt: skip
