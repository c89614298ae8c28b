"""Stores in one SQLite file."""

from jikko.store.sqlite.database import Database
from jikko.store.sqlite.runs.run_store import SqliteRunStore

__all__ = ["Database", "SqliteRunStore"]
