"""End node: outputs of a workflow."""

from typing import ClassVar, Self

from jikko.dsl.fields import Fields
from jikko.nodes.contract import Context, NodeConfig, Result, Variables
from jikko.nodes.node_variables import NamedVariables, described_name, read_named, values_of
from jikko.values import UNSET, Json, Selector


class End(NodeConfig, frozen=True):
    """Collect outputs of the run; those of several end nodes are merged. Source: docs/dify-behaviour.md, “End node”."""

    type: ClassVar[str] = "end"
    immediate: ClassVar[bool] = True

    outputs: NamedVariables

    @classmethod
    def from_dsl(cls, data: Fields) -> Self:
        return cls(outputs=read_named(data, "outputs"))

    def parts(self) -> tuple[str | Selector, ...]:
        """Return the values in order, separated by line breaks. Source: docs/dify-behaviour.md, “Order of streamed
        text”."""
        found: list[str | Selector] = []
        for _, selector in self.outputs:
            if found:
                found.append("\n")
            found.append(selector)
        return tuple(found)

    async def run(self, ctx: Context) -> Result:
        variables, masked = ctx.variables, ctx.recorded
        values = values_of(self.outputs, variables)
        return Result(outputs=values, inputs=self._recorded(variables, masked, values))

    def _recorded(self, variables: Variables, masked: Variables, values: dict[str, Json]) -> dict[str, Json]:
        """Return the recorded inputs; a group of an aggregator in Dify's form.

        A secret that is passed on appears in the outputs, but is masked in the inputs, as for all nodes.
        """
        recorded = values if masked is variables else values_of(self.outputs, masked)
        for name, selector in self.outputs:
            if len(selector) == 2 and isinstance(values[name], dict):
                described = variables.get((selector[0], described_name(selector[1])))
                if described is not UNSET:
                    recorded = {**recorded, name: described}
        return recorded
