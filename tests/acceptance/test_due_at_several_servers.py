"""Due work happens once, whichever of several servers is killed or frozen and resumed."""

import asyncio
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jikko.events import FormRequested
from jikko.store.event_codec import compress, encode_events
from jikko.store.postgres.database import Connection, Postgres
from jikko.store.postgres.runs.frames import frame_of
from jikko.store.postgres.runs.run_store import PostgresRunStore
from jikko.store.postgres.sql import id_column
from tests.acceptance.everything import until
from tests.acceptance.processes import Command
from tests.acceptance.several_servers import SeveralServers
from tests.acceptance.test_several_servers import require_one_history
from tests.acceptance.workflows import ASKS, ECHO
from tests.effort import PATIENCE

pytestmark = [pytest.mark.services, pytest.mark.slow]


class SlowReceiver:
    """Takes callbacks. The first of each run waits until it is let go, and is refused then; all others are taken."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        """The ids of messages that were taken."""
        self.waiting: list[str] = []
        self.released: list[str] = []
        """The ids of messages whose sender has closed the connection: it has the answer, or wants it no more."""
        self.go_on = threading.Event()
        self._lock = threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                message = self.headers["webhook-id"]
                status = receiver.answer(message)
                try:
                    self.send_response(status)
                    self.send_header("content-length", "0")
                    self.send_header("connection", "close")
                    self.end_headers()
                    self.rfile.read()
                except OSError:
                    pass  # who asked was killed
                if status != 200:
                    receiver.released.append(message)

            def log_message(self, format: str, *args: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def answer(self, message: str) -> int:
        with self._lock:
            if message in self.waiting:
                self.taken.append(message)
                return 200
            self.waiting.append(message)
        self.go_on.wait(PATIENCE)
        return 500

    def close(self) -> None:
        self.go_on.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def several(tmp_path: Path, several_settings: dict[str, str]) -> Iterator[SeveralServers]:
    made = SeveralServers(tmp_path, {"asks": ASKS, "echo": ECHO}, several_settings, count=2)
    yield made
    made.close()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_the_other_server_does_what_the_leader_was_to_do(
    several: SeveralServers, tmp_path: Path, how: signal.Signals
) -> None:
    leader, other = several.servers
    asks, echo = several.client("asks", other), several.client("echo", other)
    run = asks.run("async", q="?")["workflow_run_id"]
    until(lambda: asks.detail(run)["status"] == "paused")
    with closing(SlowReceiver()) as receiver:
        body = {**echo.body("async", {"q": "!"}), "callback_url": receiver.url}
        reported = echo.request("POST", "/v1/workflows/run", json=body).json()["workflow_run_id"]
        message = f"msg_{reported}"
        until(lambda: receiver.waiting == [message])

        leader.send(how)
        asyncio.run(make_due(several.settings["JIKKO_DATABASE_URL"], run))

        assert asks.finished(run)["status"] == "succeeded"
        until(lambda: receiver.taken == [message])
        until(lambda: undelivered(tmp_path, several) == [])
        if how == signal.SIGSTOP:
            leader.send(signal.SIGCONT)
            receiver.go_on.set()
            # Its attempt of before has failed, as far as it knows, or it leads no more before it has the answer.
            until(lambda: receiver.released == [message])
            again = several.client("asks", leader)
            assert again.detail(run)["status"] == "succeeded"
            assert undelivered(tmp_path, several) == []
        assert receiver.taken == [message]
    closed = [event for event in require_one_history(asks, run) if event["event"] == "form_closed"]
    assert [event["action_id"] for event in closed] == [None]


def undelivered(folder: Path, several: SeveralServers) -> list[dict[str, Any]]:
    outcome = Command(folder / "operator")("callbacks", "list", "--json", **several.settings)
    assert outcome.code == 0, outcome
    return outcome.lines


async def make_due(url: str, run: str) -> None:
    """Have the time of a form be up, of a run that waits for it: no form has less than an hour."""
    database = Postgres(url)
    store = PostgresRunStore(database)
    now = time.time()
    events = [
        msgspec.structs.replace(event, expires_at=now) if isinstance(event, FormRequested) else event
        for event in await store.events(run)
    ]

    async def change(connection: Connection) -> None:
        stored = id_column(run)
        await connection.execute("UPDATE open_runs SET wake_at = $1 WHERE run_id = $2", now, stored)
        await connection.execute("DELETE FROM open_log WHERE run_id = $1", stored)
        frame = frame_of(compress(encode_events(events)))
        await connection.execute("INSERT INTO open_log (run_id, position, frame) VALUES ($1, 0, $2)", stored, frame)

    await database.transact(change)
    await store.close()
    await database.close()
