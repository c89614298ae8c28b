"""Plugins' budget of server time: measured with the test's clock."""

import asyncio

import pytest

from jikko.plugins.process.budget import SHARE, Budget, Budgets, Payer
from tests.effort import PATIENCE

pytestmark = pytest.mark.anyio


class Clock:
    """Stands still until a plugin is left alone, and then goes on by that time."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def seconds_for(budget: Budget, clock: Clock, cpu_seconds: float) -> float:
    """How long it takes to spend so much in small pieces."""
    began = clock.now
    for _ in range(1000):
        clock.now += budget.spend(cpu_seconds / 1000)
    return clock.now - began


async def test_a_plugin_costs_its_share_of_the_time_between_calls_and_a_little_more_at_once() -> None:
    clock = Clock()
    budget = Budgets(clock=clock).open()
    assert budget.spend(0.09) == 0.0
    assert seconds_for(budget, clock, 1.0) > 0.95 / SHARE
    clock.now += 3600
    assert budget.spend(0.09) == 0.0
    assert budget.spend(0.09) > 0.0


async def test_plugins_have_a_part_of_the_share_each() -> None:
    clock = Clock()
    budgets = Budgets(clock=clock)
    one, _others = budgets.open(), [budgets.open() for _ in range(9)]
    assert seconds_for(one, clock, 1.0) > 10 * 0.85 / SHARE


async def test_while_it_is_called_a_plugin_may_cost_a_quarter_of_a_core() -> None:
    clock = Clock()
    budget = Budgets(clock=clock).open()
    with budget.call(), budget.call():
        assert 3.0 < seconds_for(budget, clock, 1.0) < 4.1
    assert seconds_for(budget, clock, 1.0) > 0.95 / SHARE


async def test_a_plugin_that_is_left_alone_is_heard_at_its_next_call() -> None:
    budget = Budgets(share=1e-9).open()
    waiting = asyncio.create_task(Payer(budget).pay(1.0))
    await asyncio.sleep(0)
    assert not waiting.done()
    with budget.call():
        await asyncio.wait_for(waiting, PATIENCE)
