"""Waiting for a condition, in one event loop."""

import asyncio

import pytest

from jikko.concurrency.alarm import ConditionVariable

pytestmark = pytest.mark.anyio


async def test_those_who_are_woken_first_go_on_before_the_others_in_the_order_in_which_they_came() -> None:
    changed, woken = ConditionVariable(), []

    async def wait(name: str) -> None:
        await changed.wait(first=name.startswith("node"))
        woken.append(name)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(2):
            for name in ("client", "node 1", "client 漢", "node 2"):
                tasks.create_task(wait(name))
            await asyncio.sleep(0)
            changed.notify_all()
            await asyncio.sleep(0)
    assert woken == ["node 1", "node 2", "client", "client 漢"] * 2
