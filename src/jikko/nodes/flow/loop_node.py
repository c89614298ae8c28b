"""Loop node: repeats its body until a condition holds."""

from collections.abc import Mapping
from typing import ClassVar, Self

from msgspec import Struct

from jikko.diagnostics.diagnostic import Phrase
from jikko.dsl.conditions import read_conditions, read_logical_operator
from jikko.dsl.declared_variables import fits
from jikko.dsl.fields import Fields, as_selector
from jikko.events import Usage
from jikko.lang.operators import ConditionError
from jikko.lang.variable_conditions import Case, evaluate_case
from jikko.nodes.contract import (
    ContainerContext,
    NodeConfig,
    NodeFailure,
    Result,
    RoundOutcome,
    Values,
    container_metadata,
    total,
)
from jikko.values import UNSET, Json, Selector, json_value

VARIABLE_TYPES = tuple("string number object boolean array[string] array[number] array[object] array[boolean]".split())


class LoopVariable(Struct, frozen=True):
    """Variable shared by the rounds of a loop."""

    label: str
    type: str
    selector: Selector | None
    """Source of its initial value; ``None`` for a constant."""
    constant: Json

    @classmethod
    def read(cls, data: Fields) -> Self:
        kind = data.choice("var_type", VARIABLE_TYPES, "string")
        label = data.text("label", required=True)
        value = data.get("value")
        if data.choice("value_type", ("constant", "variable"), "constant") == "variable":
            selector = as_selector(value)
            if not selector:
                data.problem("value", Phrase("document.no_selector"), Phrase("remedy.selector"))
            return cls(label, kind, selector or (), None)
        variable = cls(label, kind, None, _constant(kind, value))
        if not variable.fits:
            data.problem(
                "value", Phrase("document.loop_type", {"type": kind}), Phrase("remedy.list_elements"), fatal=False
            )
        return variable

    @property
    def fits(self) -> bool:
        """Return whether a constant fits the type. Variables are not checked."""
        return self.selector is not None or fits(self.constant, self.type)


class Loop(NodeConfig, frozen=True):
    """Run the body up to ``count`` times, with variables that it can change. Source: docs/dify-behaviour.md, “Loop”."""

    type: ClassVar[str] = "loop"
    isolated: ClassVar[bool] = False

    start_node_id: str
    count: int
    until: Case
    variables: tuple[LoopVariable, ...]

    @classmethod
    def from_dsl(cls, data: Fields) -> Self:
        return cls(
            start_node_id=data.text("start_node_id"),
            count=data.integer("loop_count", minimum=0),
            until=Case("break", read_logical_operator(data), read_conditions(data, "break_conditions")),
            variables=tuple(LoopVariable.read(entry) for entry in data.mappings("loop_variables")),
        )

    async def run(self, ctx: ContainerContext) -> Result:
        first: dict[str, Json] = {}
        recorded: dict[str, Json] = {}
        for variable in self.variables:
            value: Json = variable.constant
            if not variable.fits:
                raise NodeFailure(
                    f"The value of loop variable {variable.label} is not of type {variable.type}.",
                    kind="WorkflowNodeError",
                )
            if variable.selector is not None:
                value = ctx.variables.get(variable.selector)
                if value is UNSET:
                    raise NodeFailure(
                        f"Variable {list(variable.selector)} of loop variable {variable.label} not found.",
                        kind="WorkflowNodeError",
                    )
            first[variable.label] = value
            recorded[variable.label] = value if variable.selector is None else ctx.recorded.get(variable.selector)
        begun = ctx.begin({"loop_count": self.count, **recorded}, length=self.count, variables=first)
        inputs = dict(begun)
        # After a crash the variables have the values of the last round, whose existence answers the question.
        if not ctx.has_rounds and self._ends_before_first_round(ctx):
            return self._result(inputs, {}, [], "loop_break", 0)
        outputs: dict[str, Json] = {}
        outcomes: list[RoundOutcome] = []
        reason = "loop_completed"

        def collect(variables: Values) -> Mapping[str, Json]:
            return {variable.label: variables.get((ctx.node_id, variable.label)) for variable in self.variables}

        def is_last(variables: Values, ended: bool) -> bool:
            # These are the outer variables, which rounds share.
            return ended or self._breaks(ctx)

        for index in range(self.count):
            await ctx.give_way()
            outcome = await ctx.run_round(index, None, collect, is_last)
            outcomes.append(outcome)
            if outcome.error is not None:
                usage = total(entry.usage for entry in outcomes)
                # A round whose break conditions fail has outputs, and counts as done.
                done = outcomes if outcome.outputs else outcomes[:-1]
                raise NodeFailure(
                    outcome.error,
                    inputs=inputs,
                    usage=usage,
                    metadata=self._metadata(done, usage, "error"),
                    steps=self.count,
                )
            outputs = {**outcome.outputs, "loop_round": index + 1}
            if outcome.last:
                reason = "loop_completed" if outcome.ended else "loop_break"
                break
        return self._result(inputs, outputs, outcomes, reason, self.count)

    def _ends_before_first_round(self, ctx: ContainerContext) -> bool:
        """Return whether the loop ends before its first round. Conditions that cannot be evaluated yet are false."""
        try:
            return self._breaks(ctx)
        except NodeFailure:
            return False

    def _breaks(self, ctx: ContainerContext) -> bool:
        if not self.until.conditions:
            return False
        try:
            return evaluate_case(self.until, ctx.variables, ctx.recorded).final
        except ConditionError as error:
            raise NodeFailure(str(error)) from error

    def _result(
        self, inputs: dict[str, Json], outputs: dict[str, Json], outcomes: list[RoundOutcome], reason: str, steps: int
    ) -> Result:
        usage = total(outcome.usage for outcome in outcomes)
        return Result(
            outputs=outputs, inputs=inputs, usage=usage, metadata=self._metadata(outcomes, usage, reason), steps=steps
        )

    @staticmethod
    def _metadata(outcomes: list[RoundOutcome], usage: Usage | None, reason: str) -> dict[str, Json]:
        return {
            **container_metadata(usage),
            "loop_duration_map": {str(index): outcome.elapsed for index, outcome in enumerate(outcomes)},
            "loop_variable_map": {str(index): dict(outcome.outputs) for index, outcome in enumerate(outcomes)},
            "completed_reason": reason,
        }


def _constant(kind: str, value: Json) -> Json:
    """Return the initial value of a constant. Source: docs/dify-behaviour.md, “Loop” (``value_type: constant``)."""
    if kind in ("array[string]", "array[number]", "array[object]") and (not isinstance(value, str) or not value):
        return []
    return json_value(value, value) if isinstance(value, str) and kind != "string" else value
