"""Scripted database for writers of runs in virtual time: no server is needed."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from jikko.errors import JikkoError, StoreUnavailable
from jikko.store.postgres.database import unavailable
from jikko.store.postgres.runs import appends, run_writer
from jikko.store.postgres.runs.run_rows import RunWrite
from jikko.store.postgres.runs.run_writer import RunWriter


def write(number: int = 1, *, size: int = 2, mark: int = 7, at: int = 0, status: int = 0) -> RunWrite:
    """Return an append of one event to a run's log."""
    run_id = number.to_bytes(16, "big")
    return RunWrite(run_id, at, b"x" * size, b"app", 0.0, "here", (), (status, 1, at + 1, mark), ())


class Line:
    """Connection."""

    def __init__(self, database: "Database") -> None:
        self.database = database
        self.is_lost = False
        self.ends: list[str] = []
        self.listeners: list[Callable[[Line], None]] = []

    async def fetchval(self, statement: str) -> str:
        assert "pg_walfile_name" in statement
        if self.database.untold:
            self.is_lost = self.database.untold == "and lost"
            raise ConnectionError
        return self.database.timeline

    def add_termination_listener(self, listener: Callable[["Line"], None]) -> None:
        self.listeners.append(listener)

    def is_closed(self) -> bool:
        return self.is_lost

    def terminate(self) -> None:
        self.ends.append("terminated")

    async def close(self, **within: float) -> None:
        assert within == {"timeout": 1}
        self.ends.append("closed")
        if self.database.hangs:
            raise TimeoutError

    def breaks(self) -> None:
        self.is_lost = True
        for listener in self.listeners:
            listener(self)


class Database:
    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.times: list[float] = []
        """Times of connection requests."""
        self.is_down = False
        self.hangs = False
        self.timeline = "00000001"
        self.untold = ""
        """If not empty, queries of the timeline fail; ``and lost`` also loses the connection."""
        self.takes = 0.0
        """Duration of a batch in seconds."""
        self.batches: list[list[RunWrite]] = []
        self.batch_times: list[float] = []
        self.answers: list[Exception | Callable[[Line], Exception]] = []
        """Failures of the next batches."""
        self.refuses: set[bytes] = set()
        """Runs whose logs refuse appends."""
        self.fails: dict[bytes, JikkoError] = {}
        self.heads: dict[bytes, Any] = {}

    async def connect(self, *, by_key: bool) -> Line:
        assert by_key
        self.times.append(asyncio.get_running_loop().time())
        if self.is_down:
            raise StoreUnavailable("down")
        self.lines.append(Line(self))
        return self.lines[-1]

    @asynccontextmanager
    async def guard(self) -> Any:
        try:
            yield
        except OSError as error:
            raise unavailable(error) from error

    async def write_batch(self, line: Line, writes: Sequence[RunWrite]) -> tuple[set[bytes], dict[bytes, JikkoError]]:
        self.batches.append(list(writes))
        self.batch_times.append(asyncio.get_running_loop().time())
        await asyncio.sleep(self.takes)
        if self.answers:
            answer = self.answers.pop(0)
            raise answer(line) if not isinstance(answer, Exception) else answer
        ids = {each.run_id for each in writes}
        return ids - self.refuses - set(self.fails), {id_: self.fails[id_] for id_ in ids & set(self.fails)}

    async def found(self, line: Line, writes: Sequence[RunWrite]) -> dict[bytes, Any]:
        assert {each.run_id for each in writes} <= self.refuses
        return {each.run_id: self.heads[each.run_id] for each in writes if each.run_id in self.heads}


def database_of(monkeypatch: pytest.MonkeyPatch) -> Database:
    """Return a database that accepts writers' batches, at the time of their loop."""
    database = Database()
    monkeypatch.setattr(run_writer, "write_batch", database.write_batch)
    monkeypatch.setattr(appends, "heads", database.found)

    def now() -> float:
        return asyncio.get_running_loop().time()

    monkeypatch.setattr(run_writer, "time", SimpleNamespace(monotonic=now, perf_counter=now))
    return database


def writer_of(database: Database) -> RunWriter:
    given: Any = database
    return RunWriter(given)


def sizes(database: Database) -> list[int]:
    return [len(batch) for batch in database.batches]
