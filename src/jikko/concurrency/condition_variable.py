"""A condition: wakes all who wait for a change."""

import asyncio

from jikko.concurrency.idle_timer import IdleTimer


class ConditionVariable:
    """Wakes all who wait, whenever it is told to. Belongs to one event loop."""

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[bool]] = []

    def notify_all(self) -> None:
        """Wake those who wait by now."""
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(True)

    async def wait(self, idle: IdleTimer | None = None) -> bool:
        """Wait for the next call of ``notify_all``. ``False``: the timer went off without."""
        # A future for each who waits, so that one that goes away takes no other along.
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        if idle is not None:
            idle.begin(_time_is_up, future)
        return await future


def _time_is_up(future: "asyncio.Future[bool]") -> None:
    if not future.done():
        future.set_result(False)
