"""Migration of a data folder's record to PostgreSQL, and of its files to a bucket."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import chain, count
from pathlib import Path
from typing import NamedTuple

from jikko.assemble.postgres.folder_facts import folder_id_of, known_folder_id
from jikko.assemble.stores import contents_of_files
from jikko.cluster.data_folder import MoveMark
from jikko.errors import InvalidSettings, JikkoError, StoreUnavailable
from jikko.files.bucket import BucketBlobs
from jikko.files.disk import DiskBlobs
from jikko.ids import new_id
from jikko.ports.stores.blob_store import BlobStore
from jikko.settings import Settings
from jikko.store.moving.move import has_arrived, move
from jikko.store.postgres.database import Postgres
from jikko.store.postgres.knowledge.postgres_knowledge import PostgresKnowledge
from jikko.store.postgres.migrate import belong, is_free, is_there, migrate
from jikko.store.sqlite import Database
from jikko.store.sqlite.knowledge.sqlite_knowledge import SqliteKnowledge


class Moved(NamedTuple):
    address: str
    """Address of the database."""
    rows: dict[str, int]
    """Rows copied by table, and ``file_contents``; empty if an earlier call copied them."""
    kept: str
    """New name of the folder's database; empty if an earlier call renamed it."""


async def move_to_postgres(settings: Settings, url: str, files_url: str, report: Callable[[str, int], None]) -> Moved:
    """Move the record of a data folder held by this process to a PostgreSQL database, and its files to a bucket.

    Keys and plugins stay in the folder. Its databases are renamed, so that no server takes them for the record.

    Args:
        files_url: The bucket; empty: files stay in place.
        report: See ``Progress``.

    Raises:
        InvalidSettings: There is nothing to move, or the database or bucket is unsuitable.
        StoreUnavailable: A read or write failed. The record is where it was.
    """
    under_way = MoveMark(settings.home)
    if not (settings.database.exists() or under_way.read()):
        raise InvalidSettings(f"There is nothing to move: {settings.database} does not exist.")
    database = Postgres(url)
    try:
        rows = await _moved(settings, database, files_url, report, under_way)
    finally:
        await database.close()
    # In this order: after an interruption the next call knows and does the remaining steps.
    kept = [_put_away(file) for file in (settings.database, settings.knowledge_database)]
    under_way.remove()
    return Moved(database.address, rows, kept[0])


def _put_away(file: Path) -> str:
    """Rename a moved database, leaving those of earlier moves alone. Returns the new name; empty if the file is
    missing."""
    if not file.exists():
        return ""
    plain = file.with_name(f"{file.name}.moved")
    numbered = (plain.with_name(f"{plain.name}-{number}") for number in count(2))
    kept = next(place for place in chain((plain,), numbered) if not place.exists())
    file.rename(kept)
    return kept.name


async def _moved(
    settings: Settings, database: Postgres, files_url: str, report: Callable[[str, int], None], under_way: MoveMark
) -> dict[str, int]:
    """Copy the record, unless an earlier, interrupted call has. Returns the rows copied by table; empty if that call
    copied them."""
    if mark := under_way.read():
        if await is_there(database) and await has_arrived(database, mark):
            return {}
        if not settings.database.exists():
            # The record was renamed, and an empty one would be made in its place.
            raise InvalidSettings(
                f"The record of {settings.home} has arrived in another database. Call it again, with that one."
            )
        under_way.remove()
    if not await is_free(database, known_folder_id(settings.home)):
        raise InvalidSettings(
            f"The database {database.address} belongs to other servers: a move needs an empty one of its own. "
            "Serve that with nats_url once all has arrived, and others join."
        )
    Database.open(settings.database).close()
    contents = await _contents_moved(settings, files_url, report) if files_url else 0
    await migrate(database)
    await belong(database, folder_id_of(settings.home))
    datasets, kept_by_plugins = await _datasets_to_move(settings, database), settings.plugin_folder / "storage.db"
    plugin_file, mark = kept_by_plugins if kept_by_plugins.exists() else None, new_id()
    under_way.make(mark)
    try:
        moved = await move(database, settings.database, datasets, plugin_file, report, mark=mark)
    except JikkoError:
        # A database that does not answer may have the record all the same: then the mark stays.
        with suppress(StoreUnavailable):
            if not await has_arrived(database, mark):
                under_way.remove()
        raise
    return moved | ({"file_contents": contents} if files_url else {})


async def _datasets_to_move(settings: Settings, database: Postgres) -> Path | None:
    """Migrate the file of the datasets, and make tables for it. Returns the file; ``None`` without datasets."""
    file = settings.knowledge_database
    if not file.exists():
        return None
    there = SqliteKnowledge(file)
    await there.made()
    there.close()
    await PostgresKnowledge(database).made()
    return file


async def _contents_moved(settings: Settings, files_url: str, report: Callable[[str, int], None]) -> int:
    """Copy file contents into a bucket, from the folder and from the previous bucket, if any. Returns their number."""
    copied = await _copy_contents(DiskBlobs(settings.files), files_url, report)
    if settings.files_url and settings.files_url != files_url:
        copied += await _copy_contents(contents_of_files(settings), files_url, report)
    return copied


async def _copy_contents(here: BlobStore, files_url: str, report: Callable[[str, int], None]) -> int:
    there = BucketBlobs(files_url)
    await there.check()
    copied, after = 0, ""
    while digests := await here.digests(after=after):
        for digest in digests:
            stored = await there.put(here.stream(digest))
            if stored.digest != digest:
                raise StoreUnavailable(f"The file {digest} is damaged: its contents have changed.")
            copied += 1
        after = digests[-1]
        report("file_contents", copied)
    return copied


def contents_to_bucket(files: Path, files_url: str) -> None:
    """Copy a folder's file contents into a bucket. For any thread. Raises ``InvalidSettings`` or ``StoreUnavailable``:
    the bucket is unusable, or a file is corrupt."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(_copy_contents(DiskBlobs(files), files_url, lambda *_: None))).result()
