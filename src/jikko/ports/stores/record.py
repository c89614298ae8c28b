"""The record as a whole: all that is kept of apps and runs."""

import asyncio
from typing import Protocol

from jikko.ports.measures import RecordMeasures


class Record(Protocol):
    """What can be asked of it without regard to what is in it."""

    @property
    def measures(self) -> RecordMeasures:
        """What is counted of its transactions."""

    def try_to_write(self) -> "asyncio.Future[None]":
        """Write as every append is written, and change nothing. The future is done once that is durable.

        The future raises:
            StoreUnavailable: Nothing can be written now; why.
        """
