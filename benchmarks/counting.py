"""Counts what a process does: function calls, statements of SQL, memory. Imports nothing of what is counted.

``python -m benchmarks.counting`` is `jikko serve` that prints, when it is ready, a line of JSON with what it did until
then (``server_start.Start``), and at each SIGUSR2 the KiB of memory that it holds.
"""

import contextlib
import dataclasses
import gc
import io
import itertools
import json
import re
import signal
import sqlite3
import sys
import tracemalloc
from collections.abc import Iterator
from types import FrameType
from typing import Any, NamedTuple


class Calls:
    """How many functions were called, built-in ones included, on the thread that counts."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        """See ``sys.setprofile``."""
        self.count += event in ("call", "c_call")


@contextlib.contextmanager
def counted_calls() -> Iterator[Calls]:
    """Count those of a block."""
    calls, before = Calls(), sys.getprofile()
    sys.setprofile(calls)
    try:
        yield calls
    finally:
        sys.setprofile(before)


class Statement(NamedTuple):
    """Of SQL."""

    connection: int
    """The number of that over which it was asked."""
    text: str


@contextlib.contextmanager
def statements() -> Iterator[list[Statement]]:
    """What SQLite is asked within a block, by any thread, over connections that are opened within it.

    What one statement makes of others (triggers, full-text tables) counts too: it is work.
    """
    found: list[Statement] = []
    connect: Any = sqlite3.connect
    is_over, connections = False, itertools.count()

    def watched(*where: Any, **how: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*where, **how)
        number = next(connections)

        def note(text: str) -> None:
            if not is_over:
                found.append(Statement(number, text))

        connection.set_trace_callback(note)
        return connection

    sqlite3.connect = watched  # type: ignore[assignment]
    try:
        yield found
    finally:
        is_over = True
        sqlite3.connect = connect


def traced_kib() -> float:
    """Memory that is held, as far as it was got since tracing began."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0] / 1024


class _Output(io.TextIOBase):
    """Standard output of a server: of all its lines the one that names its address is answered."""

    def __init__(self, ready: Any) -> None:
        self._ready = ready

    def write(self, text: str) -> int:
        if found := re.search(r"serves http://[\d.]+:(\d+)", text):
            self._ready(int(found[1]))
        return len(text)


def _serve() -> None:
    said = sys.stdout

    def say(what: Any) -> None:
        print(json.dumps(what), file=said, flush=True)

    make: Any = dataclasses._process_class  # type: ignore[attr-defined]
    made: list[type] = []

    def making(cls: type, *rest: Any) -> type:
        made.append(cls)
        found: type = make(cls, *rest)
        return found

    dataclasses._process_class = making  # type: ignore[attr-defined]
    signal.signal(signal.SIGUSR2, lambda *_: say(traced_kib()))
    tracemalloc.start()
    counting = contextlib.ExitStack()
    asked = counting.enter_context(statements())
    calls = counting.enter_context(counted_calls())

    def ready(port: int) -> None:
        counting.close()
        say(
            {
                "port": port,
                "modules": sorted(sys.modules),
                "data_classes": [cls.__name__ for cls in made if cls.__module__.startswith("jikko.")],
                "calls": calls.count,
                "statements": [each.text for each in asked],
                "kib": traced_kib(),
            }
        )
        asked.clear()

    sys.stdout = _Output(ready)
    sys.argv = ["jikko", "serve", "--port", "0"]
    from jikko.cli.main import main

    main()


if __name__ == "__main__":
    _serve()
