"""Contract of ``Strategies``: Jikko's own, those of plugins, and their combination."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from jikko.ports.agents import AgentModel, NoStrategies, Strategies, StrategyCall, StrategyName
from jikko.ports.models import Abilities, Completion, ModelRequest
from jikko.ports.tools import TextMessage, ToolMessage, ToolNotFound
from jikko.strategies.strategy_service import StrategyService
from tests.effort import PATIENCE
from tests.plugins.calling import world
from tests.plugins.world import installed

pytestmark = pytest.mark.anyio

MODEL = AgentModel(provider="p", model="m", mode="chat", parameters={}, abilities=Abilities())


@dataclass
class Kind:
    """One implementation, a strategy of it, and what makes that ask its model once."""

    strategies: Strategies
    name: StrategyName
    values: dict[str, Any]

    def call(self) -> StrategyCall:
        found = self.strategies.find(self.name)
        return StrategyCall(strategy=found, values=self.values, models={"model": MODEL}, tools={"tools": ()}, key="k")


class Host:
    """An ``AgentHost`` whose model says one thing, or nothing for ever."""

    def __init__(self, says: str | None = "木曜日") -> None:
        self.says = says
        self.asked = asyncio.Event()
        self.left = asyncio.Event()

    async def complete(self, request: ModelRequest, emit: Any = None) -> Completion:
        self.asked.set()
        if self.says is None:
            try:
                await asyncio.sleep(PATIENCE)
            finally:
                self.left.set()
        return Completion(text=str(self.says))

    async def call_tool(self, name: Any, parameters: Any, emit: Any) -> None:
        raise AssertionError("no tool is called")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the stand-in."""
    home = tmp_path_factory.mktemp("installed") / "home"
    asyncio.run(installed(home))
    return home


@pytest.fixture(params=["own", "plugin", "all: own", "all: plugin"])
async def kind(request: pytest.FixtureRequest, home: Path) -> AsyncIterator[Kind]:
    asking = {"type": "llm", "request": {"provider": "p", "model": "m", "prompt_messages": []}}
    ask = StrategyName(provider="tester/stand_in/agent", strategy="ask")
    own = StrategyName(provider="langgenius/agent/agent", strategy="function_calling")
    async with world(home) as here:
        match request.param:
            case "own":
                yield Kind(StrategyService(NoStrategies()), own, {"query": "何曜日?"})
            case "plugin":
                yield Kind(here.strategies, ask, asking)
            case "all: own":
                yield Kind(StrategyService(here.strategies), own, {"query": "何曜日?"})
            case _:
                yield Kind(StrategyService(here.strategies), ask, asking)


async def test_a_strategy_is_found_with_what_it_takes(kind: Kind) -> None:
    found = kind.strategies.find(kind.name)
    assert found == kind.strategies.find(kind.name)
    assert found.name == kind.name
    kinds = {parameter.declared.name: parameter.kind for parameter in found.parameters}
    assert (kinds["model"], kinds["tools"]) == ("model", "tools")
    assert set(kind.values) <= kinds.keys()
    assert found.takes_history


@pytest.mark.parametrize(
    "name",
    [
        StrategyName(provider="nobody/nothing/agent", strategy="x"),
        StrategyName(provider="tester/stand_in/agent", strategy="not there"),
        StrategyName(provider="", strategy=""),
    ],
)
async def test_one_that_is_not_there_is_told(kind: Kind, name: StrategyName) -> None:
    with pytest.raises(ToolNotFound):
        kind.strategies.find(name)


async def test_it_asks_its_node_and_tells_what_comes_of_it(kind: Kind) -> None:
    messages: list[ToolMessage] = []
    async with asyncio.timeout(PATIENCE):
        await kind.strategies.invoke(kind.call(), Host(), messages.append)
    assert "木曜日" in "".join(one.text for one in messages if isinstance(one, TextMessage))


async def test_what_takes_the_messages_can_end_it(kind: Kind) -> None:
    class Enough(Exception):
        """Nothing more is wanted."""

    def emit(message: ToolMessage) -> None:
        raise Enough

    with pytest.raises(Enough):
        async with asyncio.timeout(PATIENCE):
            await kind.strategies.invoke(kind.call(), Host(), emit)


async def test_cancelling_ends_it_at_once_with_what_it_asked_for(kind: Kind) -> None:
    host, ignored = Host(says=None), list[ToolMessage]()
    emit: Callable[[ToolMessage], None] = ignored.append
    task = asyncio.create_task(kind.strategies.invoke(kind.call(), host, emit))
    async with asyncio.timeout(PATIENCE):
        await host.asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await host.left.wait()
