"""Pseudo-nodes that mark a place in a container's body."""

from typing import ClassVar, Self

from msgspec import Struct

from jikko.dsl.fields import Fields
from jikko.nodes.contract import Context, Result


class _Mark(Struct, frozen=True):
    """Node without effect."""

    immediate: ClassVar[bool] = True
    branching: ClassVar[bool] = False

    @classmethod
    def from_dsl(cls, data: Fields) -> Self:
        return cls()

    async def run(self, ctx: Context) -> Result:
        return Result()


class BodyStart(_Mark, frozen=True):
    """Start of a body, without events and record. Source: docs/dify-behaviour.md, “Loop”."""

    type: ClassVar[str] = "body-start"


class LoopEnd(_Mark, frozen=True):
    """Ends the loop around it after the current round. Source: docs/dify-behaviour.md, “Loop”."""

    type: ClassVar[str] = "loop-end"
