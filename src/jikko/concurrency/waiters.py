"""Those who wait until something changes."""

import asyncio


class Waiters:
    """Wakes all who wait, whenever it is told to. Belongs to one event loop."""

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[bool]] = []

    def notify(self) -> None:
        """Wake those who wait by now."""
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(True)

    async def change(self, seconds: float | None = None) -> bool:
        """Wait for the next call of ``notify``. ``False``: the seconds have passed without."""
        # A future for each who waits, so that one that goes away takes no other along.
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bool] = loop.create_future()
        self._waiting.append(future)
        if seconds is None:
            return await future
        # Not ``asyncio.timeout``, which takes longer than all the rest: a stream waits here for each token.
        timer = loop.call_later(seconds, _time_is_up, future)
        try:
            return await future
        finally:
            timer.cancel()


def _time_is_up(future: "asyncio.Future[bool]") -> None:
    if not future.done():
        future.set_result(False)
