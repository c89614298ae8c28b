"""Advisory locks of schema versions: each connection holds one per group of tables.

The lock number is the last step that the program knows. A step incompatible with older programs (``migrate.py``) looks
for their locks: a server that continued would fail, or write data that is never read.
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
    """A group of tables: the package of its steps, and its lock."""

    package: str
    """Package of the steps, a file each: ``0003_console.sql``."""
    lock: int
    """First half of the lock number; the second is the step."""

    @property
    def newest(self) -> int:
        """Number of the last step."""
        return max(int(name[:4]) for name in self.names())

    def names(self) -> list[str]:
        """Return the file names of its steps, in order."""
        return sorted(file.name for file in resources.files(self.package).iterdir() if file.name.endswith(".sql"))


MAIN: Final = TableGroup("jikko.store.postgres.migrations", 730580916)
DATASETS: Final = TableGroup("jikko.store.postgres.knowledge.migrations", 730580917)


@cache
def presence() -> str:
    """Return the statements that take a connection's locks, held until it ends."""
    return "".join(_HOLD.format(lock=group.lock, step=group.newest) for group in (MAIN, DATASETS))


async def users_before(connection: Any, group: TableGroup, step: int) -> str:
    """Describe the connected programs that do not know a step; empty if there are none."""
    [(oldest, count, hosts)] = await connection.fetch(_OLDER, group.lock, step)
    if not count:
        return ""
    known = ", ".join(filter(None, hosts))
    return f"{count} connection{'' if count == 1 else 's'}{f' from {known}' if known else ''}, schema {oldest}"
