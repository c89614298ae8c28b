"""Template node: renders a Jinja2 template in the sandbox."""

from typing import ClassVar, Self

from jikko.dsl.fields import Fields
from jikko.nodes.contract import Context, NodeConfig, NodeFailure, Result
from jikko.nodes.node_variables import NamedVariables, read_named, values_of
from jikko.ports.sandbox import SandboxFailure
from jikko.values import is_file


class TemplateTransform(NodeConfig, frozen=True):
    """Render a template; missing variables are null. Source: docs/dify-behaviour.md, “Template node”."""

    type: ClassVar[str] = "template-transform"

    template: str
    variables: NamedVariables

    @classmethod
    def from_dsl(cls, data: Fields) -> Self:
        return cls(template=data.text("template"), variables=read_named(data, "variables"))

    async def run(self, ctx: Context) -> Result:
        values = values_of(self.variables, ctx.variables)
        recorded = values if ctx.recorded is ctx.variables else values_of(self.variables, ctx.recorded)
        if any(is_file(value) for value in values.values()):
            # As recorded: Dify 1.15 cannot pass a file to a template, only a list of files.
            raise NodeFailure("Type is not JSON serializable: File")
        try:
            text = await ctx.ports.sandbox.render(self.template, values, app_id=ctx.run.app_id)
        except SandboxFailure as failure:
            raise NodeFailure(str(failure), inputs=recorded) from None
        limit = ctx.ports.limits.max_text
        if len(text) > limit:
            raise NodeFailure(
                f"Output length exceeds the limit of {limit} characters (set by JIKKO_MAX_TEXT).", inputs=recorded
            )
        return Result(outputs={"output": text}, inputs=recorded)
