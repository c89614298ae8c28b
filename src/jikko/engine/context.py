"""Context of a running node: its view of the run."""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Literal

from msgspec import Struct

from jikko.engine.event_factory import about, round_outcome, withdrawn
from jikko.engine.masked import MaskedVariables
from jikko.engine.subgraph_run import SubgraphRun, SubgraphTasks
from jikko.events import (
    AgentLogged,
    ContainerStarted,
    FormClosed,
    NodeStarted,
    ReasoningChunk,
    RoundFinished,
    RoundStarted,
    StepRecorded,
    Turn,
    Usage,
)
from jikko.graph.compiled import CompiledNode
from jikko.lang.variables import TextBudget
from jikko.nodes.contract import AgentCounts, NodeFailure, RoundOutcome, RunInfo, Values, Variables
from jikko.ports.node_ports import NodePorts
from jikko.ports.tools import LogMessage
from jikko.values import Json, Selector, Unset

if TYPE_CHECKING:
    from jikko.engine.runner import Runner


_TEXT_SECONDS: Final = 0.25
"""Interval of events with text that the run does not show."""


class NodeContext(Struct, eq=False):
    """``ContainerContext`` (and so ``Context``) of one execution. It is its own ``Variables``."""

    _loop: "Runner"
    _frame: SubgraphRun
    _node: CompiledNode
    _started: NodeStarted
    execution_id: str
    get: Callable[[Selector], Json | Unset]
    """The scope's method itself: the most frequent read, without indirection."""
    _budget: TextBudget | None = None
    _recorded: Variables | None = None
    _hidden: list[str] | None = None
    """Text since ``_hidden_at`` that is in no event yet."""
    _hidden_at: float = 0.0

    @property
    def variables(self) -> Variables:
        return self

    def declared_type(self, selector: Selector) -> str | None:
        return self._frame.scope.declared_type(selector)

    def spend(self, characters: int) -> None:
        if self._budget is None:
            self._budget = TextBudget(self.ports.limits.max_expanded)
        self._budget.spend(characters)

    @property
    def recorded(self) -> Variables:
        secrets = self._loop.state.graph.secrets
        if not secrets:
            return self
        if self._recorded is None:
            budget = TextBudget(self.ports.limits.max_expanded)
            self._recorded = MaskedVariables(self._frame.scope, secrets, budget)
        return self._recorded

    @property
    def secrets(self) -> Collection[str]:
        values = (self._frame.scope.get(("env", name)) for name in self._loop.state.graph.secrets)
        return [value for value in values if isinstance(value, str) and value]

    @property
    def run(self) -> RunInfo:
        return self._loop.info

    @property
    def ports(self) -> NodePorts:
        return self._loop.ports

    @property
    def node_id(self) -> str:
        return self._node.id

    @property
    def idempotency_key(self) -> str:
        path = "".join(f"/{entry.node_id}.{entry.index}" for entry in self._started.rounds)
        return f"{self._loop.info.run_id}{path}/{self._node.id}"

    @property
    def form(self) -> FormClosed | None:
        return self._loop.state.forms.closed.get(self.execution_id)

    @property
    def turn(self) -> Turn | None:
        return self._loop.state.turn

    @property
    def depth(self) -> int:
        return self._loop.state.depth

    def now(self) -> float:
        return self._loop.events.clock()

    def say(self, name: str, text: str, *, soon: bool = False, by_model: bool = False) -> None:
        # Text of nodes in containers is shown with the container's value. Source: docs/dify-behaviour.md, “Order of
        # streamed text”.
        loop = self._loop
        if loop.has_ended:
            return
        if not self._started.rounds:
            events, shown = loop.events, loop.state.release.streamed((self._node.id, name), text)
            events.show(shown)
            if not soon:
                events.flush()
            if shown:
                return
        if by_model:
            self._log_hidden(text)

    def _log_hidden(self, text: str) -> None:
        """Log a model's text that the run does not show, now or ever, for inspection of its node."""
        if self._hidden is None:
            self._hidden = []
        self._hidden.append(text)
        if not 0 <= (now := self.now()) - self._hidden_at < _TEXT_SECONDS:
            said = "".join(self._hidden)
            event = ReasoningChunk(at=now, node_id="", text="", execution_id=self.execution_id, said=said)
            self._hidden, self._hidden_at = [], now
            self._loop.events.emit(event)
            self._loop.events.flush()

    def forget_hidden(self) -> None:
        """Drop the unlogged text of a failed attempt."""
        self._hidden, self._hidden_at = None, 0.0

    def think(self, text: str, *, final: bool = False) -> None:
        if self._started.rounds or self._loop.has_ended:
            return
        if self._loop.state.release.shows_reasoning(self._node.id):
            event = ReasoningChunk(at=self.now(), node_id=self._node.id, text=text, final=final)
            self._loop.events.emit(event)
            self._loop.events.flush()

    def log(self, entry: LogMessage) -> None:
        if self._loop.has_ended:
            return
        self._loop.events.emit(
            AgentLogged(
                at=self.now(),
                execution_id=self.execution_id,
                node_id=self._node.id,
                entry_id=entry.id,
                label=entry.label,
                parent_id=entry.parent_id,
                status=entry.status,
                error=entry.error,
                data=dict(entry.data),
                metadata=dict(entry.metadata),
            )
        )
        self._loop.events.flush()

    @property
    def steps(self) -> Sequence[StepRecorded]:
        return self._loop.state.steps.get(self.execution_id, ())

    @property
    def agents(self) -> AgentCounts:
        return self._loop.state.agents

    def record_step(
        self, kind: Literal["model", "tool"], request: str, answer: Json, *, usage: Usage | None = None
    ) -> None:
        if self._loop.has_ended or self.execution_id not in self._loop.state.starts:
            return
        self._loop.events.emit_durable(
            StepRecorded(
                at=self.now(), execution_id=self.execution_id, kind=kind, request=request, answer=answer, usage=usage
            )
        )
        self._loop.events.flush()

    async def durability_barrier(self) -> None:
        await self._loop.events.durability_barrier()

    def begin(
        self,
        inputs: Mapping[str, Json],
        *,
        length: int,
        variables: Mapping[str, Json] | None = None,
        hides_failed_rounds: bool = False,
    ) -> Mapping[str, Json]:
        container = self._loop.state.containers[self.execution_id]
        if container.started is not None:
            return container.started.inputs
        self._loop.events.emit(
            ContainerStarted(
                **about(self._loop.state.starts[self.execution_id], self.now()),
                length=length,
                inputs=dict(inputs),
                variables=dict(variables or {}),
                hides_failed_rounds=hides_failed_rounds,
            )
        )
        return inputs

    @property
    def has_rounds(self) -> bool:
        state = self._loop.state
        return bool(state.containers[self.execution_id].finished) or (self.execution_id, 0) in state.frames

    def announce_round(self, index: int, variables: Mapping[str, Json] | None = None) -> None:
        state, execution_id = self._loop.state, self.execution_id
        if index not in state.containers[execution_id].finished and (execution_id, index) not in state.frames:
            started = state.starts[execution_id]
            # Inlined, like the end of a round: a run may have thousands.
            event = RoundStarted(
                at=self._loop.events.clock(),
                execution_id=execution_id,
                node_id=started.node_id,
                node_type=started.node_type,
                title=started.title,
                index=started.index,
                predecessor=started.predecessor,
                rounds=started.rounds,
                round=index,
                variables=dict(variables or {}),
            )
            self._loop.events.emit(event)

    async def give_way(self) -> None:
        if self._loop.slice.is_over or self._loop.events.has_backpressure:
            self._loop.stepping += 1
            try:
                if self._loop.slice.is_over:
                    self._loop.events.flush_in_time()
                    await self._loop.slice.give_way()
                if self._loop.events.has_backpressure:
                    await self._loop.events.catch_up()
                    self._loop.slice.begin()
            finally:
                self._loop.stepping -= 1
        self._loop.pause_soon()

    async def run_round(
        self,
        index: int,
        variables: Mapping[str, Json] | None,
        collect: Callable[[Values], Mapping[str, Json]],
        is_last: Callable[[Values, bool], bool] | None = None,
    ) -> RoundOutcome:
        # Each round has its own budget.
        self._budget = self._recorded = None
        execution_id = self.execution_id
        known = self._loop.state.containers[execution_id].finished.get(index)
        if known is not None:
            return round_outcome(known)
        self.announce_round(index, variables)
        frame = self._loop.state.frames[execution_id, index]
        body = self._loop.bodies[id(frame)] = SubgraphTasks()
        began = time.perf_counter()
        try:
            self._loop.resume(frame)
            # The container continues in this turn, usually with the next round.
            self._loop.go_on(soon=True)
            if not frame.is_over:
                body.future = asyncio.get_running_loop().create_future()
                self._loop.pause_soon()
                await body.future
                self._loop.slice.begin()
        finally:
            del self._loop.bodies[id(frame)]
            body.cancel()
        outcome = self._close_round(frame, index, collect, is_last, began)
        # Its container may begin no other round, and parallel rounds may wait for people.
        self._loop.pause_soon()
        return outcome

    def _close_round(
        self,
        frame: SubgraphRun,
        index: int,
        collect: Callable[[Values], Mapping[str, Json]],
        is_last: Callable[[Values, bool], bool] | None,
        began: float,
    ) -> RoundOutcome:
        execution_id = self.execution_id
        error = frame.failure
        outputs = collect(frame.scope) if error is None else {}
        failure: NodeFailure | None = None
        last = frame.ended
        if error is None and is_last is not None:
            try:
                last = is_last(frame.scope, frame.ended)
            except NodeFailure as exception:
                failure = exception
        started = self._loop.state.starts[execution_id]
        if self._loop.state.forms.open:
            for closed in withdrawn(self._loop.state, execution_id, index, self._loop.events.clock()):
                self._loop.events.emit(closed)
        event = RoundFinished(
            at=self._loop.events.clock(),
            execution_id=execution_id,
            node_id=started.node_id,
            node_type=started.node_type,
            title=started.title,
            index=started.index,
            predecessor=started.predecessor,
            rounds=started.rounds,
            round=index,
            elapsed=time.perf_counter() - began,
            outputs=dict(outputs),
            error=error if failure is None else str(failure),
            usage=frame.usage,
            ended=frame.ended,
            last=last,
        )
        self._loop.events.emit(event)
        return round_outcome(event)
