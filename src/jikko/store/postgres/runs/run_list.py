"""Which runs a list of logs shows. Source: Dify 1.15, spec/records.md §6."""

import uuid
from typing import Any, Final

from jikko.ports.stores.run_store import LogQuery
from jikko.store.identifiers import storable
from jikko.store.postgres.columns import id_column, text
from jikko.store.postgres.runs.run_rows import ALL_RUNS, COLUMNS
from jikko.store.run_statuses import STATUS_NUMBERS

_KEYWORD_CHARACTERS: Final = 30
# `lower` with the collation "C" changes letters of ASCII alone.
_HAS_KEYWORD: Final = """(
  position({}::text IN lower(inputs COLLATE "C")) > 0
  OR position({}::text IN lower(convert_from(outputs, 'UTF8') COLLATE "C")) > 0
  OR position({}::text IN lower(session COLLATE "C")) > 0
  OR run_id = {}::bytea)"""


class Listing:
    """The statements of one query, with their values."""

    def __init__(self, query: LogQuery) -> None:
        self._conditions: list[str] = []
        self.values: list[Any] = []
        self._query = query
        self._add("app_id = ${}", id_column(query.app_id))
        if query.status is not None:
            number = STATUS_NUMBERS[query.status]
            self._add("status = ${}", number)
            if number > STATUS_NUMBERS["succeeded"]:
                # In the words of the index.
                self._conditions.append("status > 2")
        if query.created_before is not None:
            self._add("created_at <= ${}", query.created_before)
        if query.created_after is not None:
            self._add("created_at >= ${}", query.created_after)
        if query.user is not None:
            self._add("session = ${}", text(query.user))
        if query.keyword:
            condition, values = has_keyword(query.keyword)
            first = len(self.values) + 1
            self.values += values
            self._conditions.append(condition.format(*(f"${first + number}" for number in range(len(values)))))

    @property
    def count(self) -> str:
        """How many runs are on all pages."""
        return f"SELECT count(*) FROM {ALL_RUNS} WHERE {self._where}"

    @property
    def page(self) -> str:
        """The runs of the page, newest first."""
        skip = (self._query.page - 1) * self._query.limit
        return (
            f"SELECT {COLUMNS} FROM {ALL_RUNS} WHERE {self._where} "
            f"ORDER BY created_at DESC, key DESC LIMIT {self._query.limit:d} OFFSET {skip:d}"
        )

    @property
    def _where(self) -> str:
        return " AND ".join(self._conditions)

    def _add(self, condition: str, value: Any) -> None:
        self.values.append(value)
        self._conditions.append(condition.format(len(self.values)))


def has_keyword(keyword: str) -> tuple[str, tuple[Any, ...]]:
    """Whether a run has a keyword: a condition with ``{}`` for each value, and the values."""
    wanted = storable(keyword[:_KEYWORD_CHARACTERS]).encode().lower().decode().replace("\0", "\ufffd")
    return _HAS_KEYWORD, (wanted, wanted, wanted, _run_id(keyword))


def _run_id(keyword: str) -> bytes:
    """The run that a keyword names whole, in any way of writing; of others none."""
    try:
        return uuid.UUID(keyword).bytes
    except ValueError:
        return b""
