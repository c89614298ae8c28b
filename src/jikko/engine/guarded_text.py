"""Has the text of a run looked at while it is shown."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from jikko.engine.event_buffer import EventBuffer
from jikko.engine.state import RunState
from jikko.ports.moderation import TextGuard

log = logging.getLogger(__name__)

REPLACED: Final = "output_moderation"
"""Why text was replaced. Source: docs/dify-behaviour.md, “Messages of a chat stream”."""


class GuardedText:
    """The text of one run under way, and its ``TextGuard``. One look at a time."""

    def __init__(self, guard: TextGuard, state: RunState, events: EventBuffer) -> None:
        self._guard = guard
        self._state = state
        self._events = events
        self._shown = sum(map(len, state.text))
        """Characters that were shown."""
        self._looked = 0
        """How many of them were looked at."""
        self._finished = 0
        """And how many when no more were to come."""
        self._looking: asyncio.Task[None] | None = None
        self.is_replaced = False
        events.on_text = self._grown

    @property
    def is_finished(self) -> bool:
        """Whether all the text was looked at, or none is shown any more."""
        return self.is_replaced or (self._looking is None and self._finished >= self._shown)

    def finish(self, then: Callable[[], None]) -> None:
        """Look at what was not looked at yet, and call back."""
        if self._looking is None:
            self._look(final=True)
        if self._looking is not None:
            self._looking.add_done_callback(lambda task: None if task.cancelled() else then())

    def cancel(self) -> None:
        self._events.on_text = None
        if self._looking is not None:
            self._looking.cancel()

    def _grown(self, characters: int) -> None:
        self._shown += characters
        if self._looking is None and not self.is_replaced and self._shown - self._looked >= self._guard.every:
            self._look(final=False)

    def _look(self, *, final: bool) -> None:
        text = "".join(self._state.text)
        self._shown = len(text)
        self._looking = asyncio.get_running_loop().create_task(self._ask(text, final))

    async def _ask(self, text: str, final: bool) -> None:
        try:
            instead = await self._guard.look(text, final=final)
        except Exception:
            log.exception("text of a run could not be looked at")
            instead = None
        self._looking, self._looked = None, len(text)
        if final:
            self._finished = len(text)
        if instead is not None:
            self.is_replaced = True
            self._state.release.close()
            self._events.replace(instead, REPLACED)
            self._events.flush()
