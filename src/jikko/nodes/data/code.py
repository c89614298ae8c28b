"""The Code node: a Python or JavaScript function of the user's. It runs in the sandbox."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final, Self

from jikko.concurrency.off_the_loop import let_the_loop_go_on, off_the_loop
from jikko.dsl.fields import Fields
from jikko.nodes.contract import Context, NodeFailure, Result
from jikko.nodes.data.code_outputs import OutputCheck, OutputSpec, read_outputs
from jikko.nodes.named_variables import NamedVariables, read_named, values_of
from jikko.ports.node_ports import ValueLimits
from jikko.ports.sandbox import SandboxFailure
from jikko.values import Json, has_more_elements

LANGUAGES = ("python3", "javascript")
_MAX_INLINE_ELEMENTS: Final = 1000
"""Elements of a result that are checked on the event loop; it takes a millisecond or two."""


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
            outputs = await self._checked(result, ctx.services.limits)
        except NodeFailure as failure:
            failure.inputs = recorded
            raise
        return Result(outputs=outputs, inputs=recorded)

    async def _checked(self, result: Mapping[str, Json], limits: ValueLimits) -> Mapping[str, Json]:
        if not has_more_elements(result, _MAX_INLINE_ELEMENTS):
            return OutputCheck(limits).declared(result, self.outputs)
        check = OutputCheck(limits, pause=let_the_loop_go_on)
        return await off_the_loop(lambda outputs: check.declared(result, outputs), self.outputs)
