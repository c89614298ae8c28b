"""Agent node: a strategy calls a model and tools until it has an answer."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from msgspec.structs import replace

from jikko.diagnostics.translations import worded
from jikko.dsl.fields import Fields
from jikko.nodes.agents.agent_outputs import AgentOutputs, Masks
from jikko.nodes.agents.agent_parameters import AgentParameter, Missing, model_of, tools_of
from jikko.nodes.agents.host import NodeHost
from jikko.nodes.contract import AgentContext, NodeConfig, NodeFailure, Result
from jikko.nodes.model.chat_memory import Memory, message_as_text, messages_with_calls, prompt_messages
from jikko.nodes.model.model_call import ModelConfig
from jikko.nodes.model.vision import Vision, all_media, files_in
from jikko.nodes.tools.conversion import NotConvertible, converted
from jikko.ports.agents import (
    AgentFailure,
    AgentModel,
    AgentTool,
    LimitReached,
    Strategy,
    StrategyCall,
    StrategyName,
    StrategyParameter,
)
from jikko.ports.models import Media, PromptMessage
from jikko.ports.node_ports import NodePorts
from jikko.ports.tools import CITATIONS, ToolFailure, ToolName, ToolNotFound
from jikko.values import Json


class AgentNode(NodeConfig, frozen=True):
    """Run an agent strategy. Source: docs/dify-behaviour.md, “Agent”."""

    type: ClassVar[str] = "agent"
    has_effects: ClassVar[bool] = True

    name: StrategyName
    parameters: tuple[AgentParameter, ...]
    memory: Memory
    vision: Vision
    """For apps without a workflow."""
    is_server_side: bool
    """Whether it is of the version whose configuration is not in files."""

    @classmethod
    def from_dsl(cls, data: Fields) -> Self:
        server_side = str(data.get("version") or "") == "2" or data.get("agent_node_kind") is not None
        listed = data.mapping("agent_parameters")
        read = (AgentParameter.read(listed, str(name)) for name in listed.raw)
        return cls(
            name=StrategyName(
                provider=data.text("agent_strategy_provider_name", required=not server_side),
                strategy=data.text("agent_strategy_name", required=not server_side),
                plugin=data.text("plugin_unique_identifier"),
            ),
            parameters=tuple(parameter for parameter in read if parameter is not None),
            memory=Memory.from_dsl(data),
            vision=Vision.from_dsl(data),
            is_server_side=server_side,
        )

    def gives(self, name: str) -> bool:
        return any(parameter.name == name for parameter in self.parameters)

    def constant(self, name: str) -> Json:
        """Return a parameter's constant; ``None`` if it is a variable or missing."""
        return next((parameter.written for parameter in self.parameters if parameter.name == name), None)

    def icon(self, ports: NodePorts) -> Json | None:
        return {"name": self.name.strategy, "icon": None}

    async def run(self, ctx: AgentContext) -> Result:
        if self.is_server_side:
            why = worded("remedy.agent_version")
            raise NodeFailure(f"This agent cannot be run by Jikko: {why}.", kind="UnsupportedNodeError")
        metadata: dict[str, Json] = {"tool_info": {"icon": None, "agent_strategy": self.name.strategy}}
        try:
            strategy = ctx.ports.strategies.find(self.name)
        except ToolNotFound as failure:
            raise NodeFailure(f"Failed to get agent strategy: {failure}", metadata=metadata) from None
        inputs = self._recorded(ctx, metadata)
        masks = Masks.of(
            ctx,
            ((parameter.value(ctx.variables), inputs[parameter.name]) for parameter in self.parameters),
            [selector for parameter in self.parameters for selector in parameter.selectors()],
        )
        outputs = AgentOutputs(
            ctx, lambda provider: ctx.ports.tools.icon(_provider(provider)), masks, in_order=strategy.of_app
        )
        host = NodeHost(ctx, outputs.flush)
        try:
            call = await self._call(ctx, strategy, outputs)
            await ctx.ports.strategies.invoke(call, host, outputs.take)
            made = await outputs.outputs()
        except (ToolFailure, LimitReached) as failure:
            outputs.flush()
            is_app = strategy.of_app
            raise NodeFailure(
                masks.masked(str(failure)) if is_app else f"Failed to invoke agent: {masks.masked(str(failure))}",
                kind=(failure.kind if isinstance(failure, AgentFailure) else type(failure).__name__) if is_app else "",
                inputs=inputs,
                usage=host.usage,
                metadata={"agent_log": outputs.log(), **metadata},
            ) from None
        except NodeFailure as failure:
            failure.inputs, failure.metadata = inputs, metadata
            raise
        used = host.usage if outputs.usage is None else outputs.usage.recorded
        return Result(
            outputs=made,
            inputs=inputs,
            usage=used,
            metadata={"agent_log": outputs.log(), **metadata},
            resources=tuple(made.pop(CITATIONS, ())) if strategy.of_app else (),
        )

    async def _history(self, ctx: AgentContext, strategy: Strategy, model: AgentModel) -> tuple[PromptMessage, ...]:
        """Return the conversation so far, as far as the model's context allows."""
        if not strategy.takes_history:
            return ()
        config = ModelConfig(model.provider, model.model, model.mode, model.parameters)
        if strategy.of_app:
            return await self._history_of_app(ctx, config, model)
        return tuple(
            PromptMessage(each.role, (each.text,)) for each in await self.memory.recall(ctx, config, with_files=False)
        )

    async def _history_of_app(
        self, ctx: AgentContext, config: ModelConfig, model: AgentModel
    ) -> tuple[PromptMessage, ...]:
        sees = self.vision.enabled and "image" in model.abilities.media
        found: list[PromptMessage] = []
        for said in await Memory.whole().recall(ctx, config, with_files=sees):
            if said.role == "user":
                found += await prompt_messages(ctx, [said], self.vision)
            elif model.abilities.tools:
                found += messages_with_calls(said)
            else:
                found.append(message_as_text(said))
        return tuple(found)

    def _recorded(self, ctx: AgentContext, metadata: Mapping[str, Json]) -> dict[str, Json]:
        """Return the recorded parameters. Raises ``NodeFailure`` if a variable does not exist."""
        try:
            return {parameter.name: parameter.value(ctx.recorded) for parameter in self.parameters}
        except Missing as missing:
            raise NodeFailure(str(missing), kind="WorkflowNodeError", metadata=metadata) from None

    async def _call(self, ctx: AgentContext, strategy: Strategy, outputs: AgentOutputs) -> StrategyCall:
        values: dict[str, Json] = {}
        models: dict[str, AgentModel] = {}
        tools: dict[str, tuple[AgentTool, ...]] = {}
        pictures: list[Media] = []
        given = {parameter.name: parameter for parameter in self.parameters}
        for parameter in strategy.parameters:
            name = parameter.declared.name
            written = given.get(name)
            value = None if written is None else written.value(ctx.variables)
            match parameter.kind:
                case "model":
                    model = model_of(value, ctx.ports.models)
                    history = await self._history(ctx, strategy, model)
                    models[name] = replace(model, history=history)
                case "tools":
                    left_out = outputs.left_out if strategy.of_app else None
                    tools[name] = await tools_of(
                        value, ctx.ports.tools, ctx.variables, app_id=ctx.run.app_id, left_out=left_out
                    )
                case "pictures":
                    shown = [file for file in files_in(value) if file.get("type") == "image"]
                    pictures += await all_media(ctx, shown, self.vision.detail if strategy.of_app else "low")
                case _:
                    _set_value(values, parameter, value)
        run = ctx.run
        return StrategyCall(
            strategy=strategy,
            values=values,
            models=models,
            tools=tools,
            pictures=tuple(pictures),
            app_id=run.app_id,
            run_id=run.run_id,
            end_user_id=run.end_user_id,
            user=run.user,
            key=ctx.idempotency_key,
        )


def _set_value(values: dict[str, Json], parameter: StrategyParameter, value: Any) -> None:
    declared = parameter.declared
    if value is None or value == "":
        value = declared.default
    if value is None:
        if declared.required:
            raise NodeFailure(f"Failed to invoke agent: the parameter {declared.name} is required and has no value.")
        return
    try:
        values[declared.name] = converted(value, declared)
    except NotConvertible as problem:
        raise NodeFailure(f"Failed to invoke agent: {problem}") from None


def _provider(name: str) -> ToolName:
    """Parse the provider of a log entry, which has no kind."""
    return ToolName(provider_type="builtin", provider=name, tool="")
