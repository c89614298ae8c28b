"""Rights that Jikko needs in a database."""

from typing import Final

from jikko.diagnostics.diagnostic import Phrase
from jikko.errors import InvalidSettings
from jikko.store.postgres.database import Postgres

_IS_READ_ONLY: Final = "SELECT pg_is_in_recovery(), current_setting('transaction_read_only') = 'on'"
_LACKING: Final = """
SELECT c.relname FROM pg_class c JOIN pg_class i ON i.oid = to_regclass('installation') AND i.relowner = c.relowner
WHERE c.relnamespace IN (i.relnamespace, to_regnamespace('knowledge')) AND CASE c.relkind
  WHEN 'r' THEN NOT (has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
    AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE'))
  WHEN 'S' THEN NOT has_sequence_privilege(c.oid, 'USAGE')
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'i') END
ORDER BY 1
"""
# Sequences of identity columns are skipped: inserting rows includes the right to use them.
_MAY_CREATE: Final = """
SELECT current_user, current_schema(), has_schema_privilege(current_schema(), 'CREATE')
  OR to_regclass('installation') IS NOT NULL
"""
OF_THEIR_OWN: Final = 6
"""Connections outside pools: one for appends, two for run detail, two for keys, one for changes of apps."""
PER_PROCESS: Final = 32
"""Maximum connections of a process: 6 and 2 for runs, 6 and 6 for datasets, 6 for plugins, and those outside pools."""
_ROOM: Final = """
SELECT least(
  current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
    - coalesce(current_setting('reserved_connections', true), '0')::int
    - (SELECT sum(numbackends) FROM pg_stat_database),
  (SELECT CASE WHEN rolconnlimit >= 0 THEN rolconnlimit - (
    SELECT count(*) FROM pg_stat_activity WHERE usename = current_user) END FROM pg_roles WHERE rolname = current_user),
  (SELECT CASE WHEN datconnlimit >= 0 THEN datconnlimit - (
    SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()) END
    FROM pg_database WHERE datname = current_database()))::int
"""
_SHOWN: Final = 3
"""Tables named in a message."""


async def require_rights(database: Postgres) -> None:
    """Require write access to the database.

    Raises:
        InvalidSettings: This user lacks it.
        StoreUnavailable: The database is unreachable.
    """
    [(is_copy, is_read_only)] = await database.fetch(_IS_READ_ONLY)
    if is_copy:
        raise InvalidSettings(
            f"The database {database.address} is a standby, which cannot be written to. Name the primary in "
            "database_url, or all hosts with ?target_session_attrs=primary."
        )
    if is_read_only:
        raise InvalidSettings(
            f"The database {database.address} takes no writes from this user: default_transaction_read_only is on."
        )
    [(user, schema, may_create)] = await database.fetch(_MAY_CREATE)
    if not may_create:
        where = f"in the schema {schema}" if schema else "since it has no schema that this user sees"
        raise InvalidSettings(
            f"The user {user} may not make tables in the database {database.address}, {where}: let it own the "
            f"database, or GRANT USAGE, CREATE ON SCHEMA {schema or 'public'} TO {user}."
        )
    lacking = [str(row[0]) for row in await database.fetch(_LACKING)]
    if lacking:
        named = ", ".join(lacking[:_SHOWN]) + (f" and {len(lacking) - _SHOWN} more" if len(lacking) > _SHOWN else "")
        raise InvalidSettings(
            f"The user {user} may not read and write all tables of the database {database.address} ({named}). Use the "
            f"user that owns them, or GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO {user}, and ON ALL SEQUENCES."
        )


async def room_for(database: Postgres, processes: int) -> tuple[Phrase, bool]:
    """Return how many more connections the server's limits allow, and whether they suffice for so many processes."""
    free = max(0, int(await database.value(_ROOM)))
    wanted = processes * PER_PROCESS
    code = "servers.room" if free >= wanted else "servers.little_room"
    return Phrase(code, {"free": free, "wanted": wanted}), free >= wanted
