"""Migrations of a database: numbered files, each in one transaction, under one lock of the database.

Servers are upgraded one after the other, so those of the previous version continue on a newer schema. A step that only
adds declares this in its first line: ``-- readers: 3`` means that programs whose last step is 3 or later may use the
database after it. Without this line, only programs that know the step may: it is refused while others use the database.
"""

import re
from importlib import resources
from typing import Final, NamedTuple

from jikko.diagnostics.diagnostic import Phrase
from jikko.errors import InvalidSettings, StoreUnavailable
from jikko.store.postgres import schema_locks
from jikko.store.postgres.database import Connection, Postgres
from jikko.store.postgres.postgres_refusals import cannot_be_opened
from jikko.store.postgres.schema_locks import TableGroup, users_before

_LOCK: Final = "SELECT pg_advisory_xact_lock(7305809155)"
"""Lock of the migrating process; others wait, then find the schema up to date."""
_SOON: Final = "SET LOCAL lock_timeout = '10s'"
"""A step that alters a table waits for its transactions, and later ones for the step: a long backup would block all."""
_HAS_ANY: Final = "SELECT to_regclass('installation') IS NOT NULL"
_VERSION: Final = "SELECT value FROM installation WHERE name = $1"
_NOTE: Final = """
INSERT INTO installation (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value
"""
_CLAIM: Final = "INSERT INTO installation (name, value) VALUES ('data_folder', $1) ON CONFLICT (name) DO NOTHING"
_SERVER: Final = (
    "SELECT current_setting('server_version_num')::int, split_part(current_setting('server_version'), ' ', 1)"
)
OLDEST: Final = 15
"""Oldest supported version of PostgreSQL."""
_NUMBERS_A_VERSION: Final = 10_000
SHARED: Final = "servers/"
"""Prefix of the owner of a shared database."""
_READERS: Final = re.compile(r"-- readers: (\d+)\n")
_OWNER: Final = "SELECT value FROM installation WHERE name = 'data_folder'"


class Schema(NamedTuple):
    """A group of tables migrated together."""

    name: str
    """Name in ``installation`` of the last step's number."""
    group: TableGroup

    @property
    def readers(self) -> str:
        """Name in ``installation`` of the last step of the oldest program that may use the tables."""
        return f"{self.name}_readers"

    def steps(self) -> list[tuple[int, str]]:
        """Return number and text of each step, in order."""
        folder = resources.files(self.group.package)
        return [(int(name[:4]), (folder / name).read_text()) for name in self.group.names()]

    async def migrate(self, database: Postgres, *, only_if_empty: bool = False) -> int:
        """Migrate the tables, or (``only_if_empty``) create them. Returns the resulting schema version.

        Raises:
            InvalidSettings: A newer version of Jikko made them incompatible; or older programs, which could not use
                them any more, are connected.
            StoreUnavailable: The database is unreachable, or not writable.
        """
        known = self.steps()

        async def bring(connection: Connection) -> int:
            await connection.execute(_LOCK)
            found = await connection.fetchval(_VERSION, self.name) if await connection.fetchval(_HAS_ANY) else None
            version = 0 if found is None else int(found)
            if version > known[-1][0]:
                readers = await connection.fetchval(_VERSION, self.readers)
                if readers is not None and int(readers) <= known[-1][0]:
                    return version
                raise _newer(database, version, known[-1][0])
            if version and only_if_empty:
                return version
            steps = [step for step in known if step[0] > version]
            if version and steps:
                await self._require_no_older(database, connection, max(_oldest_reader(*step) for step in steps))
                await connection.execute(_SOON)
            for number, sql in steps:
                await connection.execute(sql)
                await connection.execute(_NOTE, self.name, str(number).encode())
                readers = await connection.fetchval(_VERSION, self.readers) or version
                oldest = max(int(readers), _oldest_reader(number, sql))
                await connection.execute(_NOTE, self.readers, str(oldest).encode())
            return known[-1][0]

        try:
            return await database.transact(bring)
        except StoreUnavailable as error:
            raise _not_opened(database, error) from error.__cause__

    async def _require_no_older(self, database: Postgres, connection: Connection, oldest: int) -> None:
        """Refuse a step while older programs are connected. Raises ``InvalidSettings``: they are."""
        if users := await users_before(connection, self.group, oldest):
            raise InvalidSettings(
                f"The database {database.address} is used by an older version of Jikko ({users}), which cannot "
                f"use schema {self.group.newest} of this version. Stop all servers and commands that use it, then "
                "start this version. Nothing was changed."
            )


MAIN: Final = Schema("schema", schema_locks.MAIN)


async def reach(database: Postgres) -> str:
    """Connect, and return the server's version.

    Raises:
        InvalidSettings: It is too old.
        StoreUnavailable: Connecting or signing in failed; the message says why.
    """
    try:
        [(number, version)] = await database.fetch(_SERVER)
    except StoreUnavailable as error:
        raise _not_opened(database, error) from error.__cause__
    if number < OLDEST * _NUMBERS_A_VERSION:
        raise InvalidSettings(
            f"The database {database.address} runs PostgreSQL {version}; Jikko needs {OLDEST} or later."
        )
    return f"PostgreSQL {version}"


async def migrate(database: Postgres) -> int:
    """Migrate the database. Returns its schema version.

    Raises:
        InvalidSettings: It is of a newer version of Jikko.
        StoreUnavailable: It is unreachable, or not writable.
    """
    return await MAIN.migrate(database)


async def require_current(database: Postgres) -> None:
    """Require an up-to-date database. An empty one is migrated: no other process uses it yet.

    Raises:
        InvalidSettings: It is of another version of Jikko.
        StoreUnavailable: It is unreachable, or not writable.
    """
    schema = await MAIN.migrate(database, only_if_empty=True)
    newest = MAIN.steps()[-1][0]
    if schema < newest:
        raise InvalidSettings(
            f"The database {database.address} has schema {schema}; this version of Jikko uses {newest}. Run `jikko "
            "migrate`, or start a server of this version."
        )


async def describe_schema(database: Postgres) -> Phrase:
    """Describe the tables of the database. Read-only.

    Raises:
        InvalidSettings: They are of a newer version of Jikko.
        StoreUnavailable: The database is unreachable.
    """
    newest = MAIN.steps()[-1][0]
    found = await database.value(_VERSION, MAIN.name) if await is_there(database) else None
    if found is None:
        return Phrase("servers.no_schema")
    params = {"schema": int(found), "own": newest}
    if int(found) > newest:
        readers = await database.value(_VERSION, MAIN.readers)
        if readers is None or int(readers) > newest:
            raise _newer(database, int(found), newest)
        return Phrase("servers.newer_schema", params)
    return Phrase("servers.schema" if int(found) == newest else "servers.older_schema", params)


async def is_there(database: Postgres) -> bool:
    """Return whether the database has tables of Jikko."""
    return bool(await database.value(_HAS_ANY))


async def belong(database: Postgres, folder_id: str) -> None:
    """Make a data folder the owner of a database without owner. Raises ``InvalidSettings``: it has another, and each
    server would take over the other's runs."""
    await database.execute(_CLAIM, folder_id.encode())
    refuse_stranger(database, await _owner(database), folder_id, shared=False)


async def require_own(database: Postgres, folder_id: str, *, shared: bool) -> None:
    """Require that the database has no other owner. Read-only; its tables need not exist. Raises ``InvalidSettings``:
    it has one.

    Args:
        folder_id: Id of the data folder.
        shared: Whether several servers will share it.
    """
    if await is_there(database) and (owner := await _owner(database)):
        refuse_stranger(database, owner, folder_id, shared=shared)


async def is_free(database: Postgres, folder_id: str) -> bool:
    """Return whether the database has no owner but this data folder. Read-only."""
    return not await is_there(database) or await _owner(database) in ("", folder_id)


def refuse_stranger(database: Postgres, owner: str, folder_id: str, *, shared: bool) -> None:
    """Check the owner of a database. Raises ``InvalidSettings``: it belongs to others."""
    if owner == folder_id or (shared and owner.startswith(SHARED)):
        return
    if shared:
        raise InvalidSettings(
            f"The database {database.address} belongs to the server of another data folder. Stop that one, and "
            f"start it with nats_url first (its folder.id has {owner})."
        )
    if owner.startswith(SHARED):
        raise InvalidSettings(
            f"The database {database.address} belongs to several servers: set nats_url and files_url, as they do."
        )
    raise InvalidSettings(
        f"The database {database.address} belongs to another data folder. Serve that one (its folder.id has "
        f"{owner}), or give this one a database of its own."
    )


async def _owner(database: Postgres) -> str:
    return bytes(await database.value(_OWNER) or b"").decode()


def _oldest_reader(number: int, sql: str) -> int:
    """Return the last step of the oldest program that may use the database after a step."""
    match = _READERS.match(sql)
    return number if match is None else int(match[1])


def _newer(database: Postgres, found: int, known: int) -> InvalidSettings:
    return InvalidSettings(
        f"The database {database.address} has schema {found}, of a newer version of Jikko; this one "
        f"knows {known}. Use that version, or restore a backup of before the upgrade."
    )


def _not_opened(database: Postgres, error: StoreUnavailable) -> StoreUnavailable:
    return StoreUnavailable(cannot_be_opened(database.address, error.__cause__))
