"""Corruptions of a run's stored log."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from jikko.repositories.shared_sql import stored_id
from jikko.store.event_codec import DEFLATE_2, compress, decompress

Damage = Callable[[bytes], bytes | None]
"""Returns the corrupted bytes of a log; ``None`` if it is deleted."""


def flipped(log: bytes) -> bytes:
    """Flip a bit: of a compressed log in its first block, of others in the middle."""
    at = 1 if log[:1] == DEFLATE_2 else len(log) // 2
    return log[:at] + bytes([log[at] ^ (0x06 if at == 1 else 0x80)]) + log[at + 1 :]


def cut_off(log: bytes) -> bytes:
    """Truncate to the first half."""
    return log[: len(log) // 2]


def later(log: bytes) -> bytes:
    """Give the last event a type of a later version."""
    packed = log[:1] == DEFLATE_2
    text = decompress(log) if packed else log
    at = text.rindex(b'{"event":"') + len(b'{"event":"')
    changed = text[:at] + b"from_the_future_" + text[at:]
    return compress(changed) if packed else changed


def gone(log: bytes) -> None:
    """Delete the row."""


WAYS: dict[str, Damage] = {
    "a bit is flipped": flipped,
    "it is cut off": cut_off,
    "an event is of a later version": later,
    "a row is missing": gone,
}


def damage(folder: Path, run_id: str, way: Damage) -> None:
    """Corrupt the log of a run; if the run is open, its latest write."""
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
