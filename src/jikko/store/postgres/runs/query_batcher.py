"""Batching of queries: requests of one turn of the event loop share a query."""

import asyncio
from typing import Any, Final

from msgspec import Struct, field

from jikko.concurrency.background_tasks import start_task
from jikko.errors import JikkoError
from jikko.store.postgres.database import Connection, Postgres, Row, unavailable

_MAX_QUESTIONS: Final = 256
"""Requests per query."""
_MAX_CONNECTIONS: Final = 2
"""Concurrent queries. Later requests join the next one."""


class QueryBatcher(Struct, eq=False):
    """Runs one statement for many requests. Its connections are kept, each for one query at a time."""

    database: Postgres
    statement: str
    """Takes arrays, one per value of a request. The first column of its rows is the number of the request, from 1."""
    one: str
    """Takes the values of a single request. Its rows begin with 1."""
    _free: list[Connection] = []
    _waiting: list[tuple[tuple[Any, ...], asyncio.Future[Row | None]]] = []
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def ask(self, *question: Any) -> "asyncio.Future[Row | None]":
        """Return the row of a request, or ``None``. Raises ``StoreUnavailable``."""
        answer: asyncio.Future[Row | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, answer))
        # Tasks that have ended leave the set only in the next turn.
        if sum(not task.done() for task in self._tasks) < _MAX_CONNECTIONS:
            start_task(self._work(), self._tasks)
        return answer

    async def close(self) -> None:
        """Answer pending requests, and close the connections."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        while self._free:
            await self._free.pop().close(timeout=1)

    async def _work(self) -> None:
        await asyncio.sleep(0)
        while self._waiting:
            now, self._waiting = self._waiting[:_MAX_QUESTIONS], self._waiting[_MAX_QUESTIONS:]
            try:
                rows = await self._answers([question for question, _ in now])
            except Exception as error:
                failure = error if isinstance(error, JikkoError) else unavailable(error)
                for _, answer in now:
                    if not answer.done():
                        answer.set_exception(failure)
                continue
            found = {row[0]: row for row in rows}
            for number, (_, answer) in enumerate(now, 1):
                if not answer.done():
                    answer.set_result(found.get(number))

    async def _answers(self, questions: list[tuple[Any, ...]]) -> list[Row]:
        """Return the rows of a query, retried on a new connection if a kept one was lost."""
        while True:
            was_kept = bool(self._free)
            connection = self._free.pop() if was_kept else await self.database.connect(by_key=True)
            try:
                rows = await self._asked(connection, questions)
            except BaseException:
                is_lost = connection.is_closed()
                connection.terminate()
                if not (was_kept and is_lost):
                    raise
            else:
                self._free.append(connection)
                return rows

    async def _asked(self, connection: Connection, questions: list[tuple[Any, ...]]) -> list[Row]:
        if len(questions) == 1:
            rows: list[Row] = await connection.fetch(self.one, *questions[0])
            return rows
        rows = await connection.fetch(self.statement, *map(list, zip(*questions, strict=True)))
        return rows
