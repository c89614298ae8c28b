"""Those who wait until something changes."""

import asyncio


class Waiters:
    """Wakes all who wait, whenever it is told to. Belongs to one event loop."""

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[None]] = []

    def notify(self) -> None:
        """Wake those who wait by now."""
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def change(self, seconds: float | None = None) -> bool:
        """Wait for the next call of ``notify``. ``False``: the seconds have passed without."""
        # A future for each who waits, so that one that goes away takes no other along.
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        if seconds is None:
            await future
            return True
        try:
            async with asyncio.timeout(seconds):
                await future
        except TimeoutError:
            return False
        return True
