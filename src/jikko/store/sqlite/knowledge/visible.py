"""The documents that searches look into, in memory: to read thousands of them takes longer than to search."""

import sqlite3
from collections import OrderedDict
from typing import Final

from jikko.ports.stores.knowledge.records import Document
from jikko.store.identifiers import StoredId, id_text
from jikko.store.repositories.knowledge.tables import DOCUMENTS
from jikko.store.sqlite.sql import perform

_VISIBLE: Final = "WHERE dataset_id = :dataset_id AND version > 0 AND enabled AND NOT archived ORDER BY position"
_CHANGES: Final = "SELECT changes FROM dataset WHERE id = ?"
_MAX_DOCUMENTS: Final = 20_000
"""Documents that are kept, of all datasets together: 30 MB."""


class VisibleDocuments:
    """The visible documents of the datasets that were searched last, as the database has them. For several threads."""

    def __init__(self, most: int = _MAX_DOCUMENTS) -> None:
        """Args:
        most: How many documents are kept; those of the search at hand are in any case.
        """
        self._most = most
        self._known: OrderedDict[StoredId, tuple[int, list[Document]]] = OrderedDict()

    def of(self, connection: sqlite3.Connection, dataset_id: StoredId) -> list[Document]:
        """Those of a dataset, by position. The list is the caller's own."""
        row = connection.execute(_CHANGES, (dataset_id,)).fetchone()
        if row is None:
            return []
        known = self._known.pop(dataset_id, None)
        # Another thread may read an older state of the database, or a newer one: each has what it sees itself.
        if known is None or known[0] != row[0]:
            known = row[0], perform(DOCUMENTS.all(_VISIBLE, dataset_id=id_text(dataset_id)), connection)
        self._known[dataset_id] = known
        kept = list(self._known.items())
        count = sum(len(documents) for _, (_, documents) in kept)
        for key, (_, documents) in kept[:-1]:
            if count <= self._most:
                break
            count -= len(documents)
            self._known.pop(key, None)
        return list(known[1])
