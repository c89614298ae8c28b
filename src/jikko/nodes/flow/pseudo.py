"""Nodes that only mark a place in the body of a container."""

from dataclasses import dataclass
from typing import ClassVar, Self

from jikko.dsl.fields import Fields
from jikko.nodes.contract import Context, Result


@dataclass(frozen=True, slots=True)
class _Mark:
    """A node that does nothing."""

    immediate: ClassVar[bool] = True
    branching: ClassVar[bool] = False

    @classmethod
    def from_dsl(cls, data: Fields) -> Self:
        return cls()

    async def run(self, ctx: Context) -> Result:
        return Result()


@dataclass(frozen=True, slots=True)
class BodyStart(_Mark):
    """Where a body begins. Has no events and no record. Source: spec/nodes.md, iteration-start, loop-start."""

    type: ClassVar[str] = "body-start"


@dataclass(frozen=True, slots=True)
class LoopEnd(_Mark):
    """Ends the loop around it after the current round. Source: spec/nodes.md, loop-end."""

    type: ClassVar[str] = "loop-end"
