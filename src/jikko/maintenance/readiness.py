"""Whether this process accepts runs, for those who decide whether to send it requests."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

from jikko.errors import JikkoError
from jikko.ports.stores.record import Record

logger = logging.getLogger(__name__)

OK: Final = "ok"
_GOOD_FOR_SECONDS: Final = 2.0
"""For which a write that succeeded is taken for the present."""
PATIENCE_SECONDS: Final = 5.0
"""For which a write may be waited for."""


class Readiness:
    """Looks when it is asked: a write is tried if the last one that succeeded is older than two seconds.

    All who ask at the same time wait for the same write; so what asks often costs no more than one every two seconds,
    and where nothing asks, nothing is written.
    """

    def __init__(
        self,
        record: Record,
        is_closing: Callable[[], bool],
        files: Callable[[], str] = lambda: "",
        cluster: Callable[[], str] | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Args:
        is_closing: Whether the process is about to end.
        files: What keeps files from being written; ``""`` if nothing does.
        cluster: Of several servers, why this one cannot hear the others; ``""`` if it can, or is alone.
        """
        self._record = record
        self._is_closing = is_closing
        self._files = files
        self._cluster = cluster
        self._monotonic = monotonic
        self._good_at: float | None = None
        self._trying: asyncio.Future[None] | None = None
        self._was = OK

    async def checks(self, patience: float = PATIENCE_SECONDS) -> dict[str, str]:
        """Everything that must hold for runs to be accepted: ``ok``, or why not, by name.

        Args:
            patience: Seconds for which a write may be waited for.
        """
        accepting = "the server is shutting down" if self._is_closing() else OK
        checks = {"accepting": accepting, "record": await self._look(patience)}
        return checks if self._cluster is None else {**checks, "cluster": self._cluster() or OK}

    def files(self) -> str:
        """``ok``, or why no files can be stored. Runs without files do not need it."""
        return self._files() or OK

    async def _look(self, patience: float) -> str:
        now = self._monotonic()
        if self._trying is None and self._good_at is not None and now - self._good_at < _GOOD_FOR_SECONDS:
            return OK
        if self._trying is None:
            self._trying = self._record.try_to_write()
        trying = self._trying
        await asyncio.wait((trying,), timeout=patience)
        if not trying.done():
            return self._noted(f"the record could not be written within {patience:g} s")
        if self._trying is trying:
            self._trying = None
        error = None if trying.cancelled() else trying.exception()
        if trying.cancelled() or isinstance(error, JikkoError):
            # Not the whole of it: the answer needs no key, and the text has the path of the data folder.
            return self._noted("the record cannot be written", error)
        if error is not None:
            raise error
        self._good_at = self._monotonic()
        return self._noted(OK)

    def _noted(self, is_now: str, error: BaseException | None = None) -> str:
        """Log what has changed."""
        if is_now != self._was:
            self._was = is_now
            if is_now == OK:
                logger.info("runs are accepted again")
            else:
                logger.error("runs are not accepted: %s", error or is_now)
        return is_now
