"""Performs what containers ask for: running their bodies, once a round."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

from jikko.engine.event_factory import about, round_outcome
from jikko.engine.loop import BodyRun, RunLoop
from jikko.engine.state import ContainerState, Frame
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
                    **self._about(execution_id),
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
            self._loop.events.emit(
                RoundStarted(**self._about(execution_id), round=index, variables=dict(variables or {}))
            )

    async def give_way(self) -> None:
        """See ``ContainerContext.give_way``."""
        if self._loop.slice.is_over:
            self._loop.events.flush()
            await self._loop.slice.give_way()

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
        body = self._loop.bodies[id(frame)] = BodyRun()
        began = time.perf_counter()
        try:
            self._loop.resume(frame)
            self._loop.go_on()
            if not frame.is_over:
                body.future = asyncio.get_running_loop().create_future()
                await body.future
                self._loop.slice.begin()
        finally:
            del self._loop.bodies[id(frame)]
            body.cancel()
        return self._close_round(container, frame, execution_id, index, collect, is_last, began)

    def _close_round(
        self,
        container: ContainerState,
        frame: Frame,
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
        event = RoundFinished(
            **self._about(execution_id),
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

    def _about(self, execution_id: str) -> dict[str, Any]:
        return about(self._loop.state.starts[execution_id], self._loop.events.clock())
