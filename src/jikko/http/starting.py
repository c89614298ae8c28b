"""The one way by which all requests go that start runs: each is answered in time, whatever the record does."""

import math
from collections.abc import Awaitable, Callable
from typing import TypeVar

from jikko.concurrency.patience import Patience, patience
from jikko.errors import LogDamaged, StartRefused, StoreUnavailable
from jikko.http.requests import Request

T = TypeVar("T")


async def starting(request: Request, handle: Callable[[Request], Awaitable[T]]) -> T:
    """Handle a request that starts a run.

    Args:
        handle: Waits for the run by ``answers.promised``, and for nothing of it before.

    Raises:
        StartRefused: The record is known to take no writes; or the run did not become durable in time.
        StoreUnavailable: The record could not be read.
    """
    api = request.api
    if api.readiness.trouble:
        raise StartRefused(f"The run was not started: {api.readiness.trouble}. Nothing of it is kept.")
    waiting = Patience(api.settings.start_seconds or math.inf, request.left, api.readiness.start_failed)
    patience.set(waiting)
    try:
        return await handle(request)
    except StoreUnavailable as error:
        if not isinstance(error, LogDamaged):
            api.readiness.start_failed()
        raise
    finally:
        if waiting.left < math.inf:
            waiting.end()
