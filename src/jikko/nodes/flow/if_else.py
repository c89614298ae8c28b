"""If-Else node: takes the branch of the first case that holds."""

from typing import ClassVar, Self

from jikko.dsl.conditions import read_cases
from jikko.dsl.fields import Fields
from jikko.lang.operators import ConditionError
from jikko.lang.variable_conditions import Case, evaluate_case
from jikko.nodes.contract import Context, NodeConfig, NodeFailure, Result
from jikko.values import Json

ELSE = "false"
"""Handle taken if no case holds."""


class IfElse(NodeConfig, frozen=True):
    """Evaluate cases in order. Source: docs/dify-behaviour.md, “If-else”."""

    type: ClassVar[str] = "if-else"
    immediate: ClassVar[bool] = True
    branching: ClassVar[bool] = True

    cases: tuple[Case, ...]

    @classmethod
    def from_dsl(cls, data: Fields) -> Self:
        return cls(cases=read_cases(data))

    async def run(self, ctx: Context) -> Result:
        conditions: list[Json] = []
        results: list[Json] = []
        selected, holds = ELSE, False
        for case in self.cases:
            try:
                outcome = evaluate_case(case, ctx.variables, ctx.recorded)
            except ConditionError as error:
                raise NodeFailure(
                    str(error), inputs={"conditions": []}, process_data={"condition_results": results}
                ) from None
            conditions = outcome.inputs
            results.append({"group": case.as_json(), "results": outcome.results, "final_result": outcome.final})
            if outcome.final:
                # A case may have the id of the else branch.
                selected, holds = case.id, True
                break
        return Result(
            inputs={"conditions": conditions},
            process_data={"condition_results": results},
            outputs={"result": holds, "selected_case_id": selected},
            handle=selected or ELSE,
        )
