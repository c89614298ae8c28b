"""Gives the answers of a replayed run in the order in which they came in the recorded one."""

import asyncio
from collections.abc import Callable
from typing import Final

from jikko.engine.state import RunState
from jikko.proving.recording import NEVER, Recording, place_of

_STILL: Final = 0.05
"""Seconds in which nothing happens in a run before it is taken to wait for nothing but what never came."""


class RecordedOrder:
    """Which of the nodes that wait for their answers goes on next.

    Branches that run side by side, and rounds, end in the order of the log: who writes a variable last, and what is cut
    off by a failure, is as it was.
    """

    def __init__(self, recording: Recording, state: Callable[[], RunState], stuck: Callable[[], None]) -> None:
        """``state``: the run as it is. ``stuck``: called when all that is left waits for answers that never came."""
        self._recording = recording
        self._state = state
        self._stuck = stuck
        self._waiting: dict[str, tuple[float, asyncio.Future[None]]] = {}
        """By places."""
        self._looks = False
        self.moves = 0
        """How often something has happened."""

    async def turn(self, place: str, position: float) -> None:
        """Wait until all that is under way and ended before has ended. ``position``: of the answer in the recorded
        log."""
        future = asyncio.get_running_loop().create_future()
        self._waiting[place] = position, future
        self.moved()
        try:
            await future
        finally:
            self._waiting.pop(place, None)

    def moved(self) -> None:
        self.moves += 1
        if self._waiting and not self._looks:
            self._looks = True
            asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        self._looks = False
        left = [(position, place) for place, (position, future) in self._waiting.items() if not future.done()]
        if not left:
            return
        position, place = min(left)
        if position == NEVER:
            asyncio.get_running_loop().call_later(_STILL, self._end_if_still, self.moves)
        elif not any(self._recording.position(other) < position for other in self._others()):
            self._waiting[place][1].set_result(None)

    def _others(self) -> list[str]:
        """What is under way and does not wait: not for its turn, and not for people."""
        state = self._state()
        under_way = (start for execution, start in state.starts.items() if execution not in state.forms.open)
        return [place for place in map(place_of, under_way) if place not in self._waiting]

    def _end_if_still(self, moves: int) -> None:
        if moves != self.moves or not self._waiting:
            return
        nodes = self._state().graph.nodes
        if all(nodes[place.rpartition("/")[2]].body is not None for place in self._others()):
            self._stuck()
