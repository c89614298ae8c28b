"""The Start node: what the caller gives."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

from jikko.dsl.fields import Fields
from jikko.dsl.start_variables import StartVariable, read_start_variables
from jikko.nodes.contract import Context, NodeFailure, Result
from jikko.nodes.named_variables import values_of
from jikko.values import Json


@dataclass(frozen=True)
class Start:
    """Hand on the inputs of the run. They were converted when the run was accepted; objects are checked here.

    Outputs:
        One per declared variable; null for an optional one that was not given.

    Source: Dify 1.15, spec/nodes.md, start.
    """

    type: ClassVar[str] = "start"
    immediate: ClassVar[bool] = True
    branching: ClassVar[bool] = False

    variables: tuple[StartVariable, ...]

    @classmethod
    def from_dsl(cls, data: Fields) -> Self:
        return cls(variables=read_start_variables(data))

    @cached_property
    def _schemas(self) -> dict[str, Any]:
        """A validator per variable that has a schema. The library is loaded only for workflows that have one."""
        with_schema = [variable for variable in self.variables if variable.json_schema]
        if not with_schema:
            return {}
        from jsonschema import Draft7Validator

        return {variable.name: Draft7Validator(dict(variable.json_schema or {})) for variable in with_schema}

    async def run(self, ctx: Context) -> Result:
        named = ((variable.name, (ctx.node_id, variable.name)) for variable in self.variables)
        values = values_of(named, ctx.variables)
        for variable in self.variables:
            if variable.type == "json_object":
                self._check_object(variable, values[variable.name], values)
        return Result(outputs=values, inputs=values)

    def _check_object(self, variable: StartVariable, value: Json, inputs: dict[str, Json]) -> None:
        name = variable.name
        if value is None:
            if variable.required:
                raise NodeFailure(f"Input {name} is required.", inputs=inputs)
            return
        if not isinstance(value, dict):
            raise NodeFailure(f"Input {name} must be a JSON object.", inputs=inputs)
        validator = self._schemas.get(name)
        if validator is not None and (error := next(validator.iter_errors(value), None)) is not None:
            raise NodeFailure(f"Input {name} does not fit its schema: {error.message}", inputs=inputs)
