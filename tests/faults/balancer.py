"""What stands before several servers, and clients that never rest."""

import threading
import time

import httpx

from tests.acceptance.several_servers import SeveralServers
from tests.effort import PATIENCE


class Balancer:
    """Sends requests to servers that are ready, one after the other."""

    def __init__(self, several: SeveralServers) -> None:
        self._several = several
        self._lock = threading.Lock()
        self._count = 0
        self.out: set[str] = set()
        """Servers that get no requests: they are about to stop, as an orchestrator tells a balancer."""

    def url(self) -> str:
        with self._lock:
            self._count += 1
            urls = [server.url for server in self._several.servers if server.url not in self.out]
            return urls[self._count % len(urls)]


class Load:
    """Clients that start runs without pause: half of them wait for the end of each, which makes no calls."""

    def __init__(self, several: SeveralServers, balancer: Balancer, users: int = 8) -> None:
        self._several = several
        self._balancer = balancer
        self._over = threading.Event()
        self.users = users
        self.failed: list[str] = []
        self.runs: dict[str, str] = {}
        """Ids of runs, by the word that was given to them."""
        self._threads = [threading.Thread(target=self._use, args=(number,)) for number in range(users)]
        for thread in self._threads:
            thread.start()

    def wait_for(self, count: int) -> None:
        """Until N more runs were accepted."""
        until, bound = len(self.runs) + count, time.monotonic() + PATIENCE
        while len(self.runs) < until:
            assert not self.failed
            assert time.monotonic() < bound
            time.sleep(0.01)

    def close(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(PATIENCE)

    def _use(self, number: int) -> None:
        kind, mode = ("steps", "async") if number % 2 else ("echo", "blocking")
        headers = {"Authorization": f"Bearer {self._several.keys[kind]}"}
        with httpx.Client(headers=headers, timeout=PATIENCE) as client:
            count = 0
            while not self._over.is_set():
                word = f"{kind}-{number}-{count}"
                count += 1
                body = {"inputs": {"q": word}, "user": "someone", "response_mode": mode}
                answer = client.post(f"{self._balancer.url()}/v1/workflows/run", json=body)
                if answer.status_code not in (200, 202):
                    self.failed.append(f"{word}: {answer.status_code} {answer.text}")
                    return
                self.runs[word] = answer.json()["workflow_run_id"]
