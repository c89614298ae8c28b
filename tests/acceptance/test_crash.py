"""A real server is killed with SIGKILL at random moments, again and again, while runs are under way: the whole of it,
or one of its workers.

The seed is printed; ``TEST_SEED`` takes it back, ``TEST_KILLS`` changes how often.
"""

import os
import random
import signal
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.client import Client
from tests.acceptance.crash_apps import CrashApp, crash_apps
from tests.acceptance.echo import EchoServer
from tests.acceptance.faults import until
from tests.acceptance.processes import Command, Server
from tests.effort import PATIENCE, trusted

KILLS = int(os.environ.get("TEST_KILLS") or 50)
CLIENTS = 5
POISONED = "3 times"
"""Part of the error of a run that was given up because it died at the same node again and again."""


@dataclass
class Seen:
    """What a client saw of one run."""

    app: str
    q: str
    answer: dict[str, Any] | None = None
    """The body of a blocking answer."""
    finished: dict[str, float] = field(default_factory=dict)
    """When it was told that a node had finished, by node execution."""
    events: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    """What it saw of the log."""
    ended: dict[str, Any] | None = None
    """The last message of a stream."""


class Crowd:
    """Clients that start runs as fast as they can, in every way that there is."""

    def __init__(self, apps: dict[str, CrashApp], keys: dict[str, str], seed: int, *, stays: bool = False) -> None:
        """Args:
        stays: Whether the server stays where it is when a connection breaks.
        """
        self._stays = stays
        self._apps = apps
        self._keys = keys
        self._seed = seed
        self._lock = threading.Condition()
        self._url = ""
        self._over = False
        self.seen: dict[str, Seen] = {}
        self.faults: list[str] = []
        self._threads = [threading.Thread(target=self._work, args=(number,)) for number in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def server_is_at(self, url: str) -> None:
        with self._lock:
            self._url = url
            self._lock.notify_all()

    def server_is_gone(self) -> None:
        with self._lock:
            self._url = ""

    def wait_for_runs(self, count: int) -> None:
        """Wait until N runs were seen in all."""
        with self._lock:
            assert self._lock.wait_for(lambda: len(self.seen) >= count, PATIENCE), "clients get nothing done"

    def end(self) -> None:
        with self._lock:
            self._over = True
            self._lock.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self, number: int) -> None:
        dice = random.Random(self._seed * 1000 + number)
        count = 0
        while url := self._wait_for_server():
            clients = {name: Client(url, key) for name, key in self._keys.items()}
            try:
                while not self._over:
                    count += 1
                    name = dice.choice(list(clients))
                    way = dice.choice((self._block, self._stream, self._follow))
                    way(clients[name], name, f"q{number}-{count}")
            except httpx.HTTPError:
                # The server was killed, or is not there yet.
                self._wait_for_another(url)
            except Exception as error:
                with self._lock:
                    self.faults.append(f"{type(error).__name__}: {error}")
                    self._over = True
            finally:
                for client in clients.values():
                    client.close()

    def _wait_for_server(self) -> str:
        with self._lock:
            self._lock.wait_for(lambda: self._url or self._over)
            return "" if self._over else self._url

    def _wait_for_another(self, url: str) -> None:
        with self._lock:
            self._lock.wait_for(lambda: self._stays or self._url != url or self._over)

    def _saw(self, run_id: str, name: str, q: str) -> Seen:
        with self._lock:
            entry = self.seen.setdefault(run_id, Seen(name, q))
            self._lock.notify_all()
            return entry

    def _block(self, client: Client, name: str, q: str) -> None:
        answer = client.run(q=q)
        self._saw(answer["workflow_run_id"], name, q).answer = answer["data"]

    def _stream(self, client: Client, name: str, q: str) -> None:
        with client.streaming(q=q) as messages:
            for message in messages:
                entry = self._saw(message["workflow_run_id"], name, q)
                if message["event"] == "node_finished":
                    entry.finished[message["data"]["id"]] = time.time()
                elif message["event"] == "workflow_finished":
                    entry.ended = message["data"]

    def _follow(self, client: Client, name: str, q: str) -> None:
        run_id = client.run("async", q=q)["workflow_run_id"]
        entry = self._saw(run_id, name, q)
        with client.following(run_id) as events:
            for position, event in events:
                entry.events.append((position, event))
                if event["event"] == "node_finished":
                    entry.finished[event["execution_id"]] = time.time()


@pytest.mark.slow
@pytest.mark.every_python
def test_nothing_is_lost_and_nothing_runs_again_when_the_server_is_killed(tmp_path: Path, echo: EchoServer) -> None:
    seed = int(os.environ.get("TEST_SEED") or random.randrange(1 << 30))
    print(f"TEST_SEED={seed}")
    dice = random.Random(seed)
    apps = crash_apps(echo.url)
    keys = Command(tmp_path / "home").imported(tmp_path, {name: entry.text for name, entry in apps.items()})
    crowd = Crowd(apps, keys, seed)
    try:
        for _ in range(KILLS):
            server = Server(tmp_path / "home")
            crowd.server_is_at(server.url)
            crowd.wait_for_runs(len(crowd.seen) + dice.randrange(1, 6))
            # The moment itself is chance: anywhere in what the runs are doing now.
            threading.Event().wait(dice.uniform(0, 0.25))
            crowd.server_is_gone()
            server.kill()
    finally:
        crowd.end()
    assert not crowd.faults
    # Two of each kill, as a rule; at which moments they come is chance.
    _judge(tmp_path / "home", crowd, keys, apps, echo, least=KILLS // 4)


@pytest.mark.slow
def test_nothing_is_lost_and_nothing_runs_again_when_workers_are_killed(tmp_path: Path, echo: EchoServer) -> None:
    seed = int(os.environ.get("TEST_SEED") or random.randrange(1 << 30))
    print(f"TEST_SEED={seed}")
    dice = random.Random(seed)
    apps = crash_apps(echo.url)
    keys = Command(tmp_path / "home").imported(tmp_path, {name: entry.text for name, entry in apps.items()})
    server = Server(tmp_path / "home", settings={"JIKKO_WORKERS": "2"})
    crowd = Crowd(apps, keys, seed, stays=True)
    crowd.server_is_at(server.url)
    killed: list[int] = []
    try:
        for _ in range(KILLS // 2):
            crowd.wait_for_runs(len(crowd.seen) + dice.randrange(1, 6))
            threading.Event().wait(dice.uniform(0, 0.25))
            killed.append(_some_worker(server.url))
            os.kill(killed[-1], signal.SIGKILL)
        # One that dies while the server stops has not ended in good order, and the exit code says so.
        until(
            lambda: all(f"worker {each} was killed by signal 9" in server.output for each in killed),
            "those that were killed are missed",
        )
    finally:
        crowd.end()
        code = server.stop()
    assert not crowd.faults
    assert code == 0, server.output
    # The other half of the runs is in the other worker.
    _judge(tmp_path / "home", crowd, keys, apps, echo, least=KILLS // 8)


def _some_worker(url: str) -> int:
    """The process id of a worker: that to which the next connection leads."""
    number: int = httpx.get(f"{url}/health", verify=trusted(), timeout=PATIENCE).json()["process"]
    return number


def _judge(
    home: Path, crowd: Crowd, keys: dict[str, str], apps: dict[str, CrashApp], echo: EchoServer, *, least: int
) -> None:
    """Compare what clients saw and the echo server counted with what is in the logs.

    Args:
        least: How many runs must have been cut off.
    """
    server = Server(home)
    clients = {name: Client(server.url, key) for name, key in keys.items()}
    try:
        findings, taken_over = list[str](), 0
        for run_id, seen in crowd.seen.items():
            detail = _ended(clients[seen.app], run_id)
            log = clients[seen.app].log(run_id)
            found = _findings(detail, log, run_id, seen, apps[seen.app], echo)
            findings += [f"{run_id} ({seen.app}): {finding}" for finding in found]
            taken_over += any(event["event"] == "run_recovered" for event in log)
        unseen = set(_all_runs(clients)) - set(crowd.seen)
        findings += [
            f"{run_id}: is {record['status']}, though nobody follows it"
            for run_id in unseen
            if (record := _record(clients, run_id))["status"] not in ("succeeded", "failed")
        ]
    finally:
        for client in clients.values():
            client.close()
        code = server.stop()
    print(f"{len(crowd.seen)} runs seen by clients, {len(unseen)} more; {taken_over} were cut off")
    print(dict(Counter(seen.app for seen in crowd.seen.values())))
    assert not findings, "\n".join(findings[:20])
    assert code == 0
    # Otherwise the kills hit nothing, and the test says nothing.
    assert taken_over >= least


def _ended(client: Client, run_id: str) -> Any:
    """The detail of a run, once it has ended."""
    detail = client.detail(run_id)
    return detail if detail["finished_at"] else client.finished(run_id)


def _findings(
    detail: dict[str, Any], log: list[dict[str, Any]], run_id: str, seen: Seen, app: CrashApp, echo: EchoServer
) -> list[str]:
    """What is wrong with a run."""
    found: list[str] = []
    if detail["status"] == "failed" and POISONED in (detail["error"] or ""):
        # It had the bad luck to be killed again and again at the same node, and says so.
        pass
    elif detail["status"] != "succeeded":
        found.append(f"is {detail['status']}: {detail['error']}")
    elif detail["outputs"] != app.expected(seen.q, run_id):
        found.append(f"put out {detail['outputs']}")
    found += [
        f"was told to be {data['status']} with {data['outputs']}, and is {detail['status']}"
        for data in filter(None, (seen.answer, seen.ended))
        if (data["status"], data["outputs"]) != (detail["status"], detail["outputs"])
    ]
    found += _gaps(log)
    found += _repetitions(log)
    if [event for _, event in seen.events] != [
        {name: value for name, value in event.items() if name != "id"} for event in log[: len(seen.events)]
    ]:
        found.append("its log is not what a follower saw of it")
    if [position for position, _ in seen.events] != list(range(len(seen.events))):
        found.append("a follower saw gaps")
    found += _calls_after_the_end(run_id, seen, log, echo)
    return found


def _gaps(log: list[dict[str, Any]]) -> list[str]:
    found = []
    if [event["id"] for event in log] != list(range(len(log))):
        found.append("its log has gaps")
    if not log or log[0]["event"] != "run_started" or log[-1]["event"] != "run_finished":
        found.append("its log does not go from start to end")
    if sum(event["event"] in ("run_started", "run_finished") for event in log) != 2:
        found.append("its log begins or ends more than once")
    return found


def _repetitions(log: list[dict[str, Any]]) -> list[str]:
    found = []
    finished: set[str] = set()
    executions: dict[str, set[str]] = defaultdict(set)
    for event in log:
        if event["event"] in ("node_started", "node_attempted", "node_finished"):
            execution = event["execution_id"]
            if execution in finished:
                found.append(f"{event['event']} of {event['node_id']} after it had finished")
            executions[f"{event['node_id']} {event.get('rounds')}"].add(execution)
        if event["event"] == "node_finished":
            finished.add(event["execution_id"])
    found += [f"{place} has {len(ids)} executions" for place, ids in executions.items() if len(ids) > 1]
    return found


def _calls_after_the_end(run_id: str, seen: Seen, log: list[dict[str, Any]], echo: EchoServer) -> list[str]:
    """Nodes that called the echo server after their end was in the log, or after a client was told of it."""
    found = []
    for event in log:
        if event["event"] != "node_finished" or event["node_type"] != "http-request":
            continue
        rounds = event.get("rounds") or []
        path = f"/{run_id}/{event['node_id']}" + (f"/{rounds[-1][3]}" if rounds else "")
        calls = echo.calls(path)
        ended = min(event["at"], seen.finished.get(event["execution_id"], event["at"]))
        if not calls:
            found.append(f"{path} is said to have run, and never did")
        elif max(calls) > ended:
            found.append(f"{path} was called {max(calls) - ended:.3f} s after the node had finished")
    return found


def _all_runs(clients: dict[str, Client]) -> list[str]:
    found: list[str] = []
    for client in clients.values():
        page = 1
        while True:
            answer = client.get(f"/v1/workflows/logs?limit=100&page={page}")
            found += [entry["workflow_run"]["id"] for entry in answer["data"]]
            if not answer["has_more"]:
                break
            page += 1
    return found


def _record(clients: dict[str, Client], run_id: str) -> Any:
    for client in clients.values():
        answer = client.request("GET", f"/v1/workflows/run/{run_id}")
        if answer.status_code == 200:
            return _ended(client, run_id)
    raise AssertionError(f"{run_id} is in a list and cannot be read")
