"""``jikko cluster up``: following its output, with real processes."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.processes import JIKKO, Command, environment
from tests.effort import PATIENCE

pytestmark = [pytest.mark.services, pytest.mark.slow]

SHOWS_WHERE = re.compile(r"removes (\S+)\.$", re.MULTILINE)


class ClusterUp:
    """The command, until it has printed what to try."""

    def __init__(self, home: Path, *arguments: str) -> None:
        self._mark = f"TEST_MARK={os.urandom(8).hex()}"
        name, _, value = self._mark.partition("=")
        # Of another installation, whose shell it is started in.
        others = {"AWS_SESSION_TOKEN": "other", "JIKKO_NATS_CREDENTIALS": "/nowhere", "JIKKO_METRICS_PORT": "1"}
        self._environment = environment(home, **others, **{name: value})
        self.process = subprocess.Popen(
            [JIKKO, "cluster", "up", "--port", "0", *arguments],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        lines = []
        assert self.process.stdout is not None
        for line in self.process.stdout:
            lines.append(line)
            if "Ctrl-C" in line:
                break
        self.printed = "".join(lines)
        assert "Ctrl-C" in self.printed, self.printed

    def line(self, beginning: str) -> str:
        """A printed command."""
        [found] = [line.strip() for line in self.printed.splitlines() if line.strip().startswith(beginning)]
        return found

    def shell(self, *lines: str) -> str:
        """What a shell prints that runs these lines."""
        path = f"{JIKKO.parent}:{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-ec", "\n".join(lines)],
            env={**self._environment, "PATH": path},
            capture_output=True,
            text=True,
            timeout=2 * PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done
        return done.stdout

    def processes(self) -> set[int]:
        """All that belong to it."""
        found = set()
        for file in Path("/proc").glob("[0-9]*/environ"):
            try:
                if self._mark.encode() in file.read_bytes().split(b"\0"):
                    found.add(int(file.parent.name))
            except OSError:
                continue
        return found

    def postgres(self) -> int:
        """The process of its database, which has an environment of its own."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        [found] = [int(child) for child in children if "postgres" in Path(f"/proc/{child}/cmdline").read_text()]
        return found

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(number)
        self.process.communicate(timeout=2 * PATIENCE)
        return self.process.returncode


@pytest.fixture
def up(tmp_path: Path) -> Iterator[ClusterUp]:
    made = ClusterUp(tmp_path / "home")
    yield made
    if made.process.poll() is None:
        made.end(signal.SIGTERM)


def events_of(stream: str) -> list[dict[str, object]]:
    return [json.loads(line[6:]) for line in stream.splitlines() if line.startswith("data: ")]


def is_there(process: int) -> bool:
    return Path(f"/proc/{process}").exists()


def gone(processes: set[int]) -> bool:
    """Wait until none of these is there."""
    bound = time.monotonic() + PATIENCE
    while any(map(is_there, processes)):
        if time.monotonic() > bound:
            return False
        time.sleep(0.05)
    return True


def test_a_run_goes_on_when_its_server_is_killed_as_printed_and_ctrl_c_leaves_nothing(up: ClusterUp) -> None:
    start, follow, kill = up.line("RUN="), up.line("curl -N"), up.line("kill -9")
    [folder] = SHOWS_WHERE.findall(up.printed)
    start = start.replace('"inputs": {', '"inputs": {"text": "ゆっくり 🐢\ue000"')

    # Killed once the run has begun there; its first steps are not repeated.
    seen_there = follow.replace(up.line("Server 3: ").split()[2], up.line("Server 1: ").split()[2])
    until_a_round_begins = f"while read -r line; do [[ $line == *round_started* ]] && break; done < <({seen_there})"
    events = events_of(up.shell(start, until_a_round_begins, kill, follow))

    assert [event["event"] for event in events][-1] == "run_finished"
    assert "run_recovered" in [event["event"] for event in events]
    assert events[-1]["outputs"] == {"text": "ゆっくり 🐢\ue000", "counted": list(range(1, 21))}
    assert up.process.stdout is not None
    assert up.process.stdout.readline() == "Server 1 was killed (signal 9).\n"

    processes = {*up.processes(), up.postgres()}
    assert up.end() == 0
    assert gone(processes)
    assert not Path(folder).exists()


def test_the_settings_that_it_prints_open_it_to_other_commands_and_a_kill_leaves_nothing(up: ClusterUp) -> None:
    servers = up.shell(up.line(". "), "jikko servers list --json")

    assert [entry["failing"] for entry in map(json.loads, servers.splitlines())] == [[], [], []]

    processes = {*up.processes(), up.postgres()}

    up.end(signal.SIGKILL)

    assert gone(processes)


def test_a_kept_cluster_goes_on_from_its_folder(tmp_path: Path) -> None:
    # Where the user may go that PostgreSQL runs as.
    kept = Path(f"/tmp/jikko-kept-{os.urandom(6).hex()}")
    try:
        first = ClusterUp(tmp_path / "home", "--servers", "2", "--keep", str(kept))
        run = first.shell(first.line("RUN="), "echo $RUN").strip()
        assert first.end() == 0

        again = ClusterUp(tmp_path / "home", "--servers", "2", "--keep", str(kept))
        events = events_of(again.shell(f"RUN={run}", again.line("curl -N")))
        assert again.end() == 0

        assert events[-1]["event"] == "run_finished"
        assert {path.stat().st_mode & 0o077 for path in kept.iterdir()} == {0}
    finally:
        subprocess.run(["rm", "-rf", str(kept)], check=True)


@pytest.mark.parametrize(
    ("arguments", "path", "says"),
    [
        (["--postgres", "mysql://somewhere"], "", "database_url is not a database URL"),
        (["--keep", "/dev/null/folder"], "", "/dev/null/folder cannot be made: Not a directory"),
        (["missing.yml"], "", "missing.yml"),
    ],
)
def test_what_it_cannot_use_is_told(tmp_path: Path, arguments: list[str], path: str, says: str) -> None:
    outcome = Command(tmp_path / "home")("cluster", "up", "--port", "0", *arguments)

    assert outcome.code not in (0, 130)
    assert says in outcome.err
    assert not outcome.has_traceback


def test_a_port_in_use_is_told_with_what_its_server_said(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        outcome = Command(tmp_path / "home")("cluster", "up", "--servers", "1", "--port", str(port))

    assert outcome.code == 10
    assert "Server 1 ended" in outcome.err
    assert str(port) in outcome.err


def test_a_missing_program_is_named_with_what_installs_it(tmp_path: Path) -> None:
    # A Python without the programs of the extra beside it.
    bare = tmp_path / "bin" / "python"
    bare.parent.mkdir()
    bare.symlink_to(sys.executable)
    command = [
        str(bare),
        "-c",
        "import sys; from jikko.cli.main import main; sys.argv = ['jikko', 'cluster', 'up']; main()",
    ]
    variables = {**environment(tmp_path / "home"), "PATH": "/nowhere", "PYTHONPATH": os.pathsep.join(sys.path)}

    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False, timeout=PATIENCE)

    assert done.returncode == 2
    assert "no nats-server beside this Python or on the PATH" in done.stderr
    assert ".[cluster-try]" in done.stderr
