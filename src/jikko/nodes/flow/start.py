"""Start node: inputs of the caller."""

import asyncio
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Final, Self

from jikko.concurrency.run_in_thread import run_in_thread
from jikko.dsl.fields import Fields
from jikko.dsl.json_schema import BadSchema, JsonSchema, SchemaViolation
from jikko.dsl.start_variables import StartVariable, read_start_variables
from jikko.nodes.contract import Context, NodeFailure, Result
from jikko.nodes.node_variables import values_of
from jikko.values import Json, has_more_elements

_MAX_INLINE_ELEMENTS: Final = 1000
"""Elements of an object validated on the event loop, in some milliseconds. A hundred thousand take half a second."""


_UNEXPECTED: Final = "WorkflowNodeError"


@dataclass(frozen=True)
class Start:
    """Return the converted inputs; objects are validated here. Source: docs/dify-behaviour.md, “Start node”."""

    type: ClassVar[str] = "start"
    immediate: ClassVar[bool] = True
    branching: ClassVar[bool] = False

    variables: tuple[StartVariable, ...]

    @classmethod
    def from_dsl(cls, data: Fields) -> Self:
        return cls(variables=read_start_variables(data))

    @cached_property
    def _schemas(self) -> dict[str, JsonSchema]:
        """Return the schemas by variable, compiled in the first run: only they need the library."""
        return {
            variable.name: JsonSchema(variable.json_schema, "draft 7")
            for variable in self.variables
            if variable.json_schema
        }

    async def run(self, ctx: Context) -> Result:
        named = [(variable.name, (ctx.node_id, variable.name)) for variable in self.variables]
        values = values_of(named, ctx.variables)
        for variable in self.variables:
            if variable.type == "json_object":
                await self._check_object(variable, values[variable.name])
        return Result(outputs=values, inputs=values)

    async def _check_object(self, variable: StartVariable, value: Json) -> None:
        # Dify records no inputs of a failed start node: for it that is an unexpected error.
        name = variable.name
        if value is None and variable.required:
            raise NodeFailure(f"Input {name} is required.", kind=_UNEXPECTED)
        if not value:
            return  # Not even against the schema. [QUIRK]
        if not isinstance(value, dict):
            raise NodeFailure(f"Input {name} must be a JSON object.", kind=_UNEXPECTED)
        try:
            schema = self._schemas.get(name)
            violation = None if schema is None else await _violation(schema, value)
        except BadSchema as bad:
            raise NodeFailure(f"Input {name} cannot be checked against its schema: {bad}.", kind=_UNEXPECTED) from None
        if violation is not None:
            raise NodeFailure(f"Input {name} does not fit its schema: {violation.message}", kind=_UNEXPECTED)


async def _violation(schema: JsonSchema, value: Json) -> SchemaViolation | None:
    if not has_more_elements(value, _MAX_INLINE_ELEMENTS):
        return schema.violation(value)
    # An inline run ends here, and restarts in a task.
    await asyncio.sleep(0)
    return await run_in_thread(schema.violation, value)
