"""Cost of a plugin between its calls, whatever it does: a small part of one core."""

import asyncio
import gc
import time
from pathlib import Path

import pytest

from tests.plugins.calling import world
from tests.plugins.waiting import until

pytestmark = pytest.mark.anyio

FLOODS = {
    "lines that are no messages": "while True: out.write(b'x' * 60 + b'\\n')",
    "empty lines": "while True: out.write(b'\\n' * 4096)",
    "signs of life": """while True: out.write(b'{"event":"heartbeat"}\\n')""",
    "messages of a call that is over": "while True: __main__.text(session, 'お茶')",
    "questions of a call that is over": "while True: __main__.say(session, 'invoke', {})",
    "its log": """while True: out.write(b'{"event":"log","data":"x"}\\n' * 100)""",
    "errors": "while True: os.write(2, b'x' * 4096 + b'\\n')",
    "single bytes": "while True: out.write(b'x')",
    "single bytes of errors": "while True: os.write(2, b'x')",
    "requests in single bytes": """
made = socket.create_connection(("127.0.0.1", port))
made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
while True:
    try:
        made.sendall(b"x")
    except OSError:
        made = socket.create_connection(("127.0.0.1", port))
""",
    "sockets": """
while True:
    socket.socket().close()
""",
    "connections to the gate": """
while True:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        pass
""",
    "requests to the gate": """
while True:
    try:
        made = socket.create_connection(("127.0.0.1", port))
        made.sendall(b"GET http://x/ HTTP/1.1\\r\\n\\r\\n")
        made.recv(100)
        made.close()
    except OSError:
        pass
""",
}
FLOODING = """
import os, socket, sys, threading, time, __main__
from urllib.parse import urlsplit
port = urlsplit(os.environ["http_proxy"]).port
out = sys.stdout.buffer.raw if hasattr(sys.stdout.buffer, "raw") else sys.stdout.buffer
def flood():
    while not os.path.exists(os.environ["HOME"] + "/go"):
        time.sleep(0.01)
    exec(given["flood"], names)
names = {"os": os, "socket": socket, "out": out, "__main__": __main__, "port": port, "session": session}
for _ in range(2):
    threading.Thread(target=flood, daemon=True).start()
"""


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The event loop of the server."""
    return "asyncio", {"use_uvloop": True}


async def share_of_a_core(seconds: float) -> float:
    """How much of the time this process is on a CPU, from now on.

    The garbage collector rests: it would walk through what all tests before have left, for a twentieth of a second.
    """
    loop = asyncio.get_running_loop()
    gc.disable()
    try:
        began, used = loop.time(), time.process_time()
        await until(lambda: loop.time() > began + seconds)
        return (time.process_time() - used) / (loop.time() - began)
    finally:
        gc.enable()


@pytest.mark.slow
@pytest.mark.parametrize("flood", FLOODS)
async def test_a_flood_between_calls_costs_less_than_a_twentieth_of_a_core(home: Path, flood: str) -> None:
    go = home / "plugins" / "state" / "tester-stand_in" / "home" / "go"
    go.unlink(missing_ok=True)
    async with world(home) as here:
        await here.messages_of("run", code=FLOODING, flood=FLOODS[flood])
        go.touch()
        # What it may cost at once is used up first, which takes longer where the machine is busy.
        shares = [await share_of_a_core(1.0)]
        while min(shares) >= 0.05 and len(shares) < 10:
            shares.append(await share_of_a_core(1.0))
        assert min(shares) < 0.05, shares
        [process] = here.runtime.pool.processes
        assert process.is_alive
