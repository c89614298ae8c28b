"""PostgreSQL's execution plans of all statements of a watched database, as executed."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Final

from msgspec import Struct

from jikko.store.postgres.database import Connection, Postgres

_WATCH: Final = """
LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0; SET auto_explain.log_analyze = on;
SET auto_explain.log_buffers = on; SET auto_explain.log_timing = off; SET auto_explain.log_format = json;
SET auto_explain.log_level = notice; SET client_min_messages = notice;
"""


class Statement(Struct, frozen=True):
    """Executed statement."""

    plan: dict[str, Any]
    """Plan as reported by PostgreSQL."""
    text: str

    @property
    def milliseconds(self) -> float:
        """Return its duration under observation."""
        return float(self.plan["Actual Total Time"]) if "Actual Total Time" in self.plan else 0.0

    @property
    def pages(self) -> int:
        """Return the pages of 8 KB read, counting repeated reads."""
        return int(self.plan["Shared Hit Blocks"] + self.plan["Shared Read Blocks"])

    @property
    def rows(self) -> float:
        """Return the rows read in tables and indexes, wanted or not."""
        return sum(_looked_at(step) for step in self.steps() if "Scan" in step["Node Type"])

    def steps(self) -> Iterator[dict[str, Any]]:
        """Yield all steps of the plan."""
        return _steps(self.plan)

    def goes_through(self, table: str) -> bool:
        """Return whether a table is scanned completely."""
        return any(step["Node Type"].endswith("Seq Scan") and step["Relation Name"] == table for step in self.steps())


class Explained(Postgres):
    """Database with watched statements."""

    def __init__(self, url: str, *, settings: str = "") -> None:
        """Args:
        settings: Statements for each connection, terminated by ``;``."""
        super().__init__(url)
        self._settings = settings
        self.statements: list[Statement] = []
        """Executed statements, in order; cleared by callers that count."""

    async def connect(self, *, by_key: bool = False) -> Connection:
        connection = await super().connect(by_key=by_key)
        connection.add_log_listener(self._heard)
        await connection.execute(_WATCH + self._settings)
        return connection

    @asynccontextmanager
    async def _connection(self, *args: Any, **kwargs: Any) -> AsyncIterator[Connection]:
        async with super()._connection(*args, **kwargs) as connection:
            await connection.execute(_WATCH + self._settings)
            connection.add_log_listener(self._heard)
            try:
                yield connection
            finally:
                connection.remove_log_listener(self._heard)

    def _heard(self, connection: Connection, message: Any) -> None:
        _, found, told = str(message.message).partition("plan:\n")
        if found:
            entry = json.loads(told)
            self.statements.append(Statement(entry["Plan"], entry["Query Text"]))

    @property
    def pages(self) -> int:
        """Return the pages read by all statements."""
        return sum(statement.pages for statement in self.statements)

    @property
    def rows(self) -> float:
        """Return the rows read by all statements."""
        return sum(statement.rows for statement in self.statements)


def _steps(step: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield step
    for part in step.get("Plans", []):
        yield from _steps(part)


def _looked_at(step: dict[str, Any]) -> float:
    dropped = sum(value for name, value in step.items() if name.startswith("Rows Removed by "))
    return float((step["Actual Rows"] + dropped) * step["Actual Loops"])
