"""Repositories of everything stored besides runs, for both databases: each statement is written once.

A repository is given a database (``SqlDatabase``), which its opener closes. ``tests/contract`` tests each repository on
both databases.

SQLite's tables of runs and conversations store apps as keys of ``names``; PostgreSQL's store their ids.
"""

from typing import Final

APP: Final = "[sqlite: app][postgres: app_id]"
"""Column of an app."""
THE_APP: Final = "[sqlite: (SELECT key FROM names WHERE text = :app_id::text)][postgres: :app_id]"
"""Value of that column for the parameter ``app_id``."""
OF_APP: Final = f"{APP} = {THE_APP}"
"""Condition for rows of the app ``app_id``."""
NAME_APP: Final = "[sqlite: INSERT INTO names (text) VALUES (:app_id::text) ON CONFLICT DO NOTHING]"
"""Adds the app to ``names`` if it is missing; to be executed before its first row."""
