"""What Jikko takes of a machine: time to the first answer, memory after load, room on the disk, time to import.

    python -m benchmarks.footprint [--install]

Baseline of every time: the same Python that does nothing (``python -c pass``). With ``--install`` the core is installed
anew into an empty folder, for its size and number of packages; that needs the package index, and about a minute.
"""

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.load import chain, figure, jikko, put, request, start_end
from benchmarks.sizes import sized

ROOT = Path(__file__).parents[1]
TIMES = sized(7, 1)


def seconds(*command: str) -> float:
    """Median seconds of a command from launch to end."""
    found = []
    for _ in range(TIMES):
        began = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        found.append(time.perf_counter() - began)
    return statistics.median(found)


def to_the_first_answer(python: str = sys.executable) -> tuple[float, float]:
    """From launch to the first 200 of ``GET /health``, with an app, in a new data folder: seconds, and those of CPU.

    Args:
        python: Whose Jikko is started.
    """
    with tempfile.TemporaryDirectory() as folder, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        file = Path(folder) / "app.yml"
        file.write_text(json.dumps(chain(10)))
        environment = {**os.environ, "JIKKO_HOME": str(Path(folder) / "home")}
        command = [python, "-m", "jikko", "serve", str(file), "--port", str(port)]
        began = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment) as server:
            try:
                while not answers(f"http://127.0.0.1:{port}/health"):
                    time.sleep(0.002)
                return time.perf_counter() - began, cpu_seconds(server.pid)
            finally:
                server.terminate()


def cpu_seconds(pid: int) -> float:
    """CPU time of a process so far, to the nanosecond: Linux has a clock for each (``clock_getcpuclockid``)."""
    return time.clock_gettime((~pid << 3) | 2)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError):
        return False


def tree(pid: int) -> Iterator[int]:
    """A process and all below it."""
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from tree(int(child))


def pss(pid: int) -> float:
    """MiB of a process, each shared page counted in parts."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"process {pid} has no figure")


async def memory() -> None:
    body = json.dumps({"inputs": {"q": "hello"}, "user": "bench", "response_mode": "blocking"}).encode()
    stream = body.replace(b"blocking", b"streaming")
    with jikko(start_end(), chain(10)) as server:
        idle = sum(map(pss, tree(server.pid)))
        for app, wanted in (("start_end", body), ("chain10", body), ("chain10", stream)):
            posted = request("POST", "/v1/workflows/run", server.keys[app], wanted)
            await put(server.port, posted, clients=32, seconds=3)
        processes = list(tree(server.pid))
        figure(f"memory after load, PSS of {len(processes)} processes", sum(map(pss, processes)), "MiB", aim="<= 120")
        figure("memory before load, PSS", idle, "MiB")


@contextmanager
def installed() -> Iterator[Path]:
    """The core, installed into a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
        subprocess.run([*pip, "--target", folder, "--no-compile", str(ROOT)], check=True, timeout=110)
        yield Path(folder)


def install() -> None:
    with installed() as folder:
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        figure("install, packages with Jikko", len(list(folder.glob("*.dist-info"))), "", aim="<= 50")
        figure("install, size", size / 1e6, "MB", aim="<= 120 MB")


def main() -> None:
    bare = seconds(sys.executable, "-c", "pass")
    taken = seconds(sys.executable, "-c", "import jikko")
    figure("python -c 'import jikko'", taken, "s", baseline=bare, aim="<= 0.15 s more than bare")
    figure("jikko --help", seconds(sys.executable, "-m", "jikko", "--help"), "s", baseline=bare, aim="<= 0.2 s")
    first = statistics.median(to_the_first_answer()[0] for _ in range(TIMES))
    figure("launch to first 200", first, "s", baseline=bare, aim="<= 1 s")
    uvloop.run(memory())
    if "--install" in sys.argv:
        install()


if __name__ == "__main__":
    main()
