"""In-memory stores for tests that need no file: they start no thread, so they also work in virtual time."""

from jikko.repositories.annotation_store import AnnotationStore
from jikko.repositories.app_store import AppStore
from jikko.repositories.callback_store import CallbackStore
from jikko.repositories.file_index import FileIndex
from jikko.store.sqlite import SqliteRunStore
from jikko.store.sqlite.conversation_store import SqliteConversationStore
from jikko.store.sqlite.memory_database import MemoryDatabase
from tests.store.templates import new_connection


def new_database(image: bytes | None = None) -> MemoryDatabase:
    """Return a new database; ``image`` as ``new_connection`` takes it."""
    return MemoryDatabase(new_connection(image))


class RunsInMemory(SqliteRunStore):
    """Runs in a database that other stores may share."""

    def __init__(self, database: MemoryDatabase | None = None) -> None:
        self.database = database or new_database()
        super().__init__(self.database)


class CallbacksInMemory(CallbackStore):
    """Callbacks of runs in memory."""

    def __init__(self, runs: RunsInMemory) -> None:
        super().__init__(runs.database)


class AppsInMemory(AppStore):
    """Apps in a database that other stores may share, as for the classes below."""

    def __init__(self, database: MemoryDatabase | None = None) -> None:
        super().__init__(database or new_database())


class ConversationsInMemory(SqliteConversationStore):
    """Conversations."""

    def __init__(self, database: MemoryDatabase | None = None) -> None:
        super().__init__(database or new_database())


class FilesInMemory(FileIndex):
    """File metadata."""

    def __init__(self, database: MemoryDatabase | None = None) -> None:
        super().__init__(database or new_database())


class AnnotationsInMemory(AnnotationStore):
    """Annotations."""

    def __init__(self, database: MemoryDatabase | None = None) -> None:
        super().__init__(database or new_database())
