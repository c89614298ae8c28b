"""Rate limits of keys, whatever NATS answers, or if it does not."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from nats.js.errors import APIError

from jikko.cluster.nats import nats_cluster

pytestmark = pytest.mark.anyio


class Link:
    """A connection whose stream keeps no more of a key, and whose oldest message is as old as is said."""

    is_connected = True
    per_minute = 60

    def __init__(self, code: int, oldest: Callable[[], Any]) -> None:
        self.names = SimpleNamespace(rate=lambda key, per_minute: f"rate.{key}", stream=lambda name: name)
        self.stream = SimpleNamespace(get_msg=self._get_msg)
        self._code, self._oldest = code, oldest

    async def keep(self, subject: str, body: bytes) -> None:
        if self._code:
            raise APIError(code=400, err_code=self._code, description="it is full")

    async def _get_msg(self, stream: str, *, seq: int, subject: str, next: bool) -> Any:
        assert (stream, seq, next) == ("RATE", 1, True)
        return self._oldest()


def message(ago: float | None) -> Callable[[], Any]:
    return lambda: SimpleNamespace(time=None if ago is None else datetime.fromtimestamp(time.time() - ago, UTC))


def lost() -> Any:
    raise TimeoutError


@pytest.mark.parametrize(
    ("oldest", "seconds"),
    [
        pytest.param(message(20.5), 40, id="until it is a minute ago"),
        pytest.param(message(600), 1, id="that is over: one all the same"),
        pytest.param(message(-600), 60, id="by another clock it is yet to come"),
        pytest.param(message(None), 60, id="nobody knows when it was"),
        pytest.param(lost, 1, id="NATS does not answer"),
    ],
)
async def test_a_client_waits_until_its_oldest_request_is_a_minute_ago(oldest: Any, seconds: int) -> None:
    link: Any = Link(10077, oldest)

    assert await nats_cluster.count(link, b"key", 60) == seconds


@pytest.mark.parametrize("code", [0, 10076])
async def test_a_request_that_is_kept_or_that_nats_refuses_for_another_reason_is_let_through(code: int) -> None:
    link: Any = Link(code, message(20))

    assert await nats_cluster.count(link, b"key", 60) == 0


async def test_without_nats_every_request_is_let_through() -> None:
    link: Any = Link(10077, message(20))
    link.is_connected = False

    assert await nats_cluster.count(link, b"key", 60) == 0
