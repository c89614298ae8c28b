"""Sockets that a locked plugin is given: they work as its own would, and reach this machine only."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import jikko
from jikko.plugins.process.plugin_launch import Lock, make_state
from jikko.plugins.process.sockets import sockets_offered
from tests.plugins.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(sys.platform != "linux", reason="Linux locks")]

BEGINNING = """
import errno, json, os, resource, socket, sys, threading, time
port = int(sys.argv[1])
def error(act):
    try:
        act()
    except OSError as failure:
        return errno.errorcode[failure.errno]
    return "none"
"""


@asynccontextmanager
async def started(place: Path, code: str, *, port: int = 1) -> AsyncIterator[asyncio.subprocess.Process]:
    """A locked process that runs code."""
    make_state(place / "state", 0)
    with sockets_offered() as asks:
        lock = Lock(read=(), write=(place / "state",), ports=(port,), sockets=asks)
        command = lock.command([sys.executable, "-I", "-S", "-c", BEGINNING + code, str(port)])
        pipe = asyncio.subprocess.PIPE
        yield await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, pass_fds=[asks])


async def tried(place: Path, code: str, *, port: int = 1) -> Any:
    """What code says about its sockets, from a locked process."""
    async with started(place, code, port=port) as process:
        out, _ = await process.communicate()
    return json.loads(out)


async def test_a_socket_is_as_it_was_asked_for(tmp_path: Path) -> None:
    code = """
kinds = [socket.SOCK_STREAM, socket.SOCK_STREAM | socket.SOCK_NONBLOCK]
made = [socket.socket(socket.AF_INET, kind, protocol) for kind in kinds for protocol in (0, 6)]
seen = [[os.get_blocking(each.fileno()), os.get_inheritable(each.fileno()), each.fileno()] for each in made]
print(json.dumps(seen))
"""
    assert await tried(tmp_path, code) == [[True, False, 3], [True, False, 4], [False, False, 5], [False, False, 6]]


async def test_it_connects_to_the_gate_and_children_get_theirs(tmp_path: Path) -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write("門".encode())
        writer.close()

    code = """
def read():
    with socket.create_connection(("127.0.0.1", port)) as made:
        return made.makefile().read()
reading, writing = os.pipe()
if not os.fork():
    os.write(writing, read().encode())
    os._exit(0)
os.wait()
print(json.dumps([read(), os.read(reading, 100).decode()]))
"""
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as gate:
        assert await tried(tmp_path, code, port=gate.sockets[0].getsockname()[1]) == ["門", "門"]


async def test_it_stays_on_the_loopback_device(tmp_path: Path) -> None:
    code = """
made = socket.socket()
change = lambda name: error(lambda: made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, name))
changes = [change(b""), change(b"eth0"), change(b"lo")]
print(json.dumps([made.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16).decode(), changes]))
"""
    assert await tried(tmp_path, code) == ["lo\0", ["EPERM"] * 3]


async def test_the_limit_of_descriptors_holds(tmp_path: Path) -> None:
    code = """
resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))
made = []
print(json.dumps([error(lambda: [made.append(socket.socket()) for _ in range(30)]), len(made)]))
"""
    assert await tried(tmp_path, code) == ["EMFILE", 17]


async def test_who_asks_without_end_is_given_a_thousand_in_a_second(tmp_path: Path) -> None:
    code = """
counts = []
def ask(until):
    count = 0
    while not count or time.monotonic() < until:
        socket.socket().close()
        count += 1
    counts.append(count)
began = time.monotonic()
threads = [threading.Thread(target=ask, args=(began + 1,)) for _ in range(20)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(json.dumps([sum(counts), time.monotonic() - began]))
"""
    count, seconds = await tried(tmp_path, code)
    assert 20 <= count <= 1000 * seconds + 20


async def test_descriptors_that_a_plugin_keeps_on_their_way_keep_no_other_from_its_sockets(tmp_path: Path) -> None:
    code = """
pairs = []
def keep():
    while True:
        pairs.append(socket.socketpair())
        socket.send_fds(pairs[-1][0], [b"x"], [0] * 250)
print(error(keep), flush=True)
input()
"""
    async with started(tmp_path / "first", code) as first:
        assert first.stdout is not None
        assert await first.stdout.readline() == b"ETOOMANYREFS\n"
        assert await tried(tmp_path / "second", "print(json.dumps(error(socket.socket)))") == "none"
        await first.communicate(b"\n")


async def test_where_memory_runs_out_it_ends_before_the_server(tmp_path: Path) -> None:
    def readiness(process: int) -> int:
        return int(Path(f"/proc/{process}/oom_score_adj").read_text())

    async with started(tmp_path, "print(flush=True); input()") as process:
        assert process.stdout is not None
        await process.stdout.readline()
        assert readiness(process.pid) > readiness(os.getpid())
        await process.communicate(b"\n")


async def test_the_server_works_while_a_process_is_slow_to_take_its_socket(tmp_path: Path) -> None:
    code = """
print(flush=True)
input()
times = []
while sum(got - asked for asked, got in times) < 1:
    asked = time.monotonic()
    socket.socket().close()
    times.append([asked, time.monotonic()])
print(json.dumps(times), flush=True)
"""
    turns = []

    async def work() -> None:
        while True:
            turns.append(time.monotonic())
            await asyncio.sleep(0.001)

    one = {min(os.sched_getaffinity(0))}
    async with started(tmp_path, code) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        await process.stdout.readline()
        computes = [await asyncio.create_subprocess_exec(sys.executable, "-c", "while True: pass") for _ in range(2)]
        for each in (*computes, process):
            os.sched_setaffinity(each.pid, one)
        os.sched_setscheduler(process.pid, os.SCHED_IDLE, os.sched_param(0))
        working = asyncio.create_task(work())
        process.stdin.write(b"\n")
        times = json.loads(await process.stdout.readline())
        for each in (*computes, process):
            each.kill()
        await asyncio.gather(process.communicate(), *(each.wait() for each in computes))
        working.cancel()
    pauses = [
        max(later - turn for turn, later in pairwise([asked, *(t for t in turns if asked < t < got), got]))
        for asked, got in times
    ]
    assert sum(pauses) < sum(got - asked for asked, got in times) / 2


async def test_nothing_is_left_of_a_process_that_has_ended(tmp_path: Path) -> None:
    def open_files() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = open_files()
    await tried(tmp_path, "print(json.dumps(error(socket.socket)))")
    with sockets_offered() as asks:  # one that ends before it is locked
        lock = Lock(read=(), write=(tmp_path,), ports=(), sockets=asks, abi=0)
        process = await asyncio.create_subprocess_exec(*lock.command(["/bin/true"]), pass_fds=[asks], stderr=-3)
        assert await process.wait() == 126
    await until(lambda: open_files() <= before)


FAR_AWAY = """
import asyncio, json, socket, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.plugins.test_sockets import tried
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
wire.bind(("far", 0))
wire.settimeout(0.2)
def came():
    try:
        return len(wire.recv(100)) > 0
    except TimeoutError:
        return False
CODE = '''
made = socket.socket()
made.setblocking(False)
print(json.dumps(error(lambda: made.connect(("198.51.100.2", port)))))
'''
locked = asyncio.run(tried(Path(sys.argv[2]), CODE, port=80)), came()
made = socket.socket()
made.setblocking(False)
made.connect_ex(("198.51.100.2", 80))
wire.settimeout(60)
print(json.dumps([locked, came()]))
"""
NETWORK = """
ip link set lo up
ip link add near type veth peer name far
ip addr add 198.51.100.1/24 dev near
ip link set near up
ip link set far up
ip neigh add 198.51.100.2 lladdr 02:00:00:00:00:02 dev near
exec "$@"
"""


def can_have_a_network() -> bool:
    return bool(shutil.which("ip")) and not subprocess.run(["unshare", "--net", "true"], capture_output=True).returncode


@pytest.mark.skipif(not can_have_a_network(), reason="a network of its own takes root and iproute2")
def test_nothing_is_sent_to_another_machine_not_even_to_the_port_of_the_gate(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    program = [sys.executable, "-c", FAR_AWAY, str(root), str(tmp_path)]
    done = subprocess.run(
        ["unshare", "--net", "sh", "-ec", NETWORK, "sh", *program],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(jikko.__file__).parents[1])},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    (error, was_sent), is_sent_without_lock = json.loads(done.stdout)
    assert is_sent_without_lock
    assert not was_sent
    assert error == "EINPROGRESS"


async def test_without_an_offer_there_are_no_sockets(tmp_path: Path) -> None:
    lock = Lock(read=(), write=(tmp_path,), ports=(1,))
    code = BEGINNING + "print(json.dumps([error(socket.socket), error(socket.socketpair)]))"
    command = lock.command([sys.executable, "-I", "-S", "-c", code, "1"])
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert json.loads(out) == ["EPERM", "none"]
