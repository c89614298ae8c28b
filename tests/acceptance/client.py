"""Concise client of the API."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.effort import PATIENCE, trusted

_NOTHING_KEPT = "Nothing of it is kept."
"""End of the message about a start that was refused because the record takes no writes."""


class Client:
    """Client of one app, with its API key."""

    def __init__(self, url: str, key: str, user: str = "someone", *, connections: int | None = None) -> None:
        self.user = user
        self.headers = {"Authorization": f"Bearer {key}"}
        limits = httpx.Limits(max_connections=connections)
        self._http = httpx.Client(base_url=url, headers=self.headers, timeout=60, limits=limits, verify=trusted())

    def close(self) -> None:
        self._http.close()

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self._http.request(method, path, **options)

    @contextmanager
    def answering(self, method: str, path: str, **options: Any) -> Iterator[httpx.Response]:
        """Return the head of a response whose body may be endless. Leaving the block disconnects."""
        with self._http.stream(method, path, **options) as answer:
            yield answer

    def get(self, path: str, **options: Any) -> Any:
        """Return the body of a response that must be 200."""
        answer = self._http.get(path, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def body(self, mode: str, inputs: dict[str, Any]) -> dict[str, Any]:
        return {"inputs": inputs, "user": self.user, "response_mode": mode}

    def run(self, mode: str = "blocking", *, path: str = "/v1/workflows/run", **inputs: Any) -> Any:
        """Start a run, ``blocking`` or ``async``. Returns the response's body.

        A start of which nothing was kept is sent again: on a busy machine a disk may take no write for seconds.
        """
        deadline = time.monotonic() + PATIENCE
        while True:
            answer = self._http.post(path, json=self.body(mode, inputs))
            if answer.status_code != 503 or _NOTHING_KEPT not in answer.text or time.monotonic() > deadline:
                break
            time.sleep(0.2)
        assert answer.status_code == (202 if mode == "async" else 200), answer.text
        return answer.json()

    def stream(self, **inputs: Any) -> list[dict[str, Any]]:
        """Run, and return all messages of the stream."""
        with self.streaming(**inputs) as messages:
            return list(messages)

    @contextmanager
    def streaming(self, **inputs: Any) -> Iterator[Iterator[dict[str, Any]]]:
        """Run, and yield messages as they arrive. Leaving the block disconnects."""
        with self.messages("POST", "/v1/workflows/run", json=self.body("streaming", inputs)) as messages:
            yield messages

    @contextmanager
    def messages(self, method: str, path: str, **options: Any) -> Iterator[Iterator[dict[str, Any]]]:
        """Yield the messages of any stream in Dify's format."""
        with self._http.stream(method, path, **options) as answer:
            assert answer.status_code == 200, answer.read()
            assert answer.headers["content-type"].startswith("text/event-stream")
            yield (json.loads(line[6:]) for line in lines(answer) if line.startswith("data: "))

    def detail(self, run_id: str) -> Any:
        return self.get(f"/v1/workflows/run/{run_id}")

    def node_executions(self, run_id: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get(f"/v1/workflows/run/{run_id}/node-executions")["data"]
        return found

    def log(self, run_id: str) -> list[dict[str, Any]]:
        """Return the log as JSON."""
        found: list[dict[str, Any]] = self.get(f"/v1/workflows/run/{run_id}/events")["data"]
        return found

    @contextmanager
    def following(self, run_id: str, after: int | None = None) -> Iterator[Iterator[tuple[int, dict[str, Any]]]]:
        """Follow the log as a stream of positions and events; empty if no more can come."""
        headers = {"Accept": "text/event-stream"} | ({} if after is None else {"Last-Event-ID": str(after)})
        with self._http.stream("GET", f"/v1/workflows/run/{run_id}/events", headers=headers) as answer:
            assert answer.status_code in (200, 204), answer.read()
            yield numbered(lines(answer))

    def finished(self, run_id: str) -> Any:
        """Wait for the end of a run. Returns its detail."""
        with self.following(run_id) as events:
            for _ in events:
                pass
        return self.detail(run_id)


def lines(answer: httpx.Response) -> Iterator[str]:
    """Yield the lines of a stream by the standard: ``httpx`` would also split at U+2028."""
    rest = b""
    for piece in answer.iter_bytes():
        *whole, rest = (rest + piece).split(b"\n")
        yield from (line.decode() for line in whole)


def numbered(stream: Iterator[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield position and event of each message of a stream with ``id:`` lines."""
    position = -1
    for line in stream:
        if line.startswith("id: "):
            position = int(line[4:])
        elif line.startswith("data: "):
            yield position, json.loads(line[6:])
