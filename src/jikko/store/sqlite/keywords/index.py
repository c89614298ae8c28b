"""Keyword index of runs, filled asynchronously: it proposes runs that may contain a keyword, and their rows decide. So
it may contain deleted texts, but must not miss an existing one.

A document of the index is a block of four runs with adjacent keys: common content counts once, and reading four
adjacent rows costs little more than one. Blocks are grouped in parts of 131,072 runs, each a separate full-text table,
so that a part whose runs were all removed can be dropped: contentless FTS5 can delete a document only if given its text
again.
"""

import functools
import logging
import sqlite3
from typing import Final

from jikko.store.sqlite.runs.projections import RunChange, StandingProjection
from jikko.store.sqlite.runs.run_rows import inputs_of

_LOG = logging.getLogger(__name__)

BLOCK: Final = 4
"""Runs in a block: run ``key`` is in block ``key // BLOCK``. Fixed, like everything in the tables."""
PART: Final = 1 << 15
"""Blocks in a part."""
_MAX_RUN_CHARACTERS: Final = 32_768
"""Characters above which a run is left out: they would be written at once, while runs wait."""
_MAX_BATCH_CHARACTERS: Final = 65_536
"""Characters after which a batch ends early."""
_MAX_MERGED_PAGES: Final = 32
"""Maximum index pages merged per batch: slightly more than a batch adds, so that no backlog grows."""

_ADD: Final = "INSERT INTO keyword_part_{part} (rowid, text) VALUES (?, ?)"
_CONFIGURE: Final = "INSERT INTO keyword_part_{part} (keyword_part_{part}, rank) VALUES (?, ?)"
# `indexed_text` folds ASCII case only, so that nothing depends on SQLite's Unicode tables.
_CREATE: Final = (
    "CREATE VIRTUAL TABLE keyword_part_{part} USING fts5"
    "(text, tokenize = 'trigram case_sensitive 1', content = '', detail = none, columnsize = 0)",
    "CREATE VIRTUAL TABLE keyword_terms_{part} USING fts5vocab (keyword_part_{part}, instance)",
    "INSERT INTO keyword_parts (part) VALUES ({part})",
)
_DROP: Final = (
    "DROP TABLE IF EXISTS keyword_terms_{part}",
    "DROP TABLE IF EXISTS keyword_part_{part}",
    "DELETE FROM keyword_parts WHERE part = {part}",
)
_PARTS: Final = "SELECT part FROM keyword_parts"
_NEXT: Final = "SELECT next_block FROM keyword_index"
_NEWEST: Final = "SELECT coalesce(max(key), 0) FROM runs"
_ADVANCE: Final = "UPDATE keyword_index SET next_block = ?"
# Length of the inputs; separate ones are not read.
_LENGTH: Final = "iif(inputs = '', (SELECT length FROM run_inputs WHERE run = runs.key), length(inputs))"
# Texts that must not be indexed are NULL, so that large ones are not read.
_TEXTS: Final = f"""
SELECT runs.key, large, iif(left_out, NULL, {inputs_of("runs")}), iif(left_out, NULL, outputs), session FROM (
  SELECT key, large, large OR status < 2 AS left_out, inputs, outputs, end_user FROM (
    SELECT *, {_LENGTH} + length(outputs) > {_MAX_RUN_CHARACTERS} AS large FROM runs WHERE key >= ? AND key < ?)
) AS runs JOIN end_users ON end_users.key = end_user ORDER BY runs.key
"""
_LEAVE_OUT: Final = "INSERT OR REPLACE INTO keyword_left_out (run, large) VALUES (?, ?)"
_OPEN: Final = "SELECT run FROM keyword_left_out WHERE large = 0 AND run > ? ORDER BY run LIMIT ?"
_ENDED: Final = "SELECT 1 FROM runs WHERE key = ? AND status > 1"
_INCLUDE: Final = "DELETE FROM keyword_left_out WHERE run = ?"
_HAS_RUNS: Final = "SELECT 1 FROM runs WHERE key >= ? AND key < ? LIMIT 1"


@functools.cache
def supported() -> bool:
    """Return whether this build of SQLite supports the index."""
    connection = sqlite3.connect(":memory:")
    try:
        for sql in _CREATE[:2]:
            connection.execute(sql.format(part=0))
        connection.execute("SELECT value FROM json_each('[]')")
    except sqlite3.Error:
        return False
    finally:
        connection.close()
    return True


def indexed_text(inputs: str, outputs: bytes, user: str) -> str:
    """Return a run's text for the index.

    Each text is followed by two characters, so that its last letter, too, begins a trigram. The result must never
    change without a migration that rebuilds the index.
    """
    text = b"%b\n\n%b\n\n%b\n\n" % (inputs.encode(), outputs, user.encode())
    # bytes.lower() changes ASCII letters only, as LIKE does.
    return text.lower().replace(b"\0", b"\n").decode("utf-8", "replace")


class KeywordIndex(StandingProjection):
    """Fills the index within the writer's transactions, on its thread, if SQLite supports it (``usable``)."""

    def __init__(self, *, usable: bool) -> None:
        self._usable = usable
        self._looked_at = 0
        """Run after which the search for ended, left-out runs continues."""
        self._removed: list[int] = []
        """Keys of the runs removed in the current transaction."""

    def fill(self, limit: int, connection: sqlite3.Connection) -> int:
        """Add ``limit`` runs, rounded up to whole blocks; none if there are fewer. Returns about how many remain."""
        if not self._usable:
            return 0
        connection.execute("SAVEPOINT keyword_index")
        try:
            left = self._fill(limit, connection)
        except sqlite3.DatabaseError as error:
            if type(error) is not sqlite3.DatabaseError:
                raise  # disk full or lock conflict: affects the whole transaction
            _LOG.error("The keyword index is damaged and is rebuilt: %s", error)
            connection.execute("ROLLBACK TO keyword_index")
            self._rebuild(connection)
            left = 0
        connection.execute("RELEASE keyword_index")
        return left

    def _fill(self, limit: int, connection: sqlite3.Connection) -> int:
        first, newest = connection.execute(_NEXT).fetchone()[0], connection.execute(_NEWEST).fetchone()[0]
        # Only whole blocks, all of whose keys are assigned.
        complete, batch = (newest + 1) // BLOCK, -(-limit // BLOCK)
        added: set[int] = set()
        if batch and complete - first >= batch:
            first = self._add_blocks(first, first + batch, connection, added)
            connection.execute(_ADVANCE, (first,))
        if limit:
            self._add_ended(limit, connection, added)
        for part in added:
            connection.execute(_CONFIGURE.format(part=part), ("merge", _MAX_MERGED_PAGES))
        left: int = max(0, complete - first) * BLOCK
        return left

    def _add_blocks(self, first: int, end: int, connection: sqlite3.Connection, added: set[int]) -> int:
        """Add blocks up to ``end`` or the transaction's limit. Returns the first block not added."""
        texts: dict[int, list[str]] = {}
        characters = 0
        for key, large, inputs, outputs, user in connection.execute(_TEXTS, (first * BLOCK, end * BLOCK)).fetchall():
            block = key // BLOCK
            if characters > _MAX_BATCH_CHARACTERS and block not in texts:
                end = block
                break
            here = texts.setdefault(block, [])
            if inputs is None:
                connection.execute(_LEAVE_OUT, (key, large))
            else:
                here.append(indexed_text(inputs, outputs, user))
                characters += len(here[-1])
        for block, pieces in texts.items():
            if pieces:
                self._add(block, "".join(pieces), connection, added)
        return end

    def _add_ended(self, limit: int, connection: sqlite3.Connection, added: set[int]) -> None:
        """Add runs that were open when their block was added. Checks a few at a time."""
        runs = [row[0] for row in connection.execute(_OPEN, (self._looked_at, limit))]
        self._looked_at = runs[-1] if len(runs) == limit else 0
        for run in runs:
            if connection.execute(_ENDED, (run,)).fetchone() is None:
                continue
            _, large, inputs, outputs, user = connection.execute(_TEXTS, (run, run + 1)).fetchone()
            if inputs is None:
                connection.execute(_LEAVE_OUT, (run, large))
            else:
                # Appended to the block: a document can be extended piece by piece.
                self._add(run // BLOCK, indexed_text(inputs, outputs, user), connection, added)
                connection.execute(_INCLUDE, (run,))

    def _add(self, block: int, text: str, connection: sqlite3.Connection, added: set[int]) -> None:
        part = block // PART
        if part not in added:
            if (part,) not in connection.execute(_PARTS).fetchall():
                for sql in _CREATE:
                    connection.execute(sql.format(part=part))
                # `_fill` merges a little each time; SQLite's automerge occasionally delays runs.
                connection.execute(_CONFIGURE.format(part=part), ("automerge", 0))
                connection.execute(_CONFIGURE.format(part=part), ("usermerge", 8))
            added.add(part)
        connection.execute(_ADD.format(part=part), (block, text))

    def changed(self, change: RunChange, connection: sqlite3.Connection) -> None:
        """Added runs are handled by ``fill``."""
        if change.after is None:
            self._removed.append(change.key)

    def before_commit(self, connection: sqlite3.Connection) -> None:
        runs, self._removed = self._removed, []
        if runs:
            self._forget(runs, connection)

    def rolled_back(self) -> None:
        self._removed.clear()

    def _forget(self, runs: list[int], connection: sqlite3.Connection) -> None:
        connection.executemany(_INCLUDE, [(run,) for run in runs])
        newest = connection.execute(_NEWEST).fetchone()[0]
        # If the newest run was removed, the next one gets its key.
        connection.execute(f"{_ADVANCE} WHERE next_block > ?", ((newest + 1) // BLOCK,) * 2)
        if self._usable:
            for (part,) in connection.execute(_PARTS).fetchall():
                keys = (part * PART * BLOCK, (part + 1) * PART * BLOCK)
                if connection.execute(_HAS_RUNS, keys).fetchone() is None:
                    self._drop(part, connection)

    def _rebuild(self, connection: sqlite3.Connection) -> None:
        for (part,) in connection.execute(_PARTS).fetchall():
            self._drop(part, connection)
        connection.execute("DELETE FROM keyword_left_out")
        connection.execute(_ADVANCE, (0,))

    def _drop(self, part: int, connection: sqlite3.Connection) -> None:
        for sql in _DROP:
            connection.execute(sql.format(part=part))
