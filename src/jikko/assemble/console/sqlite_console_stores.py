"""What the console alone keeps and reads, in a SQLite database."""

from jikko.assemble.stores import ConsoleStores
from jikko.repositories.chat_pages import ChatPages
from jikko.repositories.console_store import ConsoleStore
from jikko.store.sqlite.console.run_pages import SqliteRunPages
from jikko.store.sqlite.database import Database


def console_stores(database: Database) -> ConsoleStores:
    """Access to the console, and its lists."""
    return ConsoleStores(ConsoleStore(database), SqliteRunPages(database), ChatPages(database))
