"""What was set for environment variables of apps, read from a database that is left as it is."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from jikko.errors import StoreUnavailable
from jikko.store.sqlite.peek import looking_into
from jikko.values import Json

_HAS_VALUES: Final = "SELECT 1 FROM pragma_table_info('apps') WHERE name = 'environment'"
_VALUES: Final = "SELECT name, environment FROM apps WHERE environment <> ''"


def stored_environments(path: Path) -> dict[str, Mapping[str, Json]]:
    """The values that ``jikko apps env`` has set, by app and variable; none if there is no such file.

    Nothing is written and no lock is held that a server would wait for, and a database of an earlier schema stays one.

    Raises:
        StoreUnavailable: It cannot be read.
    """
    if not path.is_file():
        return {}
    with looking_into(path) as connection:
        if connection.execute(_HAS_VALUES).fetchone() is None:
            return {}
        rows = connection.execute(_VALUES).fetchall()
    try:
        return {name: json.loads(values) for name, values in rows}
    except ValueError:
        raise StoreUnavailable(f"The database {path} is damaged: it has values that are no JSON.") from None
