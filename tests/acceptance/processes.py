"""Command and server in subprocesses."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import httpx

from tests.acceptance.warm_commands import WarmCommand, warm
from tests.effort import PATIENCE, trusted

JIKKO = Path(sys.executable).parent / "jikko"
_SERVES = re.compile(r"serves (http://\S+?)/v1")


def environment(home: Path, **more: str) -> dict[str, str]:
    """Return a subprocess's environment, without the caller's settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JIKKO_")}
    return {**kept, "JIKKO_HOME": str(home), "JIKKO_HTTP_ALLOW": "127.0.0.0/8", "PYTHONWARNINGS": "ignore", **more}


def begun(
    arguments: Sequence[str | Path],
    variables: dict[str, str],
    given: IO[bytes] | int,
    out: IO[bytes] | int,
    err: IO[bytes] | int,
    *,
    installed: bool = False,
) -> "subprocess.Popen[bytes] | WarmCommand":
    """Start ``jikko`` with arguments, environment, and standard input, output and error.

    Args:
        installed: Whether to run the installed script, for tests of the process itself (its imports, its memory).
            Otherwise, if possible, a fork of a process that has imported Jikko.
    """
    words = [str(JIKKO), *map(str, arguments)]
    if not installed and warm().can_be(variables):
        return warm().start(words, variables, given, out, err)
    return subprocess.Popen(words, env=variables, stdin=given, stdout=out, stderr=err)


class Command:
    """``jikko`` with a data folder."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def __call__(self, *arguments: str | Path, given: str = "", **settings: str) -> "Outcome":
        """Args:
        given: Standard input."""
        if arguments[:1] == ("doctor",):
            # Port conflicts on this machine are not failures of the tested code.
            settings = {"JIKKO_PORT": "0", **settings}
        read, written = os.pipe()
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            with open(read, "rb"):
                process = begun(arguments, environment(self.home, **settings), read, out, err)
            with suppress(BrokenPipeError), open(written, "wb") as pipe:
                pipe.write(given.encode())
            try:
                code = process.wait(60)
            except (TimeoutError, subprocess.TimeoutExpired):
                process.send_signal(signal.SIGKILL)
                raise
            out.seek(0)
            err.seek(0)
            return Outcome(code, out.read().decode(), err.read().decode())

    def json(self, *arguments: str | Path) -> list[dict[str, Any]]:
        """Return the lines printed by a successful command with ``--json``."""
        outcome = self(*arguments, "--json")
        assert outcome.code == 0, outcome
        return outcome.lines

    def imported(self, folder: Path, apps: Mapping[str, str]) -> dict[str, str]:
        """Write apps to files in a folder and import them. Returns their API keys by name."""
        files = [folder / f"{name}.yml" for name in apps]
        for file in files:
            file.write_text(apps[file.stem], encoding="utf-8")
        return dict(zip(apps, [entry["api_key"] for entry in self.json("apps", "import", *files)], strict=True))


class Outcome:
    """Outcome of a command."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Return standard output as JSON, one object per line."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def has_traceback(self) -> bool:
        return "Traceback" in self.out + self.err

    def __repr__(self) -> str:
        return f"exit code {self.code}\n{self.out}\n{self.err}"


class Server:
    """``jikko serve``, ready for requests."""

    def __init__(
        self,
        home: Path,
        *files: Path,
        port: int = 0,
        settings: dict[str, str] | None = None,
        options: Sequence[str] = (),
        installed: bool = False,
    ) -> None:
        """Args:
        installed: See ``begun``."""
        self.home = home
        self._printed: list[str] = []
        self._ready = threading.Event()
        self.url = ""
        words: list[str | Path] = ["serve", *files, "--port", str(port), *options]
        variables = environment(home, **(settings or {}))
        read, written = os.pipe()
        with open(os.devnull, "rb") as nothing, open(written, "wb") as out:
            self._process = begun(words, variables, nothing, out, out, installed=installed)
        self._reader = threading.Thread(target=self._read, args=(read,))
        self._reader.start()
        self._ready.wait(2 * PATIENCE)  # a build without bytecode compiles first
        if not self.url:
            self.kill()
            raise AssertionError(f"the server did not start:\n{self.output}")
        assert httpx.get(f"{self.url}/health", verify=trusted(), timeout=PATIENCE).status_code == 200

    @property
    def output(self) -> str:
        """Return its output so far."""
        return "".join(self._printed)

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self, timeout: float = 60) -> int:
        """Wait for its end. Returns the exit code."""
        code = self._process.wait(timeout)
        self._reader.join(timeout)
        return code

    def stop(self) -> int:
        """Stop gracefully. Returns the exit code."""
        self.send(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """Kill it, as a power cut would."""
        self.send(signal.SIGKILL)
        self.wait()

    def close(self) -> None:
        if self._process.poll() is None:
            self.kill()

    def _read(self, descriptor: int) -> None:
        with open(descriptor, "rb") as output:
            for line in output:
                self._printed.append(line.decode())
                if found := _SERVES.search(self._printed[-1]):
                    self.url = found[1]
                    self._ready.set()
        self._ready.set()
