"""Starts while the store accepts no writes: checks that each is answered in time, and that no refused one runs."""

import itertools
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias
from urllib.parse import quote

import httpx

from tests.acceptance.echo import EchoServer
from tests.acceptance.faults import until
from tests.acceptance.processes import Command, Server
from tests.effort import PATIENCE, trusted
from tests.faults.table import Seen

START_SECONDS: Final = 10.0
"""Time limit of the answer to a start, whatever the store does."""
READY_SECONDS: Final = 10.0
"""Time limit for a server to report that it is not ready, during starts."""
AT_ONCE_SECONDS: Final = 5.0
"""Time limit of a refusal once the store is known to accept no writes: at once, and what a busy machine adds."""
_LASTS: Final = 12.0
"""Shortest duration of a fault in seconds."""
_MODES: Final = ("blocking", "streaming", "async")
_CALLERS: Final = 6
_numbers = itertools.count()


class Answered(NamedTuple):
    """Start and its answer."""

    word: str
    """Its input."""
    key: str
    """Its idempotency key, or empty."""
    at: float
    """Time of the request, by this process's clock."""
    seconds: float
    status: int
    """0 if its server was killed before it answered."""
    retry_after: str
    run: str
    """Id of its run, if accepted."""


class Starts:
    """Repeated starts of ``fetch``, whose only node calls the echo server with the start's word."""

    def __init__(self, server: Server, key: str, echo: EchoServer) -> None:
        self.server = server
        """Current server."""
        self._key = key
        self._echo = echo
        self.answered: list[Answered] = []

    def one(self, mode: str, key: str = "") -> Answered:
        word = f"鴉{next(_numbers)}"
        headers = {"Authorization": f"Bearer {self._key}"} | ({"Idempotency-Key": key} if key else {})
        body = {"inputs": {"q": word}, "user": "からす", "response_mode": mode}
        at, url = time.monotonic(), f"{self.server.url}/v1/workflows/run"
        try:
            answer = httpx.post(url, json=body, headers=headers, verify=trusted(), timeout=10 * PATIENCE)
        except httpx.TransportError:
            # The server was killed, so the outcome is unknown.
            self.answered.append(Answered(word, key, at, time.monotonic() - at, 0, "", ""))
            return self.answered[-1]
        seconds = time.monotonic() - at
        run = "" if answer.status_code == 503 else _run_of(answer)
        found = Answered(word, key, at, seconds, answer.status_code, answer.headers.get("Retry-After", ""), run)
        self.answered.append(found)
        return found

    def until(self, end: threading.Event) -> None:
        """Start runs in all modes, with and without keys, until ``end`` is set."""
        for mode in itertools.cycle(_MODES):
            for key in ("", f"key-{next(_numbers)}"):
                if end.is_set() or self.one(mode, key).status == 0:
                    return
            end.wait(0.1)

    def tried(self, fault: AbstractContextManager[Any], *, by_restart: bool = False) -> tuple[str, float]:
        """Try a fault.

        Args:
            by_restart: Whether the fault ends with a new server: no client is waiting then.

        Returns:
            Observations, and the seconds from the fault's end until a start was accepted.
        """
        for mode in _MODES:
            assert self.one(mode).status in (200, 202)
        end = threading.Event()
        with ThreadPoolExecutor(_CALLERS) as pool:
            # Some writes are in progress when the fault comes.
            calling = [pool.submit(self.until, end) for _ in range(_CALLERS)]
            until(lambda: len(self.answered) > 2 * _CALLERS, "runs are started")
            with fault:
                began = time.monotonic()
                until(lambda: self._readiness == 503, "it is not ready")
                not_ready = time.monotonic() - began
                health = httpx.get(f"{self.server.url}/health", verify=trusted(), timeout=PATIENCE).json()
                end.wait(max(0.0, began + _LASTS - time.monotonic()))
                # The fault is known by now: starts do not wait.
                late = [self.one(mode) for mode in _MODES]
                was_ready = self._readiness == 200
                if by_restart:
                    end.set()
            mended = time.monotonic()
            until(lambda: self.one("async").status == 202, "a start is accepted")
            after = time.monotonic() - mended
            until(lambda: self._readiness == 200, "it is ready again")
            ready = time.monotonic() - mended
            end.set()
            for each in calling:
                each.result(PATIENCE)
        # Including those in progress when the fault came.
        during = [one for one in self.answered if one.at < mended and one.at + one.seconds > began]
        refused = [one for one in during if one.status == 503]
        longest = max(one.seconds for one in refused)
        assert (was_ready, health["record"] == "ok") == (False, False)
        assert not_ready < READY_SECONDS
        assert {one.status for one in late} == {503}
        assert max(one.seconds for one in late) < AT_ONCE_SECONDS
        assert longest < START_SECONDS
        assert all(int(one.retry_after) > 0 for one in refused)
        note = (
            f"{len(refused)} of {len(during)} starts were 503, the slowest after {longest:.1f} s; not ready after "
            f"{not_ready:.1f} s, ready {ready:.1f} s after the end"
        )
        return note, after

    def judged(self) -> int:
        """Wait for the ends of all accepted runs, and check that no refused one ran or exists.

        Returns:
            Number of accepted runs.
        """
        promised = {one.word: one.run for one in self.answered if one.run}
        unknown = [one for one in self.answered if one.status == 0]
        for run in promised.values():
            until(lambda run=run: self._has_succeeded(run), f"run {run} has ended")  # type: ignore[misc]
        for one in self.answered:
            if one.status:
                assert len(self._echo.calls(f"/{quote(one.word)}")) == (one.word in promised), one
        total = self._get("/v1/workflows/logs?limit=1").json()["total"]
        assert len(promised) <= total <= len(promised) + len(unknown)
        return len(promised)

    @property
    def _readiness(self) -> int:
        return self._get("/readyz").status_code

    def _has_succeeded(self, run: str) -> bool:
        answer = self._get(f"/v1/workflows/run/{run}")
        return answer.status_code == 200 and answer.json()["status"] == "succeeded"

    def _get(self, path: str) -> httpx.Response:
        return httpx.get(
            f"{self.server.url}{path}",
            headers={"Authorization": f"Bearer {self._key}"},
            verify=trusted(),
            timeout=PATIENCE,
        )


def _run_of(answer: httpx.Response) -> str:
    assert answer.status_code in (200, 202), (answer.status_code, answer.text)
    _, _, rest = answer.text.partition('"workflow_run_id":')
    return rest.strip()[1:37]


class Trial:
    """Server that a test may break."""

    def __init__(self, home: Path, file: Path, echo: EchoServer, settings: dict[str, str]) -> None:
        outcome = Command(home)("apps", "import", file, "--json", **settings)
        assert outcome.code == 0, outcome
        self.home = home
        self.settings = settings
        self.starts = Starts(Server(home, settings=settings), outcome.lines[0]["api_key"], echo)

    def serve(self) -> None:
        """Kill the server, and start another."""
        self.starts.server.close()
        self.starts.server = Server(self.home, settings=self.settings)

    def of(self, fault: AbstractContextManager[Any], *, by_restart: bool = False) -> Seen:
        """Return the outcome of a fault, with this server and the next one.

        Args:
            by_restart: See ``Starts.tried``.
        """
        note, seconds = self.starts.tried(fault, by_restart=by_restart)
        count = self.starts.judged()
        self.serve()
        assert self.starts.judged() == count
        return Seen(count, 0, 0, seconds, note)

    @contextmanager
    def killed(self, fault: AbstractContextManager[Any]) -> Iterator[None]:
        """Apply a fault during which the server is killed; afterwards another one starts."""
        with fault:
            yield
            self.starts.server.send(signal.SIGKILL)
        self.starts.server.wait()
        self.serve()


Try: TypeAlias = Callable[..., Trial]
