"""Ways in which the log of a run gets damaged on the disk."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from jikko.repositories.shared_sql import stored_id
from jikko.store.event_codec import DEFLATE_2, compress, decompress

Damage = Callable[[bytes], bytes | None]
"""What becomes of the bytes of a log. ``None``: they are gone."""


def flipped(log: bytes) -> bytes:
    """A bit is another one: of a compressed log in its first block, of another one in the middle."""
    at = 1 if log[:1] == DEFLATE_2 else len(log) // 2
    return log[:at] + bytes([log[at] ^ (0x06 if at == 1 else 0x80)]) + log[at + 1 :]


def cut_off(log: bytes) -> bytes:
    """The second half is missing."""
    return log[: len(log) // 2]


def later(log: bytes) -> bytes:
    """The last event is of a kind that a later version writes."""
    packed = log[:1] == DEFLATE_2
    text = decompress(log) if packed else log
    at = text.rindex(b'{"event":"') + len(b'{"event":"')
    changed = text[:at] + b"from_the_future_" + text[at:]
    return compress(changed) if packed else changed


def gone(log: bytes) -> None:
    """The row is missing."""


WAYS: dict[str, Damage] = {
    "a bit is flipped": flipped,
    "it is cut off": cut_off,
    "an event is of a later version": later,
    "a row is missing": gone,
}


def damage(folder: Path, run_id: str, way: Damage) -> None:
    """Damage the log of a run: of one that goes on, what was written last."""
    with closing(sqlite3.connect(folder / "jikko.db", isolation_level=None)) as other:
        (key,) = other.execute("SELECT key FROM runs WHERE run_id = ?", (stored_id(run_id),)).fetchone()
        found = other.execute("SELECT events, 'run_archive', 'true' FROM run_archive WHERE run = ?", (key,)).fetchone()
        if found is None:
            last = "SELECT events, 'run_log', 'position = ' || max(position) FROM run_log WHERE run = ?"
            found = other.execute(last, (key,)).fetchone()
        log, table, where = found
        left = way(log)
        if left is None:
            other.execute(f"DELETE FROM {table} WHERE run = ? AND {where}", (key,))
        else:
            other.execute(f"UPDATE {table} SET events = ? WHERE run = ? AND {where}", (left, key))
