"""All strategies of an installation: the implementation of ``ports.agents.Strategies`` that nodes have."""

from collections.abc import Callable

from jikko.diagnostics.diagnostic import Phrase
from jikko.ports.agents import AGENT_PROVIDER, AgentHost, Strategies, Strategy, StrategyCall, StrategyName
from jikko.ports.tools import ToolMessage, ToolNotFound
from jikko.strategies import app_agent
from jikko.strategies.app_function_calling import AppFunctionCalling
from jikko.strategies.function_calling import NAME, FunctionCalling, is_meant, strategy
from jikko.strategies.react import ReAct
from jikko.values import Json


class StrategyService:
    """Those of plugins; where the plugin is not installed, Jikko's own function calling."""

    def __init__(self, plugins: Strategies) -> None:
        self._plugins = plugins

    def icon(self, name: StrategyName) -> Json | None:
        """See ``Strategies.icon``."""
        return self._plugins.icon(name)

    def find(self, name: StrategyName) -> Strategy:
        """See ``Strategies.find``."""
        if name.provider == app_agent.PROVIDER:
            return app_agent.strategy(name)
        try:
            return self._plugins.find(name)
        except ToolNotFound as failure:
            if is_meant(name):
                return strategy(name)
            if name.provider == AGENT_PROVIDER:
                own = Phrase("remedy.own_strategy", {"name": NAME, "other": failure.remedy or ""})
                raise ToolNotFound(failure.what, own) from None
            raise

    async def invoke(self, call: StrategyCall, host: AgentHost, emit: Callable[[ToolMessage], None]) -> None:
        """See ``Strategies.invoke``."""
        if call.strategy.of_app:
            # A model that can call functions does, whatever the file says.
            by_calls = call.models["model"].abilities.tools or call.strategy.name.strategy != app_agent.REACT
            await (AppFunctionCalling if by_calls else ReAct)(call, host, emit).run()
        elif call.strategy.plugin is None:
            await FunctionCalling(call, host, emit).run()
        else:
            await self._plugins.invoke(call, host, emit)

    async def close(self) -> None:
        """See ``Strategies.close``."""
        await self._plugins.close()
