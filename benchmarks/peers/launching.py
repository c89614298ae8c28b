"""Langflow as a process, with the flow: a text that comes in goes out again."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

PATIENCE: Final = 300.0
"""Seconds within which a peer is ready."""
_LANGFLOW: Final = """
import json
from lfx.components.input_output import ChatInput, ChatOutput
from lfx.graph import Graph
given = ChatInput(_id="given")
graph = Graph(given, ChatOutput(_id="said").set(input_value=given.message_response))
print(json.dumps(graph.dump(name="echo", endpoint_name="echo")))
"""


@contextmanager
def langflow(python: Path, home: Path) -> Iterator[tuple[int, str, str]]:
    """Langflow with the flow as ``echo``. Yields process id, address and API key."""
    home.mkdir()
    flow = subprocess.check_output([python, "-c", _LANGFLOW], text=True).splitlines()[-1]
    port = _free_port()
    command: list[str | Path] = [
        python.parent / "langflow",
        "run",
        "--backend-only",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    settings = {
        "LANGFLOW_CONFIG_DIR": str(home),
        "LANGFLOW_AUTO_LOGIN": "true",
        "LANGFLOW_SKIP_AUTH_AUTO_LOGIN": "true",
        "LANGFLOW_LOG_LEVEL": "error",
        "DO_NOT_TRACK": "true",
    }
    with _serving(command, settings, home, f"http://127.0.0.1:{port}/health") as pid:
        url = f"http://127.0.0.1:{port}"
        token = str(_asked("GET", f"{url}/api/v1/auto_login")["access_token"])
        _asked("POST", f"{url}/api/v1/flows/", json.loads(flow), token)
        yield pid, url, str(_asked("POST", f"{url}/api/v1/api_key/", {"name": "bench"}, token)["api_key"])


@contextmanager
def _serving(command: Sequence[str | Path], settings: dict[str, str], home: Path, ready: str) -> Iterator[int]:
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            command, env={**os.environ, **settings}, cwd=home, stdout=log, stderr=log, start_new_session=True
        )
    try:
        until = time.monotonic() + PATIENCE
        while True:
            try:
                urllib.request.urlopen(ready, timeout=5).close()
                break
            except (urllib.error.URLError, OSError):
                if process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError((home / "log").read_text(errors="replace")[-2000:]) from None
                time.sleep(0.2)
        yield process.pid
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(30)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # it hangs, or left processes of its own
        process.wait()


def _asked(method: str, url: str, body: Any = None, token: str = "") -> Any:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method), timeout=60) as answer:
        return json.load(answer)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
