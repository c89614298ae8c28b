"""Answer node: text for the user of a chat."""

from typing import ClassVar, Self

from jikko.dsl.fields import Fields
from jikko.lang.templates import Template
from jikko.nodes.contract import Context, NodeConfig, Result
from jikko.values import Json, Selector, is_file


class Answer(NodeConfig, frozen=True):
    """Render a text with references. Source: docs/dify-behaviour.md, “Answer node”."""

    type: ClassVar[str] = "answer"
    immediate: ClassVar[bool] = True

    template: Template

    @classmethod
    def from_dsl(cls, data: Fields) -> Self:
        return cls(template=Template.parse(data.text("answer")))

    def parts(self) -> tuple[str | Selector, ...]:
        return self.template.parts

    async def run(self, ctx: Context) -> Result:
        files: list[Json] = []
        for selector in self.template.selectors:
            value = ctx.variables.get(selector)
            if is_file(value):
                files.append(value)
            elif isinstance(value, list):
                files += [item for item in value if is_file(item)]
        return Result(outputs={"answer": self.template.to_markdown(ctx.variables), "files": files})
