"""Cost of a plugin between its calls, whatever it does: a small part of one core, counted in function calls.

A busy machine makes a call dearer, but not calls more.
"""

import asyncio
from pathlib import Path

import pytest
from benchmarks.counting import counted_calls

from tests.plugins.calling import world

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
MOST = dict.fromkeys(FLOODS, 15_000) | {"sockets": 3_000}
"""Calls in a second: a third of those that the flood causes without a budget, or fewer."""
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


async def calls_in_a_second() -> int:
    """How many functions the event loop's thread calls, from now on."""
    loop = asyncio.get_running_loop()
    over = loop.create_future()
    with counted_calls() as calls:
        loop.call_later(1.0, over.set_result, None)
        await over
    return calls.count


@pytest.mark.slow
@pytest.mark.parametrize("flood", FLOODS)
async def test_a_flood_between_calls_costs_little(home: Path, flood: str) -> None:
    go = home / "plugins" / "state" / "tester-stand_in" / "home" / "go"
    go.unlink(missing_ok=True)
    async with world(home) as here:
        await here.messages_of("run", code=FLOODING, flood=FLOODS[flood])
        go.touch()
        # What it may cost at once is used up first, which takes longer where the machine is busy.
        counts = [await calls_in_a_second()]
        while min(counts) >= MOST[flood] and len(counts) < 10:
            counts.append(await calls_in_a_second())
        assert min(counts) < MOST[flood], counts
        [process] = here.runtime.pool.processes
        assert process.is_alive
