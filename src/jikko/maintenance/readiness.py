"""Readiness: whether this process accepts runs, for those who decide whether to send it requests, and for starts
themselves.

==========  ==========================================================  ============================================
state       what it means                                               what comes next
==========  ==========================================================  ============================================
ready       the last write succeeded, or nothing was written lately     suspected, when a start waits for long or
                                                                        fails; failing, when a write that was asked
                                                                        for (``checks``) fails or is late
suspected   a write is tried, in its turn behind all that wait          ready; failing, if it fails, if it takes
                                                                        ``TIMEOUT_SECONDS``, or if starts wait or
                                                                        fail all the same
failing     starts are refused at once, and a write is tried a second   ready, with the first that succeeds, unless
            behind each that failed                                     starts failed or waited in the last seconds
==========  ==========================================================  ============================================

So one slow write changes nothing: it is done before the one that is tried, and that is done in time.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from msgspec import Struct, field

from jikko.errors import JikkoError
from jikko.ports.stores.run_store import Record

logger = logging.getLogger(__name__)

OK: Final = "ok"
_GOOD_FOR_SECONDS: Final = 2.0
"""Seconds for which a successful write counts as current."""
TIMEOUT_SECONDS: Final = 3.0
"""Timeout of a write."""
_RETRY_INTERVAL_SECONDS: Final = 1.0
"""Interval of attempts while the record takes no writes."""
_LATELY_SECONDS: Final = 5.0
_FEW: Final = 3
"""Recent failed starts that are tolerated, unless all fail."""


class Readiness(Struct, eq=False):
    """Probes the record on request, when starts give reason to, and periodically while something is wrong.

    Concurrent requests share one write, and a successful one is good for two seconds: frequent probes cost at most one
    write every two seconds, and without probes nothing is written.
    """

    record: Record
    is_closing: Callable[[], bool]
    """Whether the process is about to end."""
    _files: Callable[[], str] = lambda: ""
    """Why files cannot be stored; ``""`` if they can."""
    cluster: Callable[[], str] | None = None
    """Why this server cannot hear the others; ``""`` if it can, or is alone."""
    monotonic: Callable[[], float] = time.monotonic
    again: float = _RETRY_INTERVAL_SECONDS
    """Interval of attempts, in seconds."""
    _good_at: float | None = None
    _trying: asyncio.Future[None] | None = None
    is_leaving: bool = False
    """Whether the process is to stop, but still serves."""
    failure: str = ""
    """Why the record takes no writes; empty if it does, or is not known to fail."""
    _probing: asyncio.Task[None] | None = None
    succeeded: int = 0
    """Starts of runs that became durable."""
    _failures: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=1000))
    """Starts that failed or were slow: time, and the count of successes by then."""

    async def checks(self, patience: float = TIMEOUT_SECONDS) -> dict[str, str]:
        """Return all conditions for accepting runs by name: ``ok``, or why not. ``patience``: Timeout of a write, in
        seconds."""
        accepting = "the server is shutting down" if self.is_leaving or self.is_closing() else OK
        checks = {"accepting": accepting, "record": self.failure or await self._look(patience)}
        return checks if self.cluster is None else {**checks, "cluster": self.cluster() or OK}

    def files(self) -> str:
        """Return ``ok``, or why files cannot be stored. Runs without files do not need it."""
        return self._files() or OK

    def start_failed(self) -> None:
        """Note a start that failed on the record, or waited another second for it."""
        if self._trying is None:  # otherwise the running attempt will tell
            self._failures.append((self.monotonic(), self.succeeded))
        self._suspect()

    def _suspect(self) -> None:
        """Find out whether the record takes writes."""
        if self._probing is None:
            self._probing = asyncio.get_running_loop().create_task(self._probe())

    async def _probe(self) -> None:
        try:
            while not self.is_closing():
                if await self._look(TIMEOUT_SECONDS) == OK:
                    return
                await asyncio.sleep(self.again)
        finally:
            self._probing = None

    async def _look(self, patience: float) -> str:
        now = self.monotonic()
        is_good = self._good_at is not None and now - self._good_at < _GOOD_FOR_SECONDS
        if is_good and self._trying is None and self._probing is None:
            return OK
        if self._trying is None:
            self._trying = self.record.try_to_write()
        trying = self._trying
        await asyncio.wait((trying,), timeout=patience)
        if not trying.done():
            late = f"the record could not be written within {patience:g} s"
            return self._noted(late) if patience >= TIMEOUT_SECONDS else late
        if self._trying is trying:
            self._trying = None
        error = None if trying.cancelled() else trying.exception()
        if trying.cancelled() or isinstance(error, JikkoError):
            # Abridged: the endpoint needs no key, and the text contains the path of the data folder.
            return self._noted("the record cannot be written", error)
        if error is not None:
            raise error
        self._good_at = self.monotonic()
        return self._noted(self._failing())

    def _failing(self) -> str:
        """Return ``ok``, or that starts fail although writes succeed."""
        since = self.monotonic() - _LATELY_SECONDS
        while self._failures and self._failures[0][0] < since:
            self._failures.popleft()
        failed = len(self._failures)
        of = failed + self.succeeded - self._failures[0][1] if failed else 0
        return "starts fail, though the record can be written" if failed >= _FEW and failed * 2 >= of else OK

    def _noted(self, found: str, error: BaseException | None = None) -> str:
        before, self.failure = self.failure, "" if found == OK else found
        if self.failure:
            self._suspect()
        if self.failure and not before:
            logger.error("runs are not accepted: %s", error or found)
        elif before and not self.failure:
            logger.info("runs are accepted again")
        return found
