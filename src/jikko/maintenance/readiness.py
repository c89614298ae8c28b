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

from jikko.errors import JikkoError
from jikko.ports.stores.run_store import Record

logger = logging.getLogger(__name__)

OK: Final = "ok"
_GOOD_FOR_SECONDS: Final = 2.0
"""For which a write that succeeded is taken for the present."""
TIMEOUT_SECONDS: Final = 3.0
"""For which a write may be waited for."""
_AGAIN_SECONDS: Final = 1.0
"""Between two tries, while the record takes no writes."""
_LATELY_SECONDS: Final = 5.0
_FEW: Final = 3
"""Starts that may fail lately, if not all others do."""


class Readiness:
    """Looks when it is asked, when starts give reason to, and, while something is wrong, by itself.

    All who ask at the same time wait for the same write, and one that succeeded is good for two seconds; so what asks
    often costs no more than one every two seconds, and where nothing asks, nothing is written.
    """

    def __init__(
        self,
        record: Record,
        is_closing: Callable[[], bool],
        files: Callable[[], str] = lambda: "",
        cluster: Callable[[], str] | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        again: float = _AGAIN_SECONDS,
    ) -> None:
        """Args:
        is_closing: Whether the process is about to end.
        files: What keeps files from being written; ``""`` if nothing does.
        cluster: Of several servers, why this one cannot hear the others; ``""`` if it can, or is alone.
        again: Seconds between two tries.
        """
        self._record = record
        self._is_closing = is_closing
        self._files = files
        self._cluster = cluster
        self._monotonic = monotonic
        self._again = again
        self._good_at: float | None = None
        self._trying: asyncio.Future[None] | None = None
        self.is_leaving = False
        """Whether the process is to stop, and still serves what comes."""
        self.failure = ""
        """Why the record is known to take no writes; empty: it is not."""
        self._probing: asyncio.Task[None] | None = None
        self.succeeded = 0
        """Starts of runs that became durable."""
        """Starts that became durable."""
        self._failures: deque[tuple[float, int]] = deque(maxlen=1000)
        """Starts that failed or waited for long: when, and how many had succeeded by then."""

    async def checks(self, patience: float = TIMEOUT_SECONDS) -> dict[str, str]:
        """Everything that must hold for runs to be accepted: ``ok``, or why not, by name.
        ``patience``: seconds for which a write may be waited for."""
        accepting = "the server is shutting down" if self.is_leaving or self._is_closing() else OK
        checks = {"accepting": accepting, "record": self.failure or await self._look(patience)}
        return checks if self._cluster is None else {**checks, "cluster": self._cluster() or OK}

    def files(self) -> str:
        """``ok``, or why no files can be stored. Runs without files do not need it."""
        return self._files() or OK

    def start_failed(self) -> None:
        """One failed, since the record could not be read or written; or it has waited for another second."""
        if self._trying is None:  # else that tells
            self._failures.append((self._monotonic(), self.succeeded))
        self._suspect()

    def _suspect(self) -> None:
        """Have it found out whether the record takes writes."""
        if self._probing is None:
            self._probing = asyncio.get_running_loop().create_task(self._probe())

    async def _probe(self) -> None:
        try:
            while not self._is_closing():
                if await self._look(TIMEOUT_SECONDS) == OK:
                    return
                await asyncio.sleep(self._again)
        finally:
            self._probing = None

    async def _look(self, patience: float) -> str:
        now = self._monotonic()
        is_good = self._good_at is not None and now - self._good_at < _GOOD_FOR_SECONDS
        if is_good and self._trying is None and self._probing is None:
            return OK
        if self._trying is None:
            self._trying = self._record.try_to_write()
        trying = self._trying
        await asyncio.wait((trying,), timeout=patience)
        if not trying.done():
            late = f"the record could not be written within {patience:g} s"
            return self._noted(late) if patience >= TIMEOUT_SECONDS else late
        if self._trying is trying:
            self._trying = None
        error = None if trying.cancelled() else trying.exception()
        if trying.cancelled() or isinstance(error, JikkoError):
            # Not the whole of it: the answer needs no key, and the text has the path of the data folder.
            return self._noted("the record cannot be written", error)
        if error is not None:
            raise error
        self._good_at = self._monotonic()
        return self._noted(self._failing())

    def _failing(self) -> str:
        """``ok``, or that starts fail though a write succeeds."""
        since = self._monotonic() - _LATELY_SECONDS
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
