"""A node whose outputs were given from outside: it does nothing, whatever its type is."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from jikko.nodes.contract import NodeConfig, NodeFailure, Result
from jikko.nodes.node_context import Context
from jikko.values import Json

_BRANCH: Final = ("class_id", "selected_case_id", "__action_id")
"""The outputs of branching nodes that name the branch: of a classifier, an if-else, a form."""


class Mocked(NodeConfig, frozen=True):
    """Stands in the place of a node."""

    type: ClassVar[str] = "mocked"
    immediate: ClassVar[bool] = True

    outputs: Mapping[str, Json]
    """As given. ``{"error": text}`` alone fails the node."""

    async def run(self, ctx: Context) -> Result:
        record: dict[str, Json] = {"mocked": True}
        if (failure := self.failure) is not None:
            raise NodeFailure(failure, kind="MockedError", process_data=record)
        return Result(outputs=self.outputs, process_data=record, handle=self.handle())

    @property
    def failure(self) -> str | None:
        """What the node fails with, if it is to fail."""
        return str(self.outputs["error"]) if set(self.outputs) == {"error"} else None

    def handle(self) -> str:
        """The handle that runs leave by. Raises ``NodeFailure``: it is a branch, and the outputs do not say which."""
        return "source"


class MockedBranch(Mocked, frozen=True):
    """Stands in the place of a node that decides which way the run goes: its outputs say so."""

    branching: ClassVar[bool] = True

    def handle(self) -> str:
        named: Any = next((self.outputs[name] for name in _BRANCH if name in self.outputs), None)
        if named is None and isinstance(self.outputs.get("result"), bool):
            named = "true" if self.outputs["result"] else "false"
        if not isinstance(named, str):
            raise NodeFailure(
                f"A mocked branch has to say which way it goes: give it {' or '.join(_BRANCH)}.", kind="MockedError"
            )
        return named
