"""Repositories of all that is kept beside runs, in either database: each statement is written once.

A repository is given a database (``SqlDatabase``), which its opener closes. ``tests/contract`` goes through each on
both databases.

SQLite's tables of runs and conversations have apps as numbers of ``names``, where PostgreSQL's have their ids.
"""

from typing import Final

APP: Final = "[sqlite: app][postgres: app_id]"
"""The column of an app."""
THE_APP: Final = "[sqlite: (SELECT key FROM names WHERE text = :app_id::text)][postgres: :app_id]"
"""What that column holds for the parameter ``app_id``."""
OF_APP: Final = f"{APP} = {THE_APP}"
"""The condition that a row belongs to the app ``app_id``."""
NAME_APP: Final = "[sqlite: INSERT INTO names (text) VALUES (:app_id::text) ON CONFLICT DO NOTHING]"
"""Gives the app a number, if it has none: before its first row."""
