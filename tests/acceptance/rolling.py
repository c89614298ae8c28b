"""Load balancer and clients during a rolling update of several servers."""

import asyncio
import itertools
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future

import aiohttp

from tests.acceptance.several_servers import SeveralServers
from tests.effort import PATIENCE


class Balancer:
    """Round-robin load balancer over ready servers."""

    def __init__(self, several: SeveralServers) -> None:
        self._several = several
        self._count = itertools.count()
        self.out: set[str] = set()
        """Drained servers: they are about to stop, as an orchestrator tells a load balancer."""

    def url(self) -> str:
        urls = [server.url for server in list(self._several.servers) if server.url not in self.out]
        return urls[next(self._count) % len(urls)]


class Load:
    """Clients that start runs, in a single thread: the CPUs are for the servers."""

    def __init__(
        self, several: SeveralServers, balancer: Balancer, kinds: Iterable[tuple[str, str]], rate: float = 0.0
    ) -> None:
        """Args:
        kinds: App and mode (``blocking`` or ``async``) of each client.
        rate: Total runs per second, as far as the servers keep up; 0 for no limit."""
        self._several = several
        self._balancer = balancer
        self._kinds = list(kinds)
        self._rate = rate
        self._over = threading.Event()
        self.failed: list[str] = []
        self._accepted = [0] * len(self._kinds)
        """Accepted runs of each client."""
        self.runs: dict[str, str] = {}
        """Run ids by the word given to each, which begins with its app."""
        self._began = time.monotonic()
        self.reached = 0.0
        """Runs per second, after the end."""
        self._ended: Future[None] = Future()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def wait_for(self, count: int) -> None:
        """Wait until ``count`` more runs were accepted."""
        wanted = len(self.runs) + count
        self._until(lambda: len(self.runs) >= wanted)

    def wait_for_each(self) -> None:
        """Wait until each client had one more run accepted: then no earlier request is in progress."""
        before = list(self._accepted)
        self._until(lambda: all(now > then for now, then in zip(self._accepted, before, strict=True)))

    def _until(self, holds: Callable[[], bool]) -> None:
        bound = time.monotonic() + PATIENCE
        while not holds():
            assert not self.failed
            assert not self._ended.done()
            assert time.monotonic() < bound
            time.sleep(0.01)

    def close(self) -> None:
        """Start no more runs, and wait for pending responses."""
        self._over.set()
        self.reached = len(self.runs) / (time.monotonic() - self._began)
        self._thread.join(2 * PATIENCE)
        self._ended.result(0)

    def _work(self) -> None:
        try:
            asyncio.run(self._use_all())
            self._ended.set_result(None)
        except BaseException as error:
            self._ended.set_exception(error)

    async def _use_all(self) -> None:
        timeout = aiohttp.ClientTimeout(total=PATIENCE)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            uses = (self._use(session, number, *kind) for number, kind in enumerate(self._kinds))
            await asyncio.gather(*uses)

    async def _use(self, session: aiohttp.ClientSession, number: int, app: str, mode: str) -> None:
        headers = {"Authorization": f"Bearer {self._several.keys[app]}"}
        for count in itertools.count():
            if self._rate:
                at = self._began + count * len(self._kinds) / self._rate
                await asyncio.sleep(max(0.0, at - time.monotonic()))
            if self._over.is_set():
                return
            word = f"{app}-{number}-{count}"
            body = {"inputs": {"q": word}, "user": "someone", "response_mode": mode}
            url = f"{self._balancer.url()}/v1/workflows/run"
            try:
                async with session.post(url, json=body, headers=headers) as answer:
                    if answer.status in (200, 202):
                        self.runs[word] = (await answer.json())["workflow_run_id"]
                        self._accepted[number] += 1
                        continue
                    self.failed.append(f"{word}: {answer.status} {await answer.text()}")
            except (aiohttp.ClientError, TimeoutError) as error:
                self.failed.append(f"{word}: {error!r}")
            return
