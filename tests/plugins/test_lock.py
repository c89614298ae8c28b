"""Restrictions of a locked process, tried from inside: as run here, and as an unprivileged user."""

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jikko.locks.calls import landlock_abi
from jikko.plugins.process import confine
from jikko.plugins.process.plugin_launch import Lock, make_state
from jikko.plugins.process.sockets import sockets_offered

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux locks")
UID = 64_900
ATTEMPTS = """
import json, os, socket, subprocess, sys
given = json.loads(sys.argv[1])
def tried(attempt):
    try:
        return [True, str(attempt())[:200]]
    except BaseException as error:
        return [False, f"{type(error).__name__}: {error}"[:200]]
def connect(port):
    with socket.create_connection(("127.0.0.1", port), timeout=60) as made:
        return made.recv(2)
def bind():
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        made.listen()
def unix(name):
    with socket.socket(socket.AF_UNIX) as made:
        made.connect(name)
def udp():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.sendto(b"x", ("127.0.0.1", 9))
def memory():
    return len(bytearray(3 << 30))
def mapped(flags):
    import mmap
    return len(mmap.mmap(-1, 3 << 30, flags=flags))
def stack():
    import resource
    resource.setrlimit(resource.RLIMIT_STACK, (3 << 30, 3 << 30))
print(json.dumps({
    "read passwd": tried(lambda: open("/etc/passwd").read()),
    "read the server": tried(lambda: open(given["secret"]).read()),
    "read the server's environment": tried(lambda: open(f"/proc/{given['server']}/environ").read()),
    "list the root": tried(lambda: os.listdir("/")),
    "write outside": tried(lambda: open(given["outside"], "w").write("x")),
    "write code": tried(lambda: open(__file__, "a").write("x")),
    "write state": tried(lambda: open(given["state"] + "/home/x", "w").write("x")),
    "delete outside": tried(lambda: os.unlink(given["secret"])),
    "signal the server": tried(lambda: os.kill(given["server"], 0)),
    "connect elsewhere": tried(lambda: connect(given["closed"])),
    "connect to the gate": tried(lambda: connect(given["gate"])),
    "listen": tried(bind),
    "unix socket": tried(lambda: unix(given["unix"])),
    "abstract socket": tried(lambda: unix("\\0jikko-test")),
    "udp": tried(udp),
    "raw socket": tried(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)),
    "netlink": tried(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)),
    "descriptors": [False, sorted(int(n) for n in os.listdir("/proc/self/fd"))[3:-1]],
    "environment": [False, sorted(os.environ)],
    "become root": tried(lambda: os.setuid(0) if os.getuid() else 1 / 0),
    "chroot": tried(lambda: os.chroot(".")),
    "unshare": tried(lambda: os.unshare(0x10000000)),
    "a program": tried(lambda: subprocess.run(["/bin/sh", "-c", "cat /etc/passwd"], check=True, stderr=-3)),
    "a harmless program": tried(lambda: subprocess.run(["/bin/sh", "-c", "exit 0"], check=True)),
    "memory": tried(memory),
    "memory that is shared": tried(lambda: mapped(0x21)),
    "memory that grows": tried(lambda: mapped(0x122)),
    "memory in a file without a name": tried(lambda: os.truncate(os.memfd_create("x"), 3 << 30)),
    "a stack": tried(stack),
    "user": [False, list(os.getresuid())],
}))
"""
REFUSED = (
    "read passwd", "read the server", "read the server's environment", "list the root", "write outside", "write code",
    "delete outside", "connect elsewhere", "listen", "unix socket", "abstract socket", "udp", "raw socket", "netlink",
    "become root", "chroot", "unshare", "a program", "memory",
    "memory that is shared", "memory that grows", "memory in a file without a name", "a stack",
)  # fmt: skip
ALLOWED = ("write state", "connect to the gate", "a harmless program")


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that every user may enter: that of pytest may be root's only."""
    made = Path(tempfile.mkdtemp(prefix="jikko-lock-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def doors() -> Iterator[tuple[int, int]]:
    """Two ports that answer: the gate's, and another."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    process = os.fork()
    if not process:  # a process of its own, which answers both
        import selectors

        wait = selectors.DefaultSelector()
        for each in sockets:
            wait.register(each, selectors.EVENT_READ)
        while True:
            for key, _ in wait.select():
                key.fileobj.accept()[0].sendall(b"ok")  # type: ignore[union-attr]
    ports = sockets[0].getsockname()[1], sockets[1].getsockname()[1]
    yield ports
    os.kill(process, 9)
    os.waitpid(process, 0)
    for each in sockets:
        each.close()


def interpreter(plain: bool) -> str:
    """A Python that the user may execute: root's own may stand in a folder of root."""
    own = Path(sys.executable).resolve()
    if plain and os.geteuid() == 0 and not all(folder.stat().st_mode & 0o001 for folder in own.parents):
        return "/usr/bin/python3"
    return sys.executable


def attempts(
    place: Path, doors: tuple[int, int], *, uid: int, plain: bool, **lock: Any
) -> tuple[int, dict[str, Any], str]:
    """Run the attempts in a locked process; as a plain user all of it, the server too."""
    (place / "code").mkdir()
    program = place / "code" / "attempts.py"
    program.write_text(ATTEMPTS)
    secret = place / "secret"
    secret.write_text("the server's")
    make_state(place / "state", uid)
    if plain and os.geteuid() == 0:
        for path in [place, *place.rglob("*")]:
            os.chown(path, UID + 1, UID + 1)
    given = {
        "secret": str(secret), "outside": str(place / "new"), "state": str(place / "state"), "gate": doors[0],
        "closed": doors[1], "unix": str(place / "unix"), "server": os.getpid(),
    }  # fmt: skip
    identity: dict[str, Any] = (
        {"user": UID + 1, "group": UID + 1, "extra_groups": []} if plain and os.geteuid() == 0 else {}
    )
    with socket.socket(socket.AF_UNIX) as listening, open(secret) as _inherited:
        listening.bind(str(given["unix"]))
        listening.listen()
        python = interpreter(plain)

        async def run() -> tuple[int, bytes, bytes]:
            with sockets_offered() as asks:
                settings = Lock(
                    read=(place / "code",), write=(place / "state",), ports=(doors[0],), sockets=asks, uid=uid, **lock
                )
                _, *command = settings.command([python, "-I", "-S", str(program), json.dumps(given)])
                os.set_inheritable(asks, True)
                pipe = asyncio.subprocess.PIPE
                process = await asyncio.create_subprocess_exec(
                    python, *command, stdout=pipe, stderr=pipe, env={"KEPT": "1"}, close_fds=False, cwd=place / "code",
                    **identity,
                )  # fmt: skip
                out, errors = await asyncio.wait_for(process.communicate(), 60)
            assert process.returncode is not None
            return process.returncode, out, errors

        status, out, errors = asyncio.run(run())
    seen = json.loads(out) if out.strip().startswith(b"{") else {}
    return status, seen, errors.decode()


@pytest.mark.parametrize(
    ("uid", "plain"), [(0, False), (UID, False), (0, True)], ids=["as it is", "own user", "plain user"]
)
def test_what_is_not_its_business_is_refused_and_what_it_needs_is_not(
    place: Path, doors: tuple[int, int], uid: int, plain: bool
) -> None:
    status, seen, output = attempts(place, doors, uid=uid, plain=plain)
    assert status == 0, output
    succeeded = {name for name, (done, _) in seen.items() if done}
    # As root without a user of its own it owns its folder as the server does.
    assert succeeded & set(REFUSED) == set(), {name: seen[name] for name in succeeded & set(REFUSED)}
    assert succeeded >= set(ALLOWED) - ({"write state"} if uid and os.geteuid() else set()), seen
    assert seen["descriptors"][1] == []
    assert set(seen["environment"][1]) <= {"KEPT", "LC_CTYPE"}
    if uid and os.geteuid() == 0:
        assert seen["user"][1] == [uid] * 3
        assert not seen["signal the server"][0]
    if landlock_abi() >= 6:
        assert not seen["signal the server"][0]


@pytest.mark.parametrize("abi", range(1, 8))
def test_files_are_locked_whatever_the_version_of_landlock(place: Path, doors: tuple[int, int], abi: int) -> None:
    status, seen, output = attempts(place, doors, uid=0, plain=False, abi=abi)
    assert status == 0, output
    for name in ("read passwd", "read the server", "write outside", "write code", "udp", "unix socket", "a program"):
        assert not seen[name][0], name
    assert seen["connect elsewhere"][0] == (abi < 4)


def test_a_kernel_without_landlock_is_refused_with_what_to_do(place: Path, doors: tuple[int, int]) -> None:
    status, seen, output = attempts(place, doors, uid=0, plain=False, abi=0)
    assert status == confine.STATUS
    assert seen == {}
    assert "this kernel has no Landlock" in output
    assert "JIKKO_PLUGINS_CONFINE=off" in output


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("seccomp", "seccomp refused the filter"),
        ("capset", "capabilities cannot be given up"),
        ("close_range", "close_range failed"),
        ("prctl", "the death signal cannot be set"),
        ("landlock_restrict_self", "refused its rules"),
        ("landlock_add_rule", "refused its rules"),
    ],
)
def test_a_lock_that_fails_ends_the_process(place: Path, broken: str, said: str) -> None:
    """Fail closed: a call that the kernel refuses is as if there were none."""
    make_state(place / "state", 0)
    change = f"""
import errno, jikko.locks.calls, jikko.plugins.process.confine as confine
real = jikko.locks.calls.system_call
def system_call(name, *arguments):
    if name == {broken!r}:
        raise OSError(errno.EPERM, "no")
    return real(name, *arguments)
jikko.locks.calls.system_call = confine.system_call = system_call
main()
"""
    lock = Lock(read=(), write=(place / "state",), ports=())
    *flags, program, settings, command = lock.command(["/bin/true"])
    changed = [*flags, program.replace("main()\n", change), settings, command]
    done = subprocess.run(changed, capture_output=True, timeout=60)
    assert done.returncode == confine.STATUS
    assert said.encode() in done.stderr


def test_it_does_not_start_once_the_server_is_gone(place: Path) -> None:
    lock = Lock(read=(), write=(place,), ports=())
    *program, settings, command = lock.command(["/bin/true"])
    changed = json.dumps({**json.loads(settings), "parent": 1})
    done = subprocess.run([*program, changed, command], capture_output=True, timeout=60)
    assert done.returncode == confine.STATUS
    assert b"the parent process is gone" in done.stderr
