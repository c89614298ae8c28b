"""Stores in memory for tests that need no file: they start no thread, so they work in virtual time, too."""

from contextlib import closing
from functools import cache
from pathlib import Path

from jikko.repositories.annotation_store import AnnotationStore
from jikko.repositories.app_store import AppStore
from jikko.repositories.callback_store import CallbackStore
from jikko.repositories.file_index import FileIndex
from jikko.store.sqlite import SqliteRunStore
from jikko.store.sqlite.connection import connect
from jikko.store.sqlite.conversation_store import SqliteConversationStore
from jikko.store.sqlite.memory_database import MemoryDatabase, new_connection


def new_database(image: bytes | None = None) -> MemoryDatabase:
    """A new database: a tenth of the time of its migrations.

    Args:
        image: Of the database that it is to be a copy of; by default of one that is empty.
    """
    connection = connect(Path(":memory:"), busy_timeout=0)
    connection.deserialize(image or _image())
    return MemoryDatabase(connection)


@cache
def _image() -> bytes:
    with closing(new_connection()) as connection:
        return connection.serialize()


class RunsInMemory(SqliteRunStore):
    """Runs in a database that other stores may share."""

    def __init__(self, database: MemoryDatabase | None = None) -> None:
        self.database = database or new_database()
        super().__init__(self.database)


class CallbacksInMemory(CallbackStore):
    """Call-backs of runs in memory."""

    def __init__(self, runs: RunsInMemory) -> None:
        super().__init__(runs.database)


class AppsInMemory(AppStore):
    """Apps in a database that other stores may share. So are the classes below."""

    def __init__(self, database: MemoryDatabase | None = None) -> None:
        super().__init__(database or new_database())


class ConversationsInMemory(SqliteConversationStore):
    """Conversations."""

    def __init__(self, database: MemoryDatabase | None = None) -> None:
        super().__init__(database or new_database())


class FilesInMemory(FileIndex):
    """What is known of files."""

    def __init__(self, database: MemoryDatabase | None = None) -> None:
        super().__init__(database or new_database())


class AnnotationsInMemory(AnnotationStore):
    """Annotations."""

    def __init__(self, database: MemoryDatabase | None = None) -> None:
        super().__init__(database or new_database())
