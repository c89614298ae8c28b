"""Bodies of answers, taken in the call that brings them."""

from collections.abc import Callable
from typing import Any, cast

import aiohttp


class ArrivingBody(aiohttp.StreamReader):
    """A body whose pieces are offered to a function as the connection brings them; what that does not take is read.

    To wake a reader for each token of a model costs a turn of the event loop, and all coroutines between it and its
    task. Ends and errors reach the reader as usual.
    """

    __slots__ = ()

    @classmethod
    def offer(cls, content: aiohttp.StreamReader, take: Callable[[bytes], bool]) -> None:
        """Offer what comes from now on, whenever the reader waits, in no task. ``take``: Returns whether it took it."""
        if type(content) is aiohttp.StreamReader:  # the empty one is shared
            body = cast(Any, content)
            # What parses the connection has made the object, which has no room for the function.
            body.__class__, body._protocol.take = cls, take
            body._http_chunk_splits = None

    @staticmethod
    def end(content: aiohttp.StreamReader, take: Callable[[bytes], bool]) -> None:
        """Offer nothing more to a function. Its connection may have another answer by now."""
        protocol: Any = getattr(content, "_protocol", None)  # an empty body has none
        if getattr(protocol, "take", None) is take:
            del protocol.take

    def feed_data(self, data: bytes, size: int = 0) -> bool:
        """See ``aiohttp``, as the next two."""
        protocol: Any = self._protocol
        waiter = self._waiter  # done, if its task was cancelled and has not run since
        if waiter is None or waiter.done() or not protocol.take(data):
            return super().feed_data(data, size)
        return False

    def begin_http_chunk_receiving(self) -> None:
        """Where chunks begin and end says nothing of events, and is not kept."""

    def end_http_chunk_receiving(self) -> None:
        """See above."""
