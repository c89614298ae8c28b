"""All that one process of a plugin has started, itself included: found, counted and ended together."""

import os
import signal
import time
from contextlib import suppress
from typing import Final, Protocol

from jikko.plugins.process.process_usage import sessions, tasks_of, uses_more

TASKS: Final = 512
"""Processes and threads that a group may have."""
GONE_SECONDS: Final = 5.0
"""For which it is waited until what was killed is gone: a busy machine takes its time for that."""


class ProcessGroup(Protocol):
    """The processes of one start of a plugin."""

    def processes(self) -> list[int]:
        """Those that are there. Blocks."""

    def excess(self) -> str:
        """What it uses too much of, or was ended for by the kernel; ``""``: nothing. Blocks."""

    def kill(self) -> None:
        """End all of it, and wait until nothing is left. Blocks."""


class ProcessSession:
    """A ``ProcessGroup`` by its session, which the filter lets no process leave."""

    def __init__(self, leader: int, memory: int) -> None:
        """``memory``: bytes that all of it may have."""
        self._leader = leader
        self._memory = memory

    def processes(self) -> list[int]:
        return sessions().get(self._leader, [])

    def excess(self) -> str:
        found = self.processes()
        if uses_more(found, self._memory):
            return too_much_memory(self._memory)
        return f"it had more than {TASKS} processes and threads" if tasks_of(found) > TASKS else ""

    def kill(self) -> None:
        deadline = time.monotonic() + GONE_SECONDS
        # One that is being made while the others are found is there the next time.
        while found := self.processes():
            for process in found:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(process, signal.SIGKILL)
            if time.monotonic() > deadline:
                return
            time.sleep(0.005)


def too_much_memory(memory: int) -> str:
    """What a plugin failed with that used more than it may."""
    return f"it used more than the {memory} bytes of memory that JIKKO_PLUGIN_MEMORY allows"
