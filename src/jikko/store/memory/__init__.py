"""Stores that forget everything when the process ends."""

from jikko.store.memory.annotation_store import MemoryAnnotationStore
from jikko.store.memory.app_store import MemoryAppStore
from jikko.store.memory.callback_store import MemoryCallbackStore
from jikko.store.memory.conversation_store import MemoryConversationStore
from jikko.store.memory.end_user_store import MemoryEndUserStore
from jikko.store.memory.file_index import MemoryFileIndex
from jikko.store.memory.record import MemoryRecord
from jikko.store.memory.run_store import MemoryRunStore

__all__ = [
    "MemoryAnnotationStore",
    "MemoryAppStore",
    "MemoryCallbackStore",
    "MemoryConversationStore",
    "MemoryEndUserStore",
    "MemoryFileIndex",
    "MemoryRecord",
    "MemoryRunStore",
]
