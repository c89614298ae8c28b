"""Server with two locked plugins, one of which attacks; all run as one user, unless the server is root.

Run as a program: it prints the attacker's successes, and the state of the server and the other plugin before and after.
"""

import asyncio
import json
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from jikko.plugins.process.plugin_launch import Lock, make_state
from jikko.plugins.process.sockets import sockets_offered

LIVES = "print('here', flush=True); input()"


def standing(process_id: int) -> dict[str, Any]:
    """Return what others could change of a process."""
    status = Path(f"/proc/{process_id}/status").read_text()
    return {
        "limits": Path(f"/proc/{process_id}/limits").read_text(),
        "affinity": sorted(os.sched_getaffinity(process_id)),
        "scheduler": os.sched_getscheduler(process_id),
        "priority": os.getpriority(os.PRIO_PROCESS, process_id),
        "signals": [line for line in status.splitlines() if line.startswith(("SigPnd", "ShdPnd"))],
    }


def of_file(path: Path) -> dict[str, Any]:
    found = path.stat()
    return {"mode": found.st_mode, "size": found.st_size, "modified": found.st_mtime_ns, "names": os.listxattr(path)}


async def main() -> None:
    given = json.loads(sys.argv[1])
    place, uid, python = Path(given["place"]), given["uid"], given["python"]
    folder, code = place / "server", place / "code"
    file, readable = folder / "data", code / "readable"
    with socket.create_server(("127.0.0.1", 0)) as gate, socket.create_server(("127.0.0.1", 0)) as other:
        unix, datagrams, abstract = (
            socket.socket(socket.AF_UNIX, kind) for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_STREAM)
        )
        unix.bind(str(folder / "unix"))
        datagrams.bind(str(folder / "datagrams"))
        abstract.bind(f"\0jikko-{os.getpid()}")
        unix.listen()
        abstract.listen()

        @asynccontextmanager
        async def started(program: list[str], name: str, user: int) -> AsyncIterator[asyncio.subprocess.Process]:
            make_state(place / name, user)
            with sockets_offered() as asks:
                lock = Lock(
                    read=(code,), write=(place / name,), ports=(gate.getsockname()[1],), sockets=asks, uid=user,
                    abi=given["abi"], confine=given["confine"],
                )  # fmt: skip
                command, pipe = lock.command([python, "-I", "-S", *program]), asyncio.subprocess.PIPE
                yield await asyncio.create_subprocess_exec(
                    *command, stdin=pipe, stdout=pipe, stderr=pipe, cwd=code, pass_fds=[asks]
                )

        async with started(["-c", LIVES], "second", uid and uid + 1) as second:
            assert second.stdout is not None
            await second.stdout.readline()
            known = {
                "server": os.getpid(), "plugin": second.pid, "other": other.getsockname()[1], "file": str(file),
                "readable": str(readable), "folder": str(folder), "unix": str(folder / "unix"),
                "datagrams": str(folder / "datagrams"), "abstract": f"jikko-{os.getpid()}", **given["known"],
            }  # fmt: skip

            def seen() -> dict[str, Any]:
                return {
                    "server": standing(os.getpid()),
                    "plugin": standing(second.pid),
                    "file": of_file(file),
                    "readable": of_file(readable),
                }

            before = seen()
            async with started([given["program"], json.dumps(known)], "first", uid) as attacker:
                out, errors = await attacker.communicate()
            after = seen()
            await second.communicate(b"\n")
        other.setblocking(False)
        datagrams.setblocking(False)
        reached = []
        for name, take in (("tcp", other.accept), ("datagram", lambda: datagrams.recv(1))):
            try:
                take()
            except BlockingIOError:
                continue
            reached.append(name)
    print(
        json.dumps(
            {
                "before": before, "after": after, "reached": reached, "second": second.returncode,
                "attacker": attacker.returncode, "errors": errors.decode(), **(json.loads(out) if out else {}),
            }
        )
    )  # fmt: skip


if __name__ == "__main__":
    asyncio.run(main())
