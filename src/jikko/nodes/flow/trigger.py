"""Trigger nodes as entries of a run that was started over the API: they declare no inputs."""

from typing import ClassVar

from msgspec import Struct

from jikko.nodes.contract import Context, Result


class Trigger(Struct, frozen=True):
    """Does nothing; the run goes on behind it. What a trigger delivers is not there when nothing triggered it."""

    type: ClassVar[str] = "trigger"
    immediate: ClassVar[bool] = True
    branching: ClassVar[bool] = False

    async def run(self, ctx: Context) -> Result:
        return Result()
