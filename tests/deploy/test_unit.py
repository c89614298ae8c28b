"""systemd unit: verified by systemd's own program; and the server's use of what systemd provides."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.acceptance.client import Client
from tests.acceptance.echo import EchoServer
from tests.acceptance.processes import JIKKO, Command, environment
from tests.acceptance.workflows import ECHO, app, end, node, start
from tests.effort import PATIENCE, trusted
from tests.page_blocks import blocks

UNITS = Path(__file__).parents[2] / "deploy" / "systemd"


@pytest.mark.services
@pytest.mark.once
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    for name in ("jikko.service", "jikko.socket"):
        text = (UNITS / name).read_text()
        (tmp_path / name).write_text(text.replace("/opt/jikko/bin/jikko", shutil.which("true") or "/bin/true"))

    command = ["systemd-analyze", "verify", "--man=no", *map(str, tmp_path.iterdir())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.services
@pytest.mark.once
def test_the_drop_in_of_the_page_of_upgrades_replaces_every_program_of_the_unit(tmp_path: Path) -> None:
    shutil.copytree(UNITS, tmp_path, dirs_exist_ok=True)
    [drop_in] = blocks("docs/upgrade.md", "ini")
    program = shutil.which("true") or "/bin/true"
    (tmp_path / "jikko.service.d").mkdir()
    (tmp_path / "jikko.service.d" / "version.conf").write_text(
        drop_in.text.replace("/opt/jikko-new/bin/jikko", program)
    )

    command = ["systemd-analyze", "verify", "--man=no", str(tmp_path / "jikko.service")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.services
@pytest.mark.once
def test_the_service_may_do_little() -> None:
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=30", str(UNITS / "jikko.service")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout
    [level] = re.findall(r"exposure level for jikko.service: ([0-9.]+)", done.stdout)
    assert float(level) < 3.0
    # Another version of systemd may count otherwise, by a little.
    [message] = re.findall(
        r"rates it ([0-9.]+) of 10\.", " ".join((UNITS.parents[1] / "docs" / "service.md").read_text().split())
    )
    assert float(message) == pytest.approx(float(level), abs=0.3)


class Activator:
    """Does what systemd does: has a socket that listens, starts servers on it, and hears what they say."""

    def __init__(self, home: Path, folder: Path, workers: int) -> None:
        self.home = home
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=2048)
        self.url = f"http://127.0.0.1:{self.listening.getsockname()[1]}"
        self.hears = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.hears.bind(str(folder / "notify"))
        self.hears.settimeout(PATIENCE)
        self._settings = {
            "JIKKO_WORKERS": str(workers),
            "NOTIFY_SOCKET": str(folder / "notify"),
            "WATCHDOG_USEC": "200000",
            "LISTEN_FDS": "1",
        }
        self._log = (folder / "server.log").open("wb")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, **settings: str) -> None:
        """Start a server, and wait until it says that it is ready."""
        handle = self.listening.fileno()
        # The shell becomes the server, whose number is known only then.
        script = f'exec 3<&{handle}; LISTEN_PID=$$ WATCHDOG_PID=$$ exec "$@"'
        self.process = subprocess.Popen(
            ["bash", "-c", script, "bash", str(JIKKO), "serve"],
            env=environment(self.home, **(self._settings | settings)),
            pass_fds=(handle,),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )
        self.hear("READY=1")

    def stop(self) -> None:
        assert self.process is not None
        self.process.terminate()
        self.hear("STOPPING=1")
        assert self.process.wait(PATIENCE) == 0

    def end_as(self, unit: str) -> None:
        """Send SIGTERM to those to which systemd sends it: to all processes of the service, if the unit does not say
        otherwise, first to the one that it started."""
        assert self.process is not None
        mode = re.findall(r"^KillMode=(\S+)", unit, re.MULTILINE) or ["control-group"]
        everybody = [self.process.pid, *below(self.process.pid)]
        for process_id in everybody if mode == ["control-group"] else everybody[:1]:
            os.kill(process_id, signal.SIGTERM)
        self.hear("STOPPING=1")

    def hear(self, wanted: str) -> list[str]:
        """What was said until this was."""
        received: list[str] = []
        while not received or received[-1] != wanted:
            received.append(self.hears.recv(1000).decode())
        return received

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._log.close()
        self.hears.close()
        self.listening.close()


def below(process_id: int) -> list[int]:
    """The processes that a process has started, and those that these have."""
    found: list[int] = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # Behind the name, which may hold anything: the state, and who started it.
            if int(path.read_text(errors="replace").rpartition(")")[2].split()[1]) == process_id:
                found += [int(path.parent.name), *below(int(path.parent.name))]
    return found


@pytest.fixture(params=[1, 2])
def activator(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Activator]:
    made = Activator(tmp_path / "home", tmp_path, request.param)
    yield made
    made.close()


@pytest.mark.slow
def test_it_says_when_it_is_ready_that_it_goes_round_and_that_it_stops(activator: Activator) -> None:
    activator.start()
    assert httpx.get(f"{activator.url}/health", verify=trusted(), timeout=PATIENCE).status_code == 200
    activator.hear("WATCHDOG=1")
    activator.hear("WATCHDOG=1")
    activator.stop()


@pytest.mark.slow
def test_restarts_under_load_lose_no_request(activator: Activator, tmp_path: Path) -> None:
    (tmp_path / "echo.yml").write_text(ECHO, encoding="utf-8")
    [entry] = Command(activator.home).json("apps", "import", tmp_path / "echo.yml")
    headers = {"Authorization": f"Bearer {entry['api_key']}"}
    activator.start()
    stop, answered, lost = threading.Event(), [0, 0, 0, 0], list[str]()

    def load(number: int) -> None:
        """Half of them keep their connections, the others have one for each request."""
        client = httpx.Client(base_url=activator.url, headers=headers, verify=trusted(), timeout=PATIENCE)
        while not stop.is_set():
            if number % 2:
                client.close()
                client = httpx.Client(base_url=activator.url, headers=headers, verify=trusted(), timeout=PATIENCE)
            word = f"{number}/{answered[number]}"
            body = {"inputs": {"q": word}, "user": "anna", "response_mode": "blocking"}
            try:
                answer = client.post("/v1/workflows/run", json=body)
                if answer.status_code != 200 or answer.json()["data"]["outputs"] != {"q": word}:
                    lost.append(answer.text)
            except httpx.TransportError as error:
                lost.append(repr(error))
            answered[number] += 1
        client.close()

    threads = [threading.Thread(target=load, args=(number,)) for number in range(len(answered))]
    for thread in threads:
        thread.start()
    try:
        for _ in range(2):
            before = list(answered)
            deadline = time.monotonic() + PATIENCE
            while any(now < then + 5 for now, then in zip(answered, before, strict=True)):
                assert time.monotonic() < deadline, lost
                stop.wait(0.01)
            activator.stop()
            activator.start()
    finally:
        stop.set()
        for thread in threads:
            thread.join()

    assert lost == []
    activator.stop()


@pytest.mark.slow
def test_a_restart_ended_the_programs_of_runs_under_way(activator: Activator, tmp_path: Path) -> None:
    echo = EchoServer()
    code = f"import requests\ndef main():\n    return {{'said': requests.get('{echo.url}/hold/program').text}}"
    outputs = {"said": {"type": "string"}}
    asks = node("asks", "code", code_language="python3", code=code, variables=[], outputs=outputs)
    text = app("Asks", [start(), asks, end(said="asks.said")], "start>asks>end")
    (tmp_path / "asks.yml").write_text(text, encoding="utf-8")
    try:
        [entry] = Command(activator.home).json("apps", "import", tmp_path / "asks.yml")
        activator.start(JIKKO_SHUTDOWN_SECONDS="600", WATCHDOG_USEC="0")
        client = Client(activator.url, entry["api_key"])
        run_id = client.run("async")["workflow_run_id"]
        echo.wait_for_calls("/hold/program")

        activator.end_as((UNITS / "jikko.service").read_text())
        echo.release("/hold/program")

        assert activator.process is not None
        assert activator.process.wait(PATIENCE) == 0
        client.close()
        [shown] = Command(activator.home).json("runs", "show", run_id)
        assert (shown["status"], shown["error"]) == ("succeeded", None)
        assert len(echo.calls("/hold/program")) == 1
    finally:
        echo.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("count", "message"), [("2", "2 sockets were inherited"), ("1", "is not a listening TCP socket")]
)
def test_what_is_no_socket_for_it_is_refused(tmp_path: Path, count: str, message: str) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        done = subprocess.run(
            ["bash", "-c", f'exec 3<&{other.fileno()}; LISTEN_PID=$$ exec "$@"', "bash", str(JIKKO), "serve"],
            env=environment(tmp_path / "home", LISTEN_FDS=count),
            pass_fds=(other.fileno(),),
            capture_output=True,
            text=True,
            check=False,
        )

    assert (done.returncode, message in done.stderr, "Traceback" in done.stderr) == (2, True, False), done.stderr
