"""A node whose outputs were given from outside: it does nothing, whatever its type is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from jikko.nodes.contract import Context, NodeFailure, Result
from jikko.values import Json

_BRANCH: Final = ("class_id", "selected_case_id", "__action_id")
"""The outputs of branching nodes that name the branch: of a classifier, an if-else, a form."""


@dataclass(frozen=True, slots=True)
class Mocked:
    """Stands in the place of a node."""

    type: ClassVar[str] = "mocked"
    immediate: ClassVar[bool] = True
    branching: ClassVar[bool] = False

    outputs: Mapping[str, Json]
    """As given. ``{"error": text}`` alone fails the node."""

    async def run(self, ctx: Context) -> Result:
        record: dict[str, Json] = {"mocked": True}
        if set(self.outputs) == {"error"}:
            raise NodeFailure(str(self.outputs["error"]), kind="MockedError", process_data=record)
        return Result(outputs=self.outputs, process_data=record, handle=_handle(self.outputs, self.branching))


@dataclass(frozen=True, slots=True)
class MockedBranch(Mocked):
    """Stands in the place of a node that decides which way the run goes: its outputs say so."""

    branching: ClassVar[bool] = True


def _handle(outputs: Mapping[str, Json], branching: bool) -> str:
    if not branching:
        return "source"
    named: Any = next((outputs[name] for name in _BRANCH if name in outputs), None)
    if named is None and isinstance(outputs.get("result"), bool):
        named = "true" if outputs["result"] else "false"
    if not isinstance(named, str):
        raise NodeFailure(
            f"A mocked branch has to say which way it goes: give it {' or '.join(_BRANCH)}.", kind="MockedError"
        )
    return named
