"""Runs started by clients during a fault, and checks that they end as they would have without it."""

import itertools
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import httpx

from tests.acceptance.client import Client
from tests.acceptance.echo import EchoServer
from tests.acceptance.faults import until
from tests.acceptance.processes import Server
from tests.acceptance.several_servers import SeveralServers
from tests.effort import PATIENCE, trusted

_AT_ONCE: Final = 8
_numbers = itertools.count()


class Runs:
    """Runs of ``steps``. Each start has an idempotency key, and is retried until a server accepts it."""

    def __init__(self, several: SeveralServers, echo: EchoServer) -> None:
        self._several = several
        self._echo = echo
        self.accepted: dict[str, str] = {}
        """Ids by the word given to each."""
        self.refused: list[int] = []
        """Status codes of answers that did not accept a run."""

    def begin(self, count: int, servers: Sequence[Server]) -> list[str]:
        """Start runs at the servers in turn. Returns their ids."""
        words = [f"梟{next(_numbers)}" for _ in range(count)]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(lambda numbered: self._begin(numbered[1], servers, numbered[0]), enumerate(words)))

    def _begin(self, word: str, servers: Sequence[Server], at: int) -> str:
        body = {"inputs": {"q": word}, "user": "ふくろう", "response_mode": "async"}
        headers = {"Authorization": f"Bearer {self._several.keys['steps']}", "Idempotency-Key": word.encode().hex()}
        for number in range(1000):
            url = f"{servers[(at + number) % len(servers)].url}/v1/workflows/run"
            try:
                answer = httpx.post(url, json=body, headers=headers, verify=trusted(), timeout=PATIENCE)
            except httpx.TransportError:
                continue
            if answer.status_code in (200, 202):
                self.accepted[word] = str(answer.json()["workflow_run_id"])
                return self.accepted[word]
            self.refused.append(answer.status_code)
            assert answer.status_code in (429, 503), answer.text
            threading.Event().wait(0.1)
        raise AssertionError(f"{word} was accepted by none")

    def wait_for_calls(self, runs: Iterable[str] | None = None) -> None:
        """Wait until each of some runs, by default all, has made its first call."""
        chosen = set(self.accepted.values() if runs is None else runs)
        for word, run in list(self.accepted.items()):
            if run in chosen:
                self._echo.wait_for_calls(_path("a", word))

    def judged(self, server: Server) -> "Judged":
        """Wait for the end of all runs, as reported by a server, and check that each is complete."""
        client = self._several.client("steps", server)
        judged = Judged()
        for word, run in self.accepted.items():
            judged.add(self._judge(client, word, run))
        return judged

    def _judge(self, client: Client, word: str, run: str) -> "Judged":
        until(lambda: has_ended(client, run), f"run {run} has ended")
        detail, log = client.detail(run), require_one_history(client, run)
        assert detail["status"] == "succeeded", detail
        assert detail["outputs"] == {"q": word} | {name: _path(name, word) for name in "abc"}
        assert log[-1]["status"] == detail["status"]
        assert log[-1]["total_steps"] == detail["total_steps"]
        judged = Judged(1, [float(event["at"]) for event in log if event["event"] == "run_recovered"])
        for name in "abc":
            # Repeated only by a server that took the run over during the call, or just before it.
            calls = len(self._echo.calls(_path(name, word)))
            assert 1 <= calls <= 1 + _recoveries_during(log, name), (name, calls, log)
            judged.twice += calls - 1
        return judged


class Judged:
    """Results of some runs."""

    def __init__(self, tried: int = 0, recovered_at: Iterable[float] = (), twice: int = 0) -> None:
        self.tried = tried
        self.recovered_at = list(recovered_at)
        """Times of takeovers, in seconds since the Unix epoch."""
        self.twice = twice
        """Repeated calls."""

    def add(self, other: "Judged") -> None:
        self.tried += other.tried
        self.twice += other.twice
        self.recovered_at += other.recovered_at


def readiness(url: str) -> int:
    """Return the status of a server's ``/readyz``."""
    return httpx.get(f"{url}/readyz", verify=trusted(), timeout=PATIENCE).status_code


def has_ended(client: Client, run: str) -> bool:
    """Return whether a run is known to have ended."""
    answer = client.request("GET", f"/v1/workflows/run/{run}")
    return answer.status_code == 200 and answer.json()["status"] != "running"


def require_one_history(client: Client, run: str) -> list[dict[str, Any]]:
    """Return the log, after checking that each execution of a node, and the run, ends once."""
    with client.following(run) as events:
        numbered = list(events)
    log = [event for _, event in numbered]
    assert [position for position, _ in numbered] == list(range(len(log)))
    ended = [event["execution_id"] for event in log if event["event"] == "node_finished"]
    assert len(ended) == len(set(ended)), log
    assert [number for number, event in enumerate(log) if event["event"] == "run_finished"] == [len(log) - 1]
    return log


def _recoveries_during(log: Sequence[dict[str, Any]], node: str) -> int:
    """Count takeovers between the end of a node's predecessor and its own."""
    names = ["start", "a", "b", "c"]
    ends = {event["node_id"]: number for number, event in enumerate(log) if event["event"] == "node_finished"}
    between = log[ends[names[names.index(node) - 1]] : ends[node]]
    return sum(event["event"] == "run_recovered" for event in between)


def _path(name: str, word: str) -> str:
    return f"/slow/{name}/{''.join(f'%{byte:02X}' if byte > 127 else chr(byte) for byte in word.encode())}"
