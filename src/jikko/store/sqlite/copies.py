"""Copies of a database, for backups."""

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

from jikko.errors import StoreUnavailable
from jikko.store.sqlite.connection import connect, error_name, unavailable
from jikko.store.sqlite.migrate import copy_database, folder_id

_PATIENCE_SECONDS = 10.0
"""Seconds to wait for another process's lock."""


class SqliteCopies:
    """``DatabaseCopies`` by the backup of SQLite."""

    def folder_id(self, database: Path) -> str:
        try:
            with closing(connect(database, busy_timeout=_PATIENCE_SECONDS, query_only=True)) as connection:
                return folder_id(connection)
        except sqlite3.Error as error:
            raise unavailable(database, error) from None

    def folder_id_of_copy(self, copy: Path) -> str:
        with (
            suppress(sqlite3.Error),
            closing(sqlite3.connect(f"file:{quote(str(copy.resolve()))}?mode=ro", uri=True)) as connection,
        ):
            return folder_id(connection)
        return ""

    def copy(self, database: Path, target: Path) -> None:
        fresh = target.with_name(f"{target.name}.fresh")
        try:
            with closing(connect(database, busy_timeout=_PATIENCE_SECONDS, query_only=True)) as source:
                copy_database(source, fresh)
            with closing(sqlite3.connect(fresh)) as check:
                found: str = check.execute("PRAGMA quick_check(1)").fetchone()[0]
            if found != "ok":
                raise StoreUnavailable(f"the database {database} is damaged ({found}); restore a backup.")
            for left_over in ("-wal", "-shm"):
                target.with_name(target.name + left_over).unlink(missing_ok=True)
            os.replace(fresh, target)
        except sqlite3.Error as error:
            if error_name(error).startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
                raise unavailable(database, error) from None
            raise OSError(str(error)) from error
        finally:
            fresh.unlink(missing_ok=True)
