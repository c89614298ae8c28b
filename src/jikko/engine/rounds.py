"""Performs what containers ask for: running their bodies, once a round."""

import asyncio
import time
from collections.abc import Callable, Mapping

from jikko.engine.event_factory import about, round_outcome, withdrawn
from jikko.engine.loop import RunLoop, SubgraphTasks
from jikko.engine.subgraph_run import ContainerState, SubgraphRun
from jikko.events import ContainerStarted, RoundFinished, RoundStarted
from jikko.nodes.contract import NodeFailure, RoundOutcome, Values
from jikko.values import Json


class Rounds:
    """The ``ContainerContext`` methods of all containers of one run.

    Made for a call and not kept: what knows the loop and is known to it would be left to the garbage collector.
    """

    __slots__ = ("_loop",)

    def __init__(self, loop: RunLoop) -> None:
        self._loop = loop

    def begin(
        self,
        execution_id: str,
        inputs: Mapping[str, Json],
        length: int,
        variables: Mapping[str, Json] | None,
        hides_failed_rounds: bool,
    ) -> Mapping[str, Json]:
        """See ``ContainerContext.begin``."""
        container = self._loop.state.containers[execution_id]
        if container.started is None:
            self._loop.events.emit(
                ContainerStarted(
                    **about(self._loop.state.starts[execution_id], self._loop.events.clock()),
                    length=length,
                    inputs=dict(inputs),
                    variables=dict(variables or {}),
                    hides_failed_rounds=hides_failed_rounds,
                )
            )
            return inputs
        return container.started.inputs

    def has_begun(self, execution_id: str) -> bool:
        """See ``ContainerContext.has_rounds``."""
        state = self._loop.state
        return bool(state.containers[execution_id].finished) or (execution_id, 0) in state.frames

    def announce(self, execution_id: str, index: int, variables: Mapping[str, Json] | None) -> None:
        """See ``ContainerContext.announce_round``."""
        container = self._loop.state.containers[execution_id]
        if index not in container.finished and (execution_id, index) not in self._loop.state.frames:
            started = self._loop.state.starts[execution_id]
            # Written out, as the end of a round is: a run may have thousands of them.
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

    async def run(
        self,
        execution_id: str,
        index: int,
        variables: Mapping[str, Json] | None,
        collect: Callable[[Values], Mapping[str, Json]],
        is_last: Callable[[Values, bool], bool] | None,
    ) -> RoundOutcome:
        """See ``ContainerContext.run_round``."""
        container = self._loop.state.containers[execution_id]
        known = container.finished.get(index)
        if known is not None:
            return round_outcome(known)
        self.announce(execution_id, index, variables)
        frame = self._loop.state.frames[execution_id, index]
        body = self._loop.bodies[id(frame)] = SubgraphTasks()
        began = time.perf_counter()
        try:
            self._loop.resume(frame)
            # The container goes on in this turn, mostly with the next round.
            self._loop.go_on(soon=True)
            if not frame.is_over:
                body.future = asyncio.get_running_loop().create_future()
                self._loop.pause_soon()
                await body.future
                self._loop.slice.begin()
        finally:
            del self._loop.bodies[id(frame)]
            body.cancel()
        outcome = self._close_round(container, frame, execution_id, index, collect, is_last, began)
        # Its container may begin no other, and the rounds beside it may wait for people.
        self._loop.pause_soon()
        return outcome

    def _close_round(
        self,
        container: ContainerState,
        frame: SubgraphRun,
        execution_id: str,
        index: int,
        collect: Callable[[Values], Mapping[str, Json]],
        is_last: Callable[[Values, bool], bool] | None,
        began: float,
    ) -> RoundOutcome:
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
