"""Reports of a server with a hanging store: concurrent callers do not wait for each other."""

import asyncio
from typing import Any

import pytest

from jikko.console.system import Facts, System
from jikko.diagnostics.diagnostic import Phrase
from jikko.errors import StoreUnavailable
from tests.effort import PATIENCE

pytestmark = pytest.mark.anyio


class Silent:
    """A ``Mending`` that fails once it is let go on."""

    def __init__(self) -> None:
        self.looks = 0
        self.is_over = asyncio.Event()

    async def look(self) -> Any:
        self.looks += 1
        await self.is_over.wait()
        raise StoreUnavailable("The database cannot be used at the moment.")


def system_of(mending: Any) -> System:
    nothing: Any = lambda: ()  # noqa: E731
    facts = Facts(
        process=nothing,
        store=nothing,
        load=nothing,
        settings=nothing,
        no_sandbox=lambda: Phrase("sandbox.platform"),
        try_sandbox=nothing,
        installation=nothing,
    )
    unused: Any = None
    return System(facts, mending, unused, unused, lambda: 0.0)


async def test_all_who_waited_are_told_of_one_failure_and_the_next_tries_again() -> None:
    silent = Silent()
    system = system_of(silent)
    asking = [asyncio.ensure_future(system.report()) for _ in range(5)]
    await asyncio.sleep(0)
    silent.is_over.set()

    async with asyncio.timeout(PATIENCE):
        told = await asyncio.gather(*asking, return_exceptions=True)
        assert [type(each) for each in told] == [StoreUnavailable] * 5
        assert silent.looks == 1

        with pytest.raises(StoreUnavailable):
            await system.report()
        assert silent.looks == 2
