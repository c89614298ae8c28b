"""Fake model for tests without an event loop."""

import asyncio
import threading

from tests.providers.fake_model import Answer, FakeModel


class Model:
    """Fake model in its own thread, which outlives servers."""

    def __init__(self, answer: Answer) -> None:
        self.model = FakeModel(answer)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self.model.__aenter__(), self._loop).result(30)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self.model.__aexit__(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
