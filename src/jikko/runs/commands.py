"""What a process does with its runs when another one asks for it."""

import asyncio
from collections.abc import Callable
from typing import TypeAlias

from jikko.cluster.messages import Grown, HandIn, Question, Stop
from jikko.engine.runner import Runner
from jikko.errors import JikkoError
from jikko.events import FormClosed
from jikko.runs.queued_run import QueuedRun
from jikko.runs.run_log import RunLog

Held: TypeAlias = tuple[RunLog, Runner | QueuedRun]
"""A run of this process."""


async def run_errand(question: Question, find: Callable[[str], Held | None]) -> int | None:
    """Do what is asked for.

    Args:
        find: A run of this process, by its id.

    Returns:
        See the question; ``None`` if the run is not here.
    """
    match question:
        case Stop(run_id=run_id, error=error):
            held = find(run_id)
            return None if held is None else stop_here(*held, error)
        case HandIn(run_id=run_id, closed=closed):
            held = find(run_id)
            return None if held is None or held[1].has_ended else await hand_in(*held, closed)
        case Grown(run_id=run_id, count=count, seconds=seconds):
            held = find(run_id)
            if held is None or held[1].has_ended:
                return None
            try:
                async with asyncio.timeout(seconds):
                    await held[0].committed(count + 1)
            except (TimeoutError, JikkoError):
                pass
            return True
        case _:
            return None


def stop_here(live: RunLog, runner: Runner | QueuedRun, error: str) -> bool | None:
    """Stop a run that this process executes.

    Returns:
        Whether it was still going on. ``None``: it has just paused, and can be stopped once that is written.
    """
    stopped = runner.stop(error)
    return None if not stopped and live.record.is_open and not live.is_settled else stopped


async def hand_in(live: RunLog, runner: Runner | QueuedRun, closed: FormClosed) -> bool:
    """Hand in a form of a run that goes on. Returns whether the run took it in; then it is durable."""
    return runner.answer(closed) and await has_taken_in(live, closed)


async def has_taken_in(live: RunLog, closed: FormClosed) -> bool:
    """Wait until it is durable that a form was closed. ``False``: the run ended without."""
    return await live.takes_in(lambda event: isinstance(event, FormClosed) and event.form_id == closed.form_id)
