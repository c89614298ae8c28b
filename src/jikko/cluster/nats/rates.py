"""Requests by a key, counted for all members: NATS keeps one message for each, for a minute, and refuses one more."""

import hashlib
import math
import time
from typing import Final

from nats.js.errors import APIError

from jikko.cluster.nats.link import NatsLink
from jikko.cluster.nats.refusals import TROUBLE
from jikko.cluster.nats.streams import rate_name

_FULL: Final = 10077
"""JetStream's error: the subject has as many messages as it may have."""
_MINUTE: Final = 60


async def count(link: NatsLink, key: bytes, per_minute: int) -> int:
    """See ``Cluster.count``. A request that NATS does not answer for is let through."""
    if not per_minute or not link.is_connected:
        return 0
    digest = hashlib.sha256(key).hexdigest()[:32]
    # Members of earlier versions know the rate of API keys only: all count at the same place.
    is_usual = per_minute == link.per_minute
    subject = link.names.rate(digest, None if is_usual else per_minute)
    try:
        if not is_usual:
            await link.count_at(per_minute)
        await link.keep(subject, b"")
    except APIError as error:
        stream = link.names.stream("RATE" if is_usual else rate_name(per_minute))
        return await _wait(link, stream, subject) if error.err_code == _FULL else 0
    except TROUBLE:
        return 0
    return 0


async def _wait(link: NatsLink, stream: str, subject: str) -> int:
    """Seconds until the oldest request of a key is a minute ago."""
    try:
        oldest = await link.stream.get_msg(stream, seq=1, subject=subject, next=True)
    except TROUBLE:
        return 1
    age = 0.0 if oldest.time is None else time.time() - oldest.time.timestamp()
    # The clock is another machine's.
    return min(_MINUTE, max(1, math.ceil(_MINUTE - age)))
