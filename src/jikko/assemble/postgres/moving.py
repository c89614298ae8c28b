"""Moving the record of a data folder to PostgreSQL, and its files to a bucket."""

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
    """What a move did."""

    address: str
    """Of the database."""
    rows: dict[str, int]
    """How many each of its tables has got, ``file_contents`` besides; nothing if an earlier call had them arrive."""
    kept: str
    """Under which name the folder has its database now; empty if an earlier call has put it away."""


async def move_to_postgres(settings: Settings, url: str, files_url: str, report: Callable[[str, int], None]) -> Moved:
    """Move the record of a data folder, which this process holds, to a database elsewhere, and its files to a bucket.

    What is not moved stays where it is: keys, plugins. The databases of the folder are kept under other names, so that
    no server takes them for the record.

    Args:
        files_url: The bucket; empty: files stay where they are.
        report: See ``Progress``.

    Raises:
        InvalidSettings: There is nothing to move, or the database or bucket cannot be used for it.
        StoreUnavailable: Something could not be read or written. The record is where it was.
    """
    under_way = MoveMark(settings.home)
    if not (settings.database.exists() or under_way.read()):
        raise InvalidSettings(f"There is nothing to move: {settings.database} is not there.")
    database = Postgres(url)
    try:
        rows = await _moved(settings, database, files_url, report, under_way)
    finally:
        await database.close()
    # In this order: broken off in between, what is left to do is known, and is done by the next call.
    kept = [_put_away(file) for file in (settings.database, settings.knowledge_database)]
    under_way.remove()
    return Moved(database.address, rows, kept[0])


def _put_away(file: Path) -> str:
    """Give a database another name, unless it has one already. What an earlier move has put away stays.
    Returns the name; empty if the file is not there."""
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
    """Copy the record, if an earlier call that was broken off has not.
    Returns how many rows each table has got; nothing if that call had them arrive."""
    if mark := under_way.read():
        if await is_there(database) and await has_arrived(database, mark):
            return {}
        if not settings.database.exists():
            # The record was put away, and an empty one would be made in its place.
            raise InvalidSettings(
                f"The record of {settings.home} has arrived in another database. Call it again, with that one."
            )
        under_way.remove()
    if not await is_free(database, known_folder_id(settings.home)):
        raise InvalidSettings(
            f"The database {database.address} belongs to other servers: what is moved needs an empty one of its own. "
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
        # Who does not answer may have it all the same: then the mark stays.
        with suppress(StoreUnavailable):
            if not await has_arrived(database, mark):
                under_way.remove()
        raise
    return moved | ({"file_contents": contents} if files_url else {})


async def _datasets_to_move(settings: Settings, database: Postgres) -> Path | None:
    """The file of the datasets, brought up to date, and tables for it; ``None`` if there are no datasets."""
    file = settings.knowledge_database
    if not file.exists():
        return None
    there = SqliteKnowledge(file)
    await there.made()
    there.close()
    await PostgresKnowledge(database).made()
    return file


async def _contents_moved(settings: Settings, files_url: str, report: Callable[[str, int], None]) -> int:
    """Copy the contents of files into a bucket, out of the folder, and out of the bucket that it has so far.
    Returns how many there are."""
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
                raise StoreUnavailable(f"The file {digest} is damaged: its bytes are others.")
            copied += 1
        after = digests[-1]
        report("file_contents", copied)
    return copied


def contents_to_bucket(files: Path, files_url: str) -> None:
    """Copy the contents of files of a folder into a bucket. For any thread.
    Raises ``InvalidSettings`` or ``StoreUnavailable``: the bucket cannot be used, or a content is damaged."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(_copy_contents(DiskBlobs(files), files_url, lambda *_: None))).result()
