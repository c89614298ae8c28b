"""Strategy registry of an installation: implementation of ``ports.agents.Strategies`` for nodes.

Source of the agent of an app: docs/dify-behaviour.md, “Agents of apps without a workflow”.
"""

from collections.abc import Callable
from typing import Any

from jikko.diagnostics.diagnostic import Phrase
from jikko.ports.agents import AGENT_PROVIDER, AgentFailure, AgentHost, Strategies, Strategy, StrategyCall, StrategyName
from jikko.ports.models import Chunk, Completion, FunctionCall, PromptMessage
from jikko.ports.tools import ToolMessage, ToolNotFound
from jikko.strategies import app_agent
from jikko.strategies.app_agent import AgentRound, AppAgent, as_json, labels
from jikko.strategies.function_calling import NAME, FunctionCalling, arguments_of, is_meant, strategy
from jikko.strategies.react import ReAct
from jikko.values import Json


class StrategyService:
    """Strategies of plugins, and built-in function calling where the plugin is missing. Implements ``Strategies``."""

    def __init__(self, plugins: Strategies) -> None:
        self._plugins = plugins

    def find(self, name: StrategyName) -> Strategy:
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
        if call.strategy.of_app:
            # A model with function calling uses it, whatever the file says.
            by_calls = call.models["model"].abilities.tools or call.strategy.name.strategy != app_agent.REACT
            await (AppFunctionCalling if by_calls else ReAct)(call, host, emit).run()
        elif call.strategy.plugin is None:
            await FunctionCalling(call, host, emit).run()
        else:
            await self._plugins.invoke(call, host, emit)


class AppFunctionCalling(AppAgent):
    """One invocation."""

    async def run(self) -> None:
        """Loop until the model calls no tool. Raises ``AgentFailure``: no answer; ``LimitReached``."""
        system = [PromptMessage("system", (f"{self.instruction}\n",))] if self.instruction else []
        before = [*system, *self.model.history]
        pictures: Any = self.pictures
        asked = PromptMessage("user", (*pictures, self.query))
        later: list[PromptMessage] = []
        texts: list[str] = []
        for number in range(1, self.rounds + 1):
            is_last = number == self.rounds
            one = self.round(number)
            completion = await self._asked(one, [*before, asked, *later], is_last=is_last)
            texts.append(completion.text)
            if not completion.tool_calls:
                one.tell(thought=completion.text, is_over=True)
                break
            calls = [(call, await _arguments(call)) for call in completion.tool_calls]
            names = [call.name for call, _ in calls]
            one.tell(
                thought=completion.text,
                tool=";".join(names),
                tool_labels=labels(names),
                tool_input=as_json({call.name: given for call, given in calls}),
            )
            if is_last:
                raise self.exceeded()
            later.append(
                PromptMessage(
                    "assistant", (completion.text,) if completion.text else (), tuple(call for call, _ in calls)
                )
            )
            later += await self._answers(one, calls)
            # Few models accept pictures together with tool answers: from now on a word stands for each.
            asked = PromptMessage("user", ("\n".join([*("[image]" for _ in pictures), self.query]),))
        self.end("\n".join(texts))

    async def _asked(self, one: AgentRound, messages: list[PromptMessage], *, is_last: bool) -> Completion:
        began = False

        def show(chunk: Chunk) -> None:
            nonlocal began
            if not began:
                began = True
                one.tell()
            self.say(chunk.text)

        able = self.model.abilities.tools and not is_last
        completion = await self.ask(messages, show, tools=self.functions if able else ())
        if not began:
            one.tell()
        return completion

    async def _answers(self, one: AgentRound, calls: list[tuple[FunctionCall, dict[str, Json]]]) -> list[PromptMessage]:
        answers: dict[str, Json] = {}
        files: list[Json] = []
        messages = []
        for call, given in calls:
            answers[call.name] = answer = await self.called(call.name, given, files)
            messages.append(PromptMessage("tool", (answer,), tool_call_id=call.id))
        one.tell(observation=as_json(answers), files=files, is_over=True)
        return messages


async def _arguments(call: FunctionCall) -> dict[str, Json]:
    """Parse the arguments of a call. Raises ``AgentFailure`` unless they are a JSON object. [QUIRK]"""
    given = await arguments_of(call)
    if given is None:
        raise AgentFailure(
            f"The model called {call.name!r} with arguments that are not a JSON object", kind="ValueError"
        )
    return given
