"""Variable Aggregator node: the first existing variable."""

from typing import ClassVar, Self

from jikko.dsl.fields import Fields
from jikko.events import Update
from jikko.nodes.contract import Context, NodeConfig, Result
from jikko.nodes.node_variables import described, described_name
from jikko.values import UNSET, Json, Selector


class VariableAggregator(NodeConfig, frozen=True):
    """Return the first existing variable, even if null. Source: docs/dify-behaviour.md, “Variable aggregator”.

    Skipped branches write nothing, so a list with one variable per branch joins the branches again.
    """

    type: ClassVar[str] = "variable-aggregator"
    immediate: ClassVar[bool] = True

    candidates: tuple[Selector, ...]
    groups: tuple[tuple[str, tuple[Selector, ...]], ...] | None

    @classmethod
    def from_dsl(cls, data: Fields) -> Self:
        advanced = data.mapping("advanced_settings")
        groups = None
        if advanced.boolean("group_enabled"):
            groups = tuple(
                (group.text("group_name", required=True), group.selectors("variables"))
                for group in advanced.mappings("groups")
            )
        return cls(candidates=data.selectors("variables"), groups=groups)

    async def run(self, ctx: Context) -> Result:
        outputs: dict[str, Json] = {}
        inputs: dict[str, Json] = {}
        updates: list[Update] = []
        if self.groups is None:
            for selector in self.candidates:
                value = ctx.variables.get(selector)
                if value is not UNSET:
                    recorded = value if ctx.recorded is ctx.variables else ctx.recorded.get(selector)
                    return Result(outputs={"output": value}, inputs={".".join(selector[1:]): recorded})
            return Result()
        for name, candidates in self.groups:
            for selector in candidates:
                value = ctx.variables.get(selector)
                if value is not UNSET:
                    outputs[name] = {"output": value}
                    recorded = inputs[".".join(selector[1:])] = ctx.recorded.get(selector)
                    updates.append(Update((ctx.node_id, described_name(name)), described(selector, recorded)))
                    break
        return Result(outputs=outputs, inputs=inputs, updates=tuple(updates))
