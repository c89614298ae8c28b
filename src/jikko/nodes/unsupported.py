"""A node of a type that Dify knows and Jikko cannot run."""

from dataclasses import dataclass
from typing import ClassVar, NoReturn

from jikko.nodes.contract import Context, NodeFailure


@dataclass(frozen=True, slots=True)
class Unsupported:
    """Fails when it runs, as Dify does when a plugin is missing; the rest of the workflow is as good as any."""

    type: ClassVar[str] = "unsupported"
    immediate: ClassVar[bool] = True
    branching: ClassVar[bool] = False

    node_type: str

    async def run(self, ctx: Context) -> NoReturn:
        raise NodeFailure(
            f"Node type {self.node_type!r} cannot be run by this version of Jikko. "
            "Give the node an error strategy or lead the workflow around it.",
            kind="UnsupportedNodeError",
        )
