"""Clients of providers, created once for all callers, and again after a failure."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from jikko.ports.models import ModelFailure
from jikko.providers.config import ProviderConfig
from jikko.providers.sdk_errors import SdkClient
from tests.effort import PATIENCE

pytestmark = pytest.mark.anyio


class Maker:
    """Fails N times, then makes."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.calls = 0
        self.may_go_on = threading.Event()

    def __call__(self, *_: object) -> "Maker":
        self.calls += 1
        assert self.may_go_on.wait(PATIENCE)
        if self.calls <= self.failures:
            raise OSError("Too many open files")
        return self

    async def close(self) -> None:
        """As a client of an SDK has it."""


@pytest.fixture
def maker() -> Iterator[Maker]:
    maker = Maker(failures=1)
    yield maker
    maker.may_go_on.set()


async def test_all_who_ask_meanwhile_get_the_one_that_is_made(maker: Maker) -> None:
    maker.failures = 0
    once = SdkClient(maker, ProviderConfig(id="p", type="openai"))
    asking = [asyncio.ensure_future(once.get()) for _ in range(3)]
    await asyncio.sleep(0)  # they have asked
    maker.may_go_on.set()

    assert await asyncio.gather(*asking, once.get()) == [maker] * 4
    assert maker.calls == 1


async def test_what_could_not_be_made_is_tried_again_by_who_asks_next(maker: Maker) -> None:
    once = SdkClient(maker, ProviderConfig(id="p", type="openai"))
    asking = [asyncio.ensure_future(once.get()) for _ in range(3)]
    await asyncio.sleep(0)  # they have asked
    maker.may_go_on.set()
    results = await asyncio.gather(*asking, return_exceptions=True)

    assert all(isinstance(failure, ModelFailure) for failure in results)
    assert {str(failure) for failure in results} == {"The client of this provider cannot be made: Too many open files"}
    assert await once.get() is maker
    assert maker.calls == 2
    await once.close()
