"""SQLite's write-ahead log, read from outside."""

from pathlib import Path


def log_pages(path: Path) -> int:
    """Return the number of pages in a database's log since its last restart. Source: SQLite, file format, 4.1."""
    log = Path(f"{path}-wal").read_bytes()
    salt, size = log[16:24], 24 + int.from_bytes(log[8:12])
    heads = (log[at + 8 : at + 16] for at in range(32, len(log), size))
    return next((count for count, head in enumerate(heads) if head != salt), (len(log) - 32) // size) if log else 0
