"""How late the event loop is, measured by a timer."""

import asyncio
import time

import pytest

from jikko.concurrency.scheduler import LoopLag

pytestmark = pytest.mark.anyio

STALL = 0.3


async def test_a_loop_that_stood_still_is_noticed() -> None:
    lags: list[float] = []
    lag = LoopLag(0.001, on_lag=lags.append)
    watching = asyncio.ensure_future(lag.watch())
    while not lags:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.001)

    time.sleep(STALL)  # noqa: ASYNC251 - this is what is tried
    while lag.worst < STALL / 2:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    watching.cancel()

    assert max(lags) == lag.worst >= STALL / 2
    assert min(lags) >= 0


async def test_before_the_first_look_nothing_is_known() -> None:
    assert LoopLag().worst == 0.0
