"""A locked plugin that attacks: the network, the server, another plugin. As root, and all as one plain user."""

import errno
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import jikko
from jikko.locks.numbers import numbers
from jikko.plugins.process.allowed import ALLOWED, ATTRIBUTES, EPOLL, REFUSED, SIGNALS
from tests.plugins.test_lock import UID, interpreter

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux locks")
HERE = Path(__file__).parent
LAST = 475
BY_ARGUMENT = (
    "clone", "fcntl", "ioctl", "memfd_create", "mmap", "open", "openat", "prctl", "prlimit64", "sched_setaffinity",
    "sendmmsg", "sendmsg", "sendto", "setsid", "setsockopt", "socket", "socketpair",
)  # fmt: skip
PAST_FILTERS = {335, 336} if os.uname().machine == "x86_64" else set()
"""The kernel lets these past every filter, for its own tracing."""

CODES = {
    "another protocol over TCP": errno.ENOPROTOOPT,
    "have signals sent": errno.EINVAL,
    "signals of a socket to the server": errno.ENOTTY,
    "open as a descriptor": errno.ENOSYS,
    "a call of i386": errno.ENOSYS,
    "a call of x32": errno.ENOSYS,
    "a namespace by clone3": errno.ENOSYS,
    "io_uring": errno.ENOSYS,
    "watch a folder of the server": errno.ENOSYS,
    "an attribute of a file of the server": errno.EOPNOTSUPP,
    **dict.fromkeys(("bind", "listen", "connect", "connect by fast open, as an option"), errno.EACCES),
    **dict.fromkeys(("connections of this machine", "connections by its own folder"), errno.EACCES),
    **dict.fromkeys(("connections by its thread", "the server's command", "the server's limits"), errno.EACCES),
    **dict.fromkeys(("the server's memory", "the server's descriptors"), errno.EACCES),
    **dict.fromkeys((f"connect by fast open: send{which}" for which in ("to", "msg", "mmsg")), errno.EOPNOTSUPP),
    **dict.fromkeys(("connect by MPTCP", "SCTP", "SMC"), errno.EPROTONOSUPPORT),
    **dict.fromkeys(("IPv6", "netlink", "a packet socket", "a socket of the virtual machine"), errno.EAFNOSUPPORT),
    **dict.fromkeys(("a Unix socket", "a Unix socket without a name"), errno.EAFNOSUPPORT),
}
"""Where it is not ``EPERM``."""
WORKS = (
    "lower a limit", "set the affinity", "set the scheduler", "set attributes of the scheduler", "set the priority",
    "signal", "have signals sent",
)  # fmt: skip
WORKS_ALSO = (
    "connect by fast open, as an option",
    "connect", "connect by fast open: sendto", "connect by fast open: sendmsg", "connect by fast open: sendmmsg",
    "a Unix socket", "a datagram to a Unix socket", "bind", "listen", "connections of this machine", 
    "the server's command", "a sibling", "watch a folder of the server", "empty a file of the server",
    "the mode of a file of the server", "the times of a file of the server", "the mode by a descriptor",
)  # fmt: skip


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that every user may enter: that of pytest may be root's only."""
    made = Path(tempfile.mkdtemp(prefix="jikko-attack-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


def attacked(place: Path, *, uid: int = 0, plain: bool = False, abi: int = 99, confine: bool = True) -> dict[str, Any]:
    """Have a server attacked. As root it is root's, with plugins that have users of their own if ``uid`` says so."""
    identity: dict[str, Any] = {}
    (place / "server").mkdir()
    (place / "code").mkdir()
    (place / "server" / "data").write_text("the server's")
    (place / "code" / "readable").write_text("the code")
    shutil.copy(HERE / "attacks.py", place / "code")
    if plain and os.geteuid() == 0:
        identity = {"user": UID + 1, "group": UID + 1, "extra_groups": []}
        for path in [place, *place.rglob("*")]:
            os.chown(path, UID + 1, UID + 1)
    python = interpreter(plain)
    given = {
        "place": str(place), "uid": uid, "python": python, "abi": abi, "confine": confine,
        "program": str(place / "code" / "attacks.py"),
        "known": {"numbers": numbers(), "sweep": [] if not confine else swept()},
    }  # fmt: skip
    done = subprocess.run(
        [python, str(HERE / "attacked.py"), json.dumps(given)],
        capture_output=True,
        env={"PYTHONPATH": str(Path(jikko.__file__).parents[1]), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=place,
        timeout=120,
        check=False,
        **identity,
    )
    assert done.returncode == 0, done.stderr.decode()
    seen: dict[str, Any] = json.loads(done.stdout)
    assert seen["attacker"] == 0, seen["errors"]
    return seen


def swept() -> list[int]:
    """All numbers but those of calls that are allowed, if to some users only."""
    named = numbers()
    allowed = {named[name] for name in (*ALLOWED, *BY_ARGUMENT, *ATTRIBUTES, *SIGNALS, EPOLL) if name in named}
    return [number for number in range(LAST) if number not in allowed | PAST_FILTERS]


def legs(*more: Any) -> pytest.MarkDecorator:
    """As root (or as the user that runs the tests), with a user for each plugin, and as one plain user."""
    return pytest.mark.parametrize(
        ("uid", "plain", "abi"),
        [(0, False, 99), (UID, False, 99), (0, True, 99), *more],
        ids=["as it is", "own user", "plain user", *(f"plain user, Landlock {abi}" for *_, abi in more)],
    )


@legs((0, True, 5), (0, True, 4))
def test_every_attack_is_refused_and_nothing_has_changed(place: Path, uid: int, plain: bool, abi: int) -> None:
    seen = attacked(place, uid=uid, plain=plain, abi=abi)
    tried = seen["tried"]
    quiet = {"the mode of a file of the server", "the times of a file of the server", "the mode by a descriptor"}
    own = uid != 0 and os.geteuid() == 0
    wrong = {
        name: code if isinstance(code, str) else errno.errorcode.get(code, code)
        for name, code in tried.items()
        if (name not in quiet or own) and code != CODES.get(name, CODES.get(name.partition(":")[0], errno.EPERM))
    }
    if own:  # the kernel's own answer
        wrong = {name: code for name, code in wrong.items() if code in ("done", 0)}
    assert wrong == {}
    assert seen["before"] == seen["after"]
    assert seen["reached"] == []
    assert seen["second"] == 0


@legs()
def test_a_sweep_over_all_numbers_finds_nothing_else(place: Path, uid: int, plain: bool, abi: int) -> None:
    seen = attacked(place, uid=uid, plain=plain, abi=abi)
    named = {number: name for name, number in numbers().items()}
    expected = {
        str(number): REFUSED.get(named.get(number, ""), errno.EPERM if number <= 448 else errno.ENOSYS)
        for number in swept()
    }
    assert seen["sweep"] == expected


@pytest.mark.parametrize("plain", [False, True], ids=["as it is", "plain user"])
def test_without_the_lock_the_attacks_work(place: Path, plain: bool) -> None:
    seen = attacked(place, plain=plain, confine=False)
    works = {*WORKS_ALSO, *(f"{name}: {whose}" for name in WORKS for whose in ("the server", "another plugin"))}
    failed = {name: os.strerror(code) for name in works if (code := seen["tried"][name]) != "done"}
    assert failed == {}
    assert seen["before"]["server"] != seen["after"]["server"]
    assert seen["before"]["plugin"] != seen["after"]["plugin"]
    assert seen["before"]["file"] != seen["after"]["file"]
    assert seen["reached"] == ["tcp", "datagram"]
