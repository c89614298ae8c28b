"""The agent of an app without a workflow that calls functions.

Source: docs/dify-behaviour.md, “Agents of apps without a workflow”.
"""

from typing import Any

from jikko.ports.agents import AgentFailure
from jikko.ports.models import Chunk, Completion, FunctionCall, PromptMessage
from jikko.strategies.app_agent import AgentRound, AppAgent, as_json, labels
from jikko.strategies.function_calling import arguments_of
from jikko.values import Json


class AppFunctionCalling(AppAgent):
    """One invocation."""

    async def run(self) -> None:
        """Ask and call until the model answers without a call.

        Raises:
            AgentFailure: There is no answer.
            LimitReached: The run's agents may not go on.
        """
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
            # Few models look at pictures and answer for tools at once: from now on a word stands for each.
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
    """The arguments of a call.

    Raises:
        AgentFailure: They are no JSON object. [QUIRK]
    """
    given = await arguments_of(call)
    if given is None:
        raise AgentFailure(f"The model called {call.name!r} with arguments that are no JSON object", kind="ValueError")
    return given
