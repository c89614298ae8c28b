"""What `jikko serve` does until it is ready, and what it holds after load: counted, so that no clock is in it.

    python -m benchmarks.server_start

The folder is one that a server has used before: neither a schema is made in it nor bytecode written. Memory is what
Python's allocator has handed out (``tracemalloc``), which neither SQLite's caches nor other processes change.
"""

import contextlib
import http.client
import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.chats import question, start_answer
from benchmarks.hot_paths import run_body
from benchmarks.load import figure, imported, serving, settings, start_end
from benchmarks.sizes import sized

TIMES = sized(100, 5)


class Start(msgspec.Struct):
    """What a process did until its server was ready."""

    port: int
    modules: list[str]
    data_classes: list[str]
    """Those of ours, each of which takes a third of a millisecond to make."""
    calls: int
    """Of functions, on the main thread, the built-in ones included."""
    statements: list[str]
    """Of SQL, in their order."""
    kib: float
    """Memory that is held."""


class Counted:
    """A server that counts."""

    def __init__(self, process: subprocess.Popen[str], keys: dict[str, str]) -> None:
        assert process.stdout is not None
        self._process = process
        self._lines = process.stdout
        self._keys = keys
        self.start = msgspec.json.decode(self._lines.readline(), type=Start)
        self._connection = http.client.HTTPConnection("127.0.0.1", self.start.port)

    def load(self, times: int) -> None:
        """Runs, streams, turns of a chat, and reading them, one after the other."""
        for _ in range(times):
            run = json.loads(self._ask("start_end", "POST", "/v1/workflows/run", run_body("blocking", q="hello")))
            self._ask("start_end", "GET", f"/v1/workflows/run/{run['workflow_run_id']}")
            self._ask("start_end", "POST", "/v1/workflows/run", run_body("streaming", q="hello"))
            self._ask("chat", "POST", "/v1/chat-messages", question("blocking"))

    def kib(self) -> float:
        """Memory that it holds now."""
        self._process.send_signal(signal.SIGUSR2)
        return float(self._lines.readline())

    def close(self) -> None:
        self._connection.close()

    def _ask(self, app: str, method: str, path: str, body: bytes = b"") -> bytes:
        headers = {"Authorization": f"Bearer {self._keys[app]}", "Content-Type": "application/json"}
        self._connection.request(method, path, body, headers)
        with self._connection.getresponse() as answer:
            assert answer.status == 200, answer.read()
            return answer.read()


@contextlib.contextmanager
def counted() -> Iterator[Counted]:
    """A server with two apps, in a folder that a server has used before."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        keys = {name: app.key for name, app in imported(home, start_end(), start_answer()).items()}
        with serving(home):
            pass
        with _started(home) as process:
            server = Counted(process, keys)
            with contextlib.closing(server):
                yield server


@contextlib.contextmanager
def _started(home: Path) -> Iterator[subprocess.Popen[str]]:
    environment = settings(home)
    # What would count otherwise is that modules are compiled.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-m", "benchmarks.counting"]
    root = Path(__file__).parents[1]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=root) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.communicate(timeout=60)


if __name__ == "__main__":
    with counted() as server:
        start = server.start
        figure("start, modules of ours", sum(name.startswith("jikko") for name in start.modules), "")
        figure("start, function calls", start.calls, "")
        figure("start, statements", len(start.statements), "")
        figure("start, memory", start.kib, "KiB")
        server.load(TIMES)
        before = server.kib()
        figure("memory after load", before, "KiB")
        server.load(TIMES)
        figure("memory that a round of load leaves behind", (server.kib() - before) / TIMES, "KiB")
