"""An index of the texts of runs, filled behind the runs' back: it says which runs may contain a keyword.

It only ever proposes; the rows decide. So it may know of texts that are gone, but must not miss one that is there.

A document of the index is a block of four runs with neighbouring keys: what runs of a block have in common counts
once, and looking into four rows beside each other costs little more than into one. Blocks are kept in parts of 131,072
runs, each a full-text table of its own, so that a part whose runs were all removed can be dropped, whatever it held:
FTS5 without content can remove a document only if it is given the text again.
"""

import functools
import logging
import sqlite3
from typing import Final

from jikko.store.sqlite.runs.projections import RunChange, StandingProjection
from jikko.store.sqlite.runs.run_rows import inputs_of

_LOG = logging.getLogger(__name__)

BLOCK: Final = 4
"""Runs in a block: run ``key`` is in block ``key // BLOCK``. A released figure, like all that the tables hold."""
PART: Final = 1 << 15
"""Blocks in a part."""
_MAX_RUN_CHARACTERS: Final = 32_768
"""Characters of a run above which it is left out: they would be written in one go, while runs wait."""
_MAX_BATCH_CHARACTERS: Final = 65_536
"""Characters after which a batch ends before its time."""
_MAX_MERGED_PAGES: Final = 32
"""Pages of the index that a batch brings together at most; a little more than it adds, so that work never piles up."""

_ADD: Final = "INSERT INTO keyword_part_{part} (rowid, text) VALUES (?, ?)"
_CONFIGURE: Final = "INSERT INTO keyword_part_{part} (keyword_part_{part}, rank) VALUES (?, ?)"
# ASCII case is folded by `indexed_text`, and no other, so that nothing depends on SQLite's tables of letters.
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
# Of inputs; where they lie beside the row, without reading them.
_LENGTH: Final = "iif(inputs = '', (SELECT length FROM run_inputs WHERE run = runs.key), length(inputs))"
# The texts are NULL where they are not to be indexed, so that large ones stay where they are.
_TEXTS: Final = f"""
SELECT runs.key, large, iif(left_out, NULL, {inputs_of("runs")}), iif(left_out, NULL, outputs), session FROM (
  SELECT key, large, large OR status < 2 AS left_out, inputs, outputs, end_user FROM (
    SELECT *, {_LENGTH} + length(outputs) > {_MAX_RUN_CHARACTERS} AS large FROM runs WHERE key >= ? AND key < ?)
) AS runs JOIN end_users ON end_users.key = end_user ORDER BY runs.key
"""
_LEAVE_OUT: Final = "INSERT OR REPLACE INTO keyword_left_out (run, large) VALUES (?, ?)"
_OPEN: Final = "SELECT run FROM keyword_left_out WHERE large = 0 AND run > ? ORDER BY run LIMIT ?"
_ENDED: Final = "SELECT 1 FROM runs WHERE key = ? AND status > 1"
_INCLUDE_AGAIN: Final = "DELETE FROM keyword_left_out WHERE run = ?"
_HAS_RUNS: Final = "SELECT 1 FROM runs WHERE key >= ? AND key < ? LIMIT 1"


@functools.cache
def supported() -> bool:
    """Whether this build of SQLite can read and write the index."""
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
    """The text of a run as the index has it.

    Each text is followed by two characters, so that its last letter, too, begins a piece of three. What this function
    makes of a text must never change without a migration that begins the index anew.
    """
    text = b"%b\n\n%b\n\n%b\n\n" % (inputs.encode(), outputs, user.encode())
    # bytes.lower() changes ASCII letters only, as LIKE does.
    return text.lower().replace(b"\0", b"\n").decode("utf-8", "replace")


class KeywordIndex(StandingProjection):
    """Fills the index within transactions of the writer, on its thread.
    ``usable``: whether SQLite can. If not, nothing is ever done."""

    def __init__(self, *, usable: bool) -> None:
        self._usable = usable
        self._looked_at = 0
        """The run after which to look next for runs that were left out and have ended."""
        self._removed: list[int] = []
        """The keys of runs that are removed in the transaction under way."""

    def fill(self, limit: int, connection: sqlite3.Connection) -> int:
        """Add ``limit`` runs to the index, rounded up to whole blocks; none if there are fewer.
        Returns about how many more there are to add."""
        if not self._usable:
            return 0
        connection.execute("SAVEPOINT keyword_index")
        try:
            left = self._fill(limit, connection)
        except sqlite3.DatabaseError as error:
            if type(error) is not sqlite3.DatabaseError:
                raise  # the disk is full, another process is in the way: a matter of the whole transaction
            _LOG.error("The keyword index is damaged and is made anew: %s", error)
            connection.execute("ROLLBACK TO keyword_index")
            self._begin_anew(connection)
            left = 0
        connection.execute("RELEASE keyword_index")
        return left

    def _fill(self, limit: int, connection: sqlite3.Connection) -> int:
        first, newest = connection.execute(_NEXT).fetchone()[0], connection.execute(_NEWEST).fetchone()[0]
        # Whole blocks only: the keys of all their runs are given away.
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
        """Add blocks up to ``end``, or until it is enough for one transaction. Returns the first that is not in."""
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
        """Add runs that were open when their block was added. A few are looked at, others the next time."""
        runs = [row[0] for row in connection.execute(_OPEN, (self._looked_at, limit))]
        self._looked_at = runs[-1] if len(runs) == limit else 0
        for run in runs:
            if connection.execute(_ENDED, (run,)).fetchone() is None:
                continue
            _, large, inputs, outputs, user = connection.execute(_TEXTS, (run, run + 1)).fetchone()
            if inputs is None:
                connection.execute(_LEAVE_OUT, (run, large))
            else:
                # To what the block has already: a document may be added to, piece by piece.
                self._add(run // BLOCK, indexed_text(inputs, outputs, user), connection, added)
                connection.execute(_INCLUDE_AGAIN, (run,))

    def _add(self, block: int, text: str, connection: sqlite3.Connection, added: set[int]) -> None:
        part = block // PART
        if part not in added:
            if (part,) not in connection.execute(_PARTS).fetchall():
                for sql in _CREATE:
                    connection.execute(sql.format(part=part))
                # Merging is done by `_fill`, a little each time; SQLite's own way holds up runs now and then.
                connection.execute(_CONFIGURE.format(part=part), ("automerge", 0))
                connection.execute(_CONFIGURE.format(part=part), ("usermerge", 8))
            added.add(part)
        connection.execute(_ADD.format(part=part), (block, text))

    def changed(self, change: RunChange, connection: sqlite3.Connection) -> None:
        """Of runs that are added, ``fill`` takes care."""
        if change.after is None:
            self._removed.append(change.key)

    def before_commit(self, connection: sqlite3.Connection) -> None:
        runs, self._removed = self._removed, []
        if runs:
            self._forget(runs, connection)

    def rolled_back(self) -> None:
        self._removed.clear()

    def _forget(self, runs: list[int], connection: sqlite3.Connection) -> None:
        connection.executemany(_INCLUDE_AGAIN, [(run,) for run in runs])
        newest = connection.execute(_NEWEST).fetchone()[0]
        # If the newest run was removed, the next one gets its key.
        connection.execute(f"{_ADVANCE} WHERE next_block > ?", ((newest + 1) // BLOCK,) * 2)
        if self._usable:
            for (part,) in connection.execute(_PARTS).fetchall():
                keys = (part * PART * BLOCK, (part + 1) * PART * BLOCK)
                if connection.execute(_HAS_RUNS, keys).fetchone() is None:
                    self._drop(part, connection)

    def _begin_anew(self, connection: sqlite3.Connection) -> None:
        for (part,) in connection.execute(_PARTS).fetchall():
            self._drop(part, connection)
        connection.execute("DELETE FROM keyword_left_out")
        connection.execute(_ADVANCE, (0,))

    def _drop(self, part: int, connection: sqlite3.Connection) -> None:
        for sql in _DROP:
            connection.execute(sql.format(part=part))
