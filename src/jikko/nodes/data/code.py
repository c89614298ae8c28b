"""The Code node: a Python or JavaScript function of the user's. It runs in the sandbox."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from jikko.dsl.fields import Fields
from jikko.nodes.contract import Context, NodeFailure, Result
from jikko.nodes.data.code_outputs import OutputCheck, OutputSpec, floats_from_scientific, read_outputs
from jikko.nodes.named_variables import NamedVariables, read_named, values_of
from jikko.ports.sandbox import SandboxFailure

LANGUAGES = ("python3", "javascript")


@dataclass(frozen=True, slots=True)
class Code:
    """Call the program's ``main`` with some variables, and check what it returns.

    A variable that does not exist is null, and so is an empty list of files.

    Source: Dify 1.15, spec/nodes.md, code.
    """

    type: ClassVar[str] = "code"
    immediate: ClassVar[bool] = False
    branching: ClassVar[bool] = False

    language: str
    code: str
    variables: NamedVariables
    outputs: Mapping[str, OutputSpec]

    @classmethod
    def from_dsl(cls, data: Fields) -> Self:
        if data.get("outputs") is None:
            data.problem("outputs", "is missing", "declare what the code returns; {} if nothing")
        return cls(
            language=data.choice("code_language", LANGUAGES, "python3"),
            code=data.text("code", required=True),
            variables=read_named(data, "variables"),
            outputs=read_outputs(data, "outputs"),
        )

    async def run(self, ctx: Context) -> Result:
        arguments = values_of(self.variables, ctx.variables)
        recorded = arguments if ctx.recorded is ctx.variables else values_of(self.variables, ctx.recorded)
        try:
            result = await ctx.services.sandbox.run_code(self.language, self.code, arguments, app_id=ctx.run.app_id)
        except SandboxFailure as failure:
            raise NodeFailure(str(failure), kind=failure.kind, inputs=recorded) from None
        try:
            outputs = OutputCheck(ctx.services.limits).declared(floats_from_scientific(result), self.outputs)
        except NodeFailure as failure:
            failure.inputs = recorded
            raise
        return Result(outputs=outputs, inputs=recorded)
