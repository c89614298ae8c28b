"""What the console alone keeps and reads, in a SQLite database."""

from jikko.assemble.stores import ConsoleStores
from jikko.store.repositories.access_store import SqlConsoleStore
from jikko.store.repositories.chat_pages import SqlChatPages
from jikko.store.sqlite.console.run_pages import SqliteRunPages
from jikko.store.sqlite.database import Database


def console_stores(database: Database) -> ConsoleStores:
    """Access to the console, and its lists."""
    return ConsoleStores(SqlConsoleStore(database), SqliteRunPages(database), SqlChatPages(database))
