"""What a running node sees of its run."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from jikko.engine.masked import MaskedVariables
from jikko.engine.rounds import Rounds
from jikko.engine.state import Frame
from jikko.events import FormClosed, FormRequested, NodeStarted, ReasoningChunk
from jikko.graph.compiled import CompiledNode
from jikko.nodes.contract import RoundOutcome, RunInfo, Variables
from jikko.ports.node_ports import NodePorts
from jikko.values import Json

if TYPE_CHECKING:
    from jikko.engine.runner import Runner


class NodeContext:
    """The ``ContainerContext`` of one execution (and so the ``Context``)."""

    __slots__ = ("_frame", "_node", "_runner", "_started")

    def __init__(self, runner: "Runner", frame: Frame, node: CompiledNode, started: NodeStarted) -> None:
        self._runner = runner
        self._frame = frame
        self._node = node
        self._started = started

    @property
    def variables(self) -> Variables:
        return self._frame.scope

    @property
    def recorded(self) -> Variables:
        scope, secrets = self._frame.scope, self._runner.state.graph.secrets
        return MaskedVariables(scope, secrets) if secrets else scope

    @property
    def run(self) -> RunInfo:
        return self._runner.info

    @property
    def services(self) -> NodePorts:
        return self._runner.services

    @property
    def node_id(self) -> str:
        return self._node.id

    @property
    def execution_id(self) -> str:
        return self._started.execution_id

    @property
    def idempotency_key(self) -> str:
        path = "".join(f"/{entry.node_id}.{entry.index}" for entry in self._started.rounds)
        return f"{self._runner.info.run_id}{path}/{self._node.id}"

    @property
    def form(self) -> FormClosed | None:
        return self._runner.state.answers.get(self.execution_id)

    @property
    def requested_form(self) -> FormRequested | None:
        return self._runner.state.forms.get(self.execution_id)

    @property
    def is_nested(self) -> bool:
        return bool(self._frame.rounds)

    def now(self) -> float:
        return self._runner.recorder.clock()

    def say(self, name: str, text: str) -> None:
        # Text of nodes in containers is shown when the container's value is. Source: spec/events.md §4.
        if not self._started.rounds and not self._runner.has_ended:
            self._runner.recorder.show(self._runner.state.release.streamed((self._node.id, name), text))
            self._runner.recorder.flush()

    def think(self, text: str, *, final: bool = False) -> None:
        if self._started.rounds or self._runner.has_ended:
            return
        if self._runner.state.release.shows_reasoning(self._node.id):
            event = ReasoningChunk(at=self.now(), node_id=self._node.id, text=text, final=final)
            self._runner.recorder.emit(event)
            self._runner.recorder.flush()

    def begin(
        self,
        inputs: Mapping[str, Json],
        *,
        length: int,
        variables: Mapping[str, Json] | None = None,
        hides_failed_rounds: bool = False,
    ) -> Mapping[str, Json]:
        return Rounds(self._runner).begin(self.execution_id, inputs, length, variables, hides_failed_rounds)

    @property
    def has_rounds(self) -> bool:
        return Rounds(self._runner).has_begun(self.execution_id)

    def announce_round(self, index: int, variables: Mapping[str, Json] | None = None) -> None:
        Rounds(self._runner).announce(self.execution_id, index, variables)

    async def give_way(self) -> None:
        await Rounds(self._runner).give_way()

    async def run_round(
        self,
        index: int,
        variables: Mapping[str, Json] | None,
        collect: Callable[[Variables], Mapping[str, Json]],
        is_last: Callable[[Variables, bool], bool] | None = None,
    ) -> RoundOutcome:
        return await Rounds(self._runner).run(self.execution_id, index, variables, collect, is_last)
