"""What was set for environment variables of apps, read from a database that is left as it is."""

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Final
from urllib.parse import quote

from jikko.errors import StoreUnavailable
from jikko.store.sqlite.connection import unavailable
from jikko.values import Json

_HAS_VALUES: Final = "SELECT 1 FROM pragma_table_info('apps') WHERE name = 'environment'"
_VALUES: Final = "SELECT name, environment FROM apps WHERE environment <> ''"
_TIMEOUT_SECONDS: Final = 2.0
"""Seconds to wait for another process that opens or closes the file just now."""


def stored_environments(path: Path) -> dict[str, Mapping[str, Json]]:
    """The values that ``jikko apps env`` has set, by app and variable; none if there is no such file.

    Nothing is written and no lock is held that a server would wait for, and a database of an earlier schema stays one.

    Raises:
        StoreUnavailable: It cannot be read.
    """
    if not path.is_file():
        return {}
    # Even a reader makes the files of the write-ahead log where there are none. No process writes then: the database
    # can be read as if it never changed.
    unused = "" if path.with_name(f"{path.name}-wal").exists() else "&immutable=1"
    try:
        address = f"file:{quote(str(path.absolute()))}?mode=ro{unused}"
        with closing(sqlite3.connect(address, uri=True, timeout=_TIMEOUT_SECONDS)) as connection:
            if connection.execute(_HAS_VALUES).fetchone() is None:
                return {}
            return {name: json.loads(values) for name, values in connection.execute(_VALUES)}
    except sqlite3.Error as error:
        raise unavailable(path, error) from None
    except ValueError:
        raise StoreUnavailable(f"The database {path} is damaged: it has values that are no JSON.") from None
