"""Advisory locks of schema versions: each connection holds one for every group of tables.

The number of the lock is that of the last step that the program knows. A step that older programs cannot live with
(``migrate.py``) looks for theirs: a server that went on behind it would fail, or write what nobody reads.
"""

from functools import cache
from importlib import resources
from typing import Any, Final, NamedTuple

_HOLD: Final = "SELECT pg_advisory_lock_shared({lock}, {step});"
_OLDER: Final = """
SELECT min(l.objid::int8), count(DISTINCT l.pid), array_agg(DISTINCT host(a.client_addr)) FROM pg_locks l
JOIN pg_database d ON d.oid = l.database AND d.datname = current_database()
LEFT JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.objsubid = 2 AND l.classid = $1::oid AND l.objid < $2::oid
"""


class TableGroup(NamedTuple):
    """A group of tables: where its steps are, and by which locks it is told who knows them."""

    package: str
    """Where the steps are, a file each: ``0003_console.sql``."""
    lock: int
    """The first half of the number of its locks; the second is that of a step."""

    @property
    def newest(self) -> int:
        """The number of the last step."""
        return max(int(name[:4]) for name in self.names())

    def names(self) -> list[str]:
        """Of the files of its steps, in order."""
        return sorted(file.name for file in resources.files(self.package).iterdir() if file.name.endswith(".sql"))


MAIN: Final = TableGroup("jikko.store.postgres.migrations", 730580916)
DATASETS: Final = TableGroup("jikko.store.postgres.knowledge.migrations", 730580917)


@cache
def presence() -> str:
    """The statements by which a connection holds its locks, until it ends."""
    return "".join(_HOLD.format(lock=group.lock, step=group.newest) for group in (MAIN, DATASETS))


async def users_before(connection: Any, group: TableGroup, step: int) -> str:
    """Those connected to the database whose programs do not know a step, in words; empty: there are none.
    ``connection``: to the database."""
    [(oldest, count, hosts)] = await connection.fetch(_OLDER, group.lock, step)
    if not count:
        return ""
    known = ", ".join(filter(None, hosts))
    return f"{count} connection{'' if count == 1 else 's'}{f' from {known}' if known else ''}, schema {oldest}"
