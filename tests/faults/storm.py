"""Many runs per second of many apps, one of which floods, from a client that retries until each is accepted."""

import asyncio
import itertools
import random
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Final, NamedTuple

import aiohttp

_PATIENCE: Final = 60.0
_TRY_AGAIN_SECONDS: Final = 0.1


class Accepted(NamedTuple):
    """Accepted run."""

    run: str
    app: str
    tries: int


class Storm:
    """Load generator with a steady rate, independent of earlier runs, in its own thread."""

    def __init__(self, keys: Mapping[str, str], urls: Callable[[], list[str]], flood: str, rate: float) -> None:
        """Args:
        keys: Keys of the apps, by name.
        urls: URLs of the current servers.
        flood: App of half of the runs; the others share the rest.
        rate: Runs per second."""
        self._keys = keys
        self._others = [name for name in keys if name != flood]
        self._urls = urls
        self._flood = flood
        self._rate = rate
        self.accepted: dict[str, Accepted] = {}
        """By the word given to each."""
        self.given_up: list[str] = []
        """Runs other than the flood's that no server accepted."""
        self.refused = 0
        """Refused runs of the flood, whose clients do not retry."""
        self._over = threading.Event()
        self.ended: Future[None] = Future()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def close(self) -> None:
        """Start no more runs, and wait for those not accepted yet."""
        self._over.set()
        self._thread.join(4 * _PATIENCE)
        self.ended.result(0)

    def _work(self) -> None:
        try:
            asyncio.run(self._blow())
            self.ended.set_result(None)
        except BaseException as error:
            self.ended.set_exception(error)

    async def _blow(self) -> None:
        timeout = aiohttp.ClientTimeout(total=_PATIENCE / 2)
        limits = aiohttp.TCPConnector(limit=400)
        began = time.monotonic()
        async with aiohttp.ClientSession(timeout=timeout, connector=limits) as session, asyncio.TaskGroup() as tasks:
            for number in itertools.count():
                if self._over.is_set():
                    break
                app = self._flood if number % 2 else self._others[number // 2 % len(self._others)]
                tasks.create_task(self._begin(session, app, f"{app}-{number}"))
                await asyncio.sleep(max(0.0, began + (number + 1) / self._rate - time.monotonic()))

    async def _begin(self, session: aiohttp.ClientSession, app: str, word: str) -> None:
        body = {"inputs": {"q": word}, "user": "梟", "response_mode": "async"}
        headers = {"Authorization": f"Bearer {self._keys[app]}", "Idempotency-Key": word}
        bound = time.monotonic() + 2 * _PATIENCE
        for tries in itertools.count(1):
            urls = self._urls()
            try:
                url = f"{random.choice(urls)}/v1/workflows/run"
                async with session.post(url, json=body, headers=headers) as answer:
                    if answer.status in (200, 202):
                        found = await answer.json()
                        self.accepted[word] = Accepted(str(found["workflow_run_id"]), app, tries)
                        return
                    if answer.status not in (429, 503):
                        raise AssertionError(f"{answer.status}: {await answer.text()}")
            except (aiohttp.ClientError, TimeoutError, IndexError):
                pass  # the server was killed or is cut off
            if app == self._flood:
                self.refused += 1
                return
            if time.monotonic() > bound:
                self.given_up.append(word)
                return
            # Exponential backoff; otherwise servers would receive nothing but retries.
            await asyncio.sleep(min(5.0, _TRY_AGAIN_SECONDS * 2**tries) * random.uniform(0.5, 1))
