"""The command and the server as processes."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from tests.acceptance.warm_commands import warm
from tests.effort import PATIENCE

JIKKO = Path(sys.executable).parent / "jikko"
_SERVES = re.compile(r"serves (http://\S+?)/v1")


def environment(home: Path, **more: str) -> dict[str, str]:
    """The environment of a process: none of the caller's own settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JIKKO_")}
    return {**kept, "JIKKO_HOME": str(home), "JIKKO_HTTP_ALLOW": "127.0.0.0/8", "PYTHONWARNINGS": "ignore", **more}


class Command:
    """``jikko`` with a data folder."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def __call__(self, *arguments: str | Path, **settings: str) -> "Outcome":
        if arguments[:1] == ("doctor",):
            # Whatever else listens on this machine is no fault of what is tested.
            settings = {"JIKKO_PORT": "0", **settings}
        words, variables = [str(JIKKO), *map(str, arguments)], environment(self.home, **settings)
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            if warm().can_be(variables):
                code = warm().start(words, variables, out, err).wait(60)
            else:
                code = subprocess.run(words, env=variables, stdout=out, stderr=err, timeout=60, check=False).returncode
            out.seek(0)
            err.seek(0)
            return Outcome(code, out.read().decode(), err.read().decode())

    def json(self, *arguments: str | Path) -> list[dict[str, Any]]:
        """The lines that a successful command prints with ``--json``."""
        outcome = self(*arguments, "--json")
        assert outcome.code == 0, outcome
        return outcome.lines


class Outcome:
    """What came of a command."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Standard output as JSON, one object a line."""
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
    ) -> None:
        self.home = home
        self._printed: list[str] = []
        self._ready = threading.Event()
        self.url = ""
        self._process = subprocess.Popen(
            [JIKKO, "serve", *map(str, files), "--port", str(port), *options],
            env=environment(home, **(settings or {})),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self._ready.wait(60)
        if not self.url:
            self.kill()
            raise AssertionError(f"the server did not start:\n{self.output}")
        assert httpx.get(f"{self.url}/health", timeout=PATIENCE).status_code == 200

    @property
    def output(self) -> str:
        """What it said so far."""
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
        """End it in good order. Returns the exit code."""
        self.send(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """End it as a power cut would."""
        self.send(signal.SIGKILL)
        self.wait()

    def close(self) -> None:
        if self._process.poll() is None:
            self.kill()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for line in output:
                self._printed.append(line.decode())
                if found := _SERVES.search(self._printed[-1]):
                    self.url = found[1]
                    self._ready.set()
        self._ready.set()
