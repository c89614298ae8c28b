"""Nodes that only mark a place in the body of a container."""

from typing import ClassVar, Self

from msgspec import Struct

from jikko.dsl.fields import Fields
from jikko.nodes.contract import Result
from jikko.nodes.node_context import Context


class _Mark(Struct, frozen=True):
    """A node that does nothing."""

    immediate: ClassVar[bool] = True
    branching: ClassVar[bool] = False

    @classmethod
    def from_dsl(cls, data: Fields) -> Self:
        return cls()

    async def run(self, ctx: Context) -> Result:
        return Result()


class BodyStart(_Mark, frozen=True):
    """Where a body begins. Has no events and no record. Source: docs/dify-behaviour.md, “Loop”."""

    type: ClassVar[str] = "body-start"


class LoopEnd(_Mark, frozen=True):
    """Ends the loop around it after the current round. Source: docs/dify-behaviour.md, “Loop”."""

    type: ClassVar[str] = "loop-end"
