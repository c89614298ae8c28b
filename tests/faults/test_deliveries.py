"""Calls of webhooks and a schedule, while servers, workers, the leader, PostgreSQL and NATS are killed in turn."""

import itertools
import json
import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx
import pytest

from tests.acceptance.faults import until
from tests.acceptance.processes import Command, Server
from tests.acceptance.several_servers import SeveralServers
from tests.acceptance.workflows import app, end, node, template
from tests.cluster.nats_server import NatsServer
from tests.effort import PATIENCE, trusted
from tests.faults.conftest import Keep
from tests.faults.queue import name_of
from tests.faults.table import Seen
from tests.store.postgres_server import PostgresServer, postgres_running

pytestmark = [pytest.mark.services, pytest.mark.slow]
KILLS: Final = int(os.environ.get("TEST_KILLS") or 200)
SEED: Final = int(os.environ.get("TEST_SEED") or 35)
KINDS: Final = {"leader": 4, "server": 2, "worker": 6, "PostgreSQL": 4, "NATS": 4}
"""What is killed, and how often in proportion: a server takes seconds to start."""
_SENDERS: Final = 4
APPS: Final = {
    "hook": app(
        "受信 📮",
        [
            node("hook", "trigger-webhook", method="post", body=[{"name": "n", "type": "number", "required": True}]),
            template("say", "{{ n }}", n="hook.n"),
            end(out="say.output"),
        ],
        "hook>say>end",
    ),
    "every": app(
        "毎秒",
        [
            node("clock", "trigger-schedule", mode="cron", cron_expression="@every 1s"),
            template("say", "{{ at }}", at="sys.timestamp"),
            end(out="say.output"),
        ],
        "clock>say>end",
    ),
}
_RUNS: Final = """
SELECT json_build_object('run', encode(run_id, 'hex'), 'inputs', inputs, 'status', status, 'error', error) FROM runs
"""
_TIMES: Final = """
SELECT json_build_object('run', replace(coalesce(encode(run_id, 'hex'), ''), '-', ''), 'due', due, 'count', count,
  'state', state) FROM due_times ORDER BY due
"""


class Senders:
    """Clients that send each call until a server takes it, as senders of webhooks do, with its id."""

    def __init__(self, several: SeveralServers, address: str) -> None:
        self._several = several
        self._path = f"/triggers/webhook/{address}"
        self._numbers = itertools.count()
        self._over = threading.Event()
        self.taken: list[int] = []

    @contextmanager
    def sending(self) -> Iterator[None]:
        with ThreadPoolExecutor(_SENDERS) as pool:
            jobs = [pool.submit(self._send, number) for number in range(_SENDERS)]
            try:
                yield
            finally:
                self._over.set()
        for job in jobs:
            job.result()

    def _send(self, sender: int) -> None:
        choose = random.Random(sender)
        while not self._over.wait(0.02):
            number = next(self._numbers)
            headers = {"Idempotency-Key": f"呼出 {number}".encode().hex()}
            while True:
                url = choose.choice(self._several.servers[-2:]).url
                try:
                    answer = httpx.post(
                        url + self._path, json={"n": number}, headers=headers, verify=trusted(), timeout=PATIENCE
                    )
                except httpx.TransportError:
                    # The server was killed: nobody knows whether it has taken the call.
                    if self._over.wait(0.05):
                        break
                    continue
                if answer.status_code == 200:
                    self.taken.append(number)
                    break
                assert answer.status_code in (429, 503), answer.text
                if self._over.wait(0.05):
                    break


class Killer:
    """Kills one part after the other; what was killed is started again."""

    def __init__(self, several: SeveralServers, postgres: PostgresServer, nats: NatsServer) -> None:
        self._several = several
        self._postgres = postgres
        self._nats = nats
        self.killed = Counter[str]()

    def kill(self, what: str) -> None:
        self.killed[what] += 1
        match what:
            case "leader" | "server":
                # Of two servers the older one leads, once the leader before it is gone.
                servers = self._several.servers
                one = servers.pop(-2 if what == "leader" else -1)
                one.kill()
                self.start()
            case "worker":
                self._kill_worker(self._several.servers[-1])
            case "PostgreSQL":
                self._postgres.kill()
                self._postgres.start()
            case "NATS":
                self._nats.kill()
                self._nats.start()

    def start(self) -> None:
        """One more server: something else may be coming back just now."""
        for _ in range(5):
            try:
                self._several.start("--workers", "2")
            except AssertionError:
                continue
            return
        raise AssertionError("it does not start")

    def _kill_worker(self, server: Server) -> None:
        process = httpx.get(f"{server.url}/health", verify=trusted(), timeout=PATIENCE).json()["process"]
        os.kill(process, signal.SIGKILL)


@pytest.mark.fault(35)
def test_no_call_that_was_taken_is_lost_and_nothing_runs_twice(
    tmp_path: Path, settings: dict[str, str], nats: NatsServer, seen: Keep
) -> None:
    with postgres_running() as postgres:
        url = postgres.made()
        database = name_of(url)
        settings |= {"JIKKO_DATABASE_URL": url, "JIKKO_NATS_URL": nats.url}
        several = SeveralServers(tmp_path, APPS, settings, 0)
        try:
            killer, order = Killer(several, postgres, nats), random.Random(SEED)
            killer.start()
            killer.start()
            address = postgres.execute("SELECT address FROM app_triggers WHERE kind = 'webhook'", database).strip()
            senders = Senders(several, address)
            with senders.sending():
                for number in range(KILLS):
                    before = len(senders.taken)
                    killer.kill(order.choices([*KINDS], [*KINDS.values()])[0])
                    until(lambda: len(senders.taken) > before, f"a call is taken behind kill {number}")  # noqa: B023
            assert Command(tmp_path / "operator")("triggers", "disable", "毎秒/clock", **several.settings).code == 0
            until(lambda: postgres.execute("SELECT count(*) FROM open_runs", database).strip() == "0", "all have ended")
            runs = [json.loads(line) for line in postgres.execute(_RUNS, database).splitlines() if line.strip()]
            times = [json.loads(line) for line in postgres.execute(_TIMES, database).splitlines() if line.strip()]
        finally:
            several.close()

    unlucky = [run for run in runs if "died 3 times" in (run["error"] or "")]
    assert [run for run in runs if run["status"] != 2 and run not in unlucky] == []
    called = Counter(
        json.loads(run["inputs"])["webhook_data"]["body"]["n"] for run in runs if "webhook" in run["inputs"]
    )
    assert [number for number, count in called.items() if count > 1] == []
    assert sorted(set(senders.taken) - set(called)) == []
    started = {time["run"] for time in times if time["state"] == "started"}
    clocked = {run["run"] for run in runs if "webhook" not in run["inputs"]}
    assert clocked == started
    due = [time["due"] for time in times]
    assert round(due[-1] - due[0]) + 1 == sum(time["count"] for time in times)
    kills = ", ".join(f"{count} {what}" for what, count in sorted(killer.killed.items()))
    note = f"{len(senders.taken):,} calls, {len(started):,} due times; kills: {kills}; {len(unlucky)} died 3 times"
    seen(Seen(len(senders.taken) + len(started), 0, 0, None, note))
