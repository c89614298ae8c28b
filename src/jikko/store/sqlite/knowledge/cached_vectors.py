"""Vector cache: the vectors of recently searched datasets in memory.

Each dataset has an 8-bit matrix, scanned exactly by usearch; the best matches are rescored with the database's 16-bit
vectors. Without usearch the matrix has 32 bits.
"""

import sqlite3
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from jikko.errors import InvalidParam, JikkoError
from jikko.extras import how_to_install
from jikko.repositories.knowledge.segment_repository import Visible
from jikko.repositories.shared_sql import StoredId, id_text

Array: TypeAlias = Any
"""A numpy array; numpy is imported on the first vector search."""
_RESCORED: Final = 50
"""Minimum number of rescored nodes: for real vectors, 8 bits find the best 10 among the best 20."""
_MAX_HIDDEN_SCANNED: Final = 2000
"""Maximum hidden rows that are scanned with the others and filtered afterwards."""
_ADDED: Final = """
SELECT key, document_id, version, vector FROM node INDEXED BY node_of_dataset WHERE dataset_id = ? AND key > ?
ORDER BY key
"""
_COUNT_ADDED: Final = "SELECT count(*) FROM node INDEXED BY node_of_dataset WHERE dataset_id = ? AND key > ?"
_KEYS: Final = "SELECT key FROM node INDEXED BY node_of_dataset WHERE dataset_id = ?"
_DISABLED: Final = """
SELECT node.key FROM segment INDEXED BY segment_disabled JOIN node ON node.segment_id = segment.id
WHERE segment.dataset_id = ? AND segment.enabled = 0
"""
_ROWS: Final = 512


class VectorsUnavailable(JikkoError):
    """Libraries for vector search are not installed."""

    code = "service_unavailable"
    status = 503


def similarities(vector: bytes, stored: Sequence[bytes]) -> list[float]:
    """Return the cosine similarities of a vector (32-bit floats, length 1) and stored ones (16-bit floats). Raises
    ``VectorsUnavailable``: numpy is not installed."""
    np = _numpy()
    asked = np.frombuffer(vector, dtype=np.float32).astype(np.float64)
    rows = np.frombuffer(b"".join(stored), dtype="<f2").reshape(len(stored), len(asked)).astype(np.float64)
    return [float(score) for score in rows @ asked]


def _numpy() -> Any:
    try:
        import numpy
    except ImportError:
        raise VectorsUnavailable(
            f"Vectors cannot be searched without packages that are not installed: {how_to_install('knowledge')}"
        ) from None
    return numpy


class VectorCache:
    """Matrices of the last searched datasets. Used by one thread at a time."""

    def __init__(self, budget: int) -> None:
        """``budget``: Maximum bytes of all matrices; that of the current search always stays."""
        self._budget = budget
        self._matrices: OrderedDict[tuple[StoredId, int], _Matrix] = OrderedDict()

    @property
    def size(self) -> int:
        """Bytes held."""
        return sum(matrix.size for matrix in self._matrices.values())

    def nearest(
        self, connection: sqlite3.Connection, dataset_id: StoredId, vector: bytes, documents: Sequence[Visible], k: int
    ) -> list[int]:
        """Return the keys of the nodes nearest to a vector by 8 bits: more than ``k``, to be rescored.

        Args:
            vector: 32-bit floats, normalised to length 1.
            documents: Those whose nodes are wanted.

        Raises:
            InvalidParam: Their vectors have another length.
            VectorsUnavailable: numpy is not installed.
        """
        dimensions = len(vector) // 4
        matrix = self._matrices.pop((dataset_id, dimensions), None) or _Matrix(dimensions)
        matrix.refresh(connection, dataset_id)
        self._matrices[dataset_id, dimensions] = matrix
        while self.size > self._budget and len(self._matrices) > 1:
            self._matrices.popitem(last=False)
        disabled = [row[0] for row in connection.execute(_DISABLED, (dataset_id,))]
        return matrix.nearest(vector, documents, disabled, max(_RESCORED, 2 * k))


class _Matrix:
    """Vectors of one length of one dataset."""

    def __init__(self, dimensions: int) -> None:
        np = _numpy()
        self._np = np
        self._exact = _exact_search()
        self._dimensions = dimensions
        self._rows: Array = np.empty((0, dimensions), dtype=np.int8 if self._exact is not None else np.float32)
        self._keys: Array = np.empty(0, dtype=np.int64)
        self._documents: Array = np.empty(0, dtype=np.int32)
        """Number in ``_numbers`` of each row's document."""
        self._versions: Array = np.empty(0, dtype=np.int32)
        self._numbers: dict[str, int] = {}
        self._stored: dict[StoredId, int] = {}
        """The same by stored id."""
        self._others: dict[tuple[str, int], int] = {}
        """Number of vectors with another length, by document and version."""
        self._last = 0
        self._removals = -1

    @property
    def size(self) -> int:
        return int(self._rows.nbytes) + 16 * len(self._keys)

    def refresh(self, connection: sqlite3.Connection, dataset_id: StoredId) -> None:
        np = self._np
        row = connection.execute("SELECT removals FROM dataset WHERE id = ?", (dataset_id,)).fetchone()
        removals = 0 if row is None else row[0]
        if self._removals not in (-1, removals):
            there = np.fromiter((row[0] for row in connection.execute(_KEYS, (dataset_id,))), dtype=np.int64)
            kept = np.isin(self._keys, there)
            if not kept.all():
                self._rows, self._keys = self._rows[kept], self._keys[kept]
                self._documents, self._versions = self._documents[kept], self._versions[kept]
        self._removals = removals
        added: int = connection.execute(_COUNT_ADDED, (dataset_id, self._last)).fetchone()[0]
        if not added:
            return
        # Allocated at once: concatenating pieces at the end would double the memory.
        at = len(self._keys)
        self._resize(at + added)
        rows = connection.execute(_ADDED, (dataset_id, self._last))
        while batch := rows.fetchmany(_ROWS):
            self._last = batch[-1][0]
            fitting = [row for row in batch if len(row[3]) == 2 * self._dimensions]
            for row in batch:
                if row[3] and len(row[3]) != 2 * self._dimensions:
                    self._others[id_text(row[1]), row[2]] = len(row[3]) // 2
            if fitting:
                self._put(at, fitting)
                at += len(fitting)
        if at < len(self._keys):
            self._resize(at)

    def _resize(self, length: int) -> None:
        np = self._np
        kept = min(length, len(self._keys))

        def resized(array: Array) -> Array:
            found = np.empty((length, *array.shape[1:]), dtype=array.dtype)
            found[:kept] = array[:kept]
            return found

        self._rows, self._keys = resized(self._rows), resized(self._keys)
        self._documents, self._versions = resized(self._documents), resized(self._versions)

    def _put(self, at: int, rows: list[Any]) -> None:
        np, end = self._np, at + len(rows)
        vectors = np.frombuffer(b"".join(row[3] for row in rows), dtype="<f2").reshape(len(rows), self._dimensions)
        self._rows[at:end] = self._in_bits(vectors)
        self._keys[at:end] = [row[0] for row in rows]
        self._documents[at:end] = [self._number(row[1]) for row in rows]
        self._versions[at:end] = [row[2] for row in rows]

    def _number(self, document_id: StoredId) -> int:
        number = self._stored.setdefault(document_id, len(self._stored))
        if number == len(self._numbers):
            self._numbers[id_text(document_id)] = number
        return number

    def _in_bits(self, vectors: Array) -> Array:
        np = self._np
        if self._exact is None:
            return vectors.astype(np.float32)
        # Scaled by each vector's largest number: cosines are unchanged, and small numbers keep their digits.
        wide = vectors.astype(np.float32)
        largest = np.abs(wide).max(axis=1, keepdims=True)
        return np.rint(wide * (127.0 / np.where(largest > 0, largest, 1.0))).astype(np.int8)

    def nearest(self, vector: bytes, documents: Sequence[Visible], disabled: list[int], count: int) -> list[int]:
        """Return the keys of the documents' nearest nodes, best first."""
        np, numbers = self._np, self._numbers
        versions = [-1] * (len(numbers) + 1)
        for each in documents:
            # The last place belongs to no row.
            versions[numbers.get(each.document_id, -1)] = each.index_version
        visible = np.array(versions, dtype=np.int32)[self._documents] == self._versions
        if disabled:
            visible &= ~np.isin(self._keys, np.array(disabled, dtype=np.int64))
        shown = int(visible.sum())
        if not shown:
            self._check_lengths(documents)
            return []
        asked = np.frombuffer(vector, dtype=np.float32).reshape(1, -1)
        hidden = len(visible) - shown
        if hidden <= _MAX_HIDDEN_SCANNED:
            found = self._scan(self._rows, asked, count + hidden)
            return [int(self._keys[row]) for row in found if visible[row]][:count]
        rows = np.flatnonzero(visible)
        found = self._scan(self._rows[rows], asked, count)
        return [int(self._keys[rows[row]]) for row in found]

    def _scan(self, rows: Array, asked: Array, count: int) -> Sequence[int]:
        np = self._np
        count = min(count, len(rows))
        if self._exact is not None:
            found: list[int] = self._exact(rows, self._in_bits(asked), count)
            return found
        scores = rows @ asked[0]
        best = np.argpartition(-scores, count - 1)[:count]
        return list(best[np.argsort(-scores[best], kind="stable")])

    def _check_lengths(self, documents: Sequence[Visible]) -> None:
        wanted = {each.document_id: each.index_version for each in documents}
        for (document_id, version), length in self._others.items():
            if wanted.get(document_id) == version:
                raise InvalidParam(
                    f"The model gives vectors of {self._dimensions} numbers, and the documents were indexed with "
                    f"{length}: reindex them."
                )


def _exact_search() -> Any:
    """Return usearch's scan of 8-bit rows; ``None`` if it is not installed."""
    try:
        from usearch.index import MetricKind, search  # type: ignore[attr-defined,unused-ignore]
    except ImportError:
        return None

    def scan(rows: Any, asked: Any, count: int) -> list[int]:
        found = search(rows, asked, count, MetricKind.Cos, exact=True, threads=1)
        return [int(key) for key in found.keys.reshape(-1)]

    return scan
