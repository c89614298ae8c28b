"""Backups of a data folder in use."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from jikko.assemble.build_backup import make_backups, make_restores
from jikko.files.disk import DiskBlobs
from jikko.files.signing_keys import SigningKeys, UrlSigner
from jikko.files.store import Files
from jikko.maintenance.backup import Backups
from jikko.maintenance.bucket_backup import BucketBackups
from jikko.maintenance.restore import InBucket
from jikko.ports.stores.file_index import StoredFile
from jikko.repositories.file_index import FileIndex
from jikko.settings import Settings
from jikko.store.sqlite import Database
from jikko.store.sqlite.copies import SqliteCopies
from tests.contract.runs import APP
from tests.files.memory_objects import MemoryObjects

CONTENT = "届いた 🙂".encode()


@contextmanager
def files_of(settings: Settings) -> Iterator[Files]:
    signer = UrlSigner(keys=SigningKeys(b"key"), base_url="http://jikko")
    with closing(Database.open(settings.database)) as database:
        yield Files(FileIndex(database), DiskBlobs(settings.files), signer)


async def upload(settings: Settings) -> StoredFile:
    async def content() -> AsyncIterator[bytes]:
        yield CONTENT

    with files_of(settings) as files:
        return await files.save(content(), app_id=APP, end_user_id="anna", name="届.txt", mime_type="text/plain")


async def read(settings: Settings, file_id: str) -> bytes:
    with files_of(settings) as files:
        return await files.read(file_id, app_id=APP, end_user_id="anna")


class UploadedMeanwhile(SqliteCopies):
    """A client uploads a file just before the moment as of which the databases are copied."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.file_id = ""

    def copy(self, targets: Mapping[Path, Path]) -> None:
        self.file_id = asyncio.run(upload(self._settings)).id
        super().copy(targets)


def in_folder(backups: Backups, home: Path) -> None:
    backups.make(home)


def in_bucket(backups: Backups, home: Path) -> None:
    objects = MemoryObjects()
    BucketBackups(backups, objects, clock=backups.clock).make()
    make_restores(Settings()).restore(InBucket(objects, ""), home)


@pytest.mark.parametrize("make", [in_folder, in_bucket])
def test_a_file_that_the_copied_database_knows_is_in_the_backup_though_it_came_while_that_was_made(
    make: Callable[[Backups, Path], None], tmp_path: Path
) -> None:
    settings, copy = Settings(home=tmp_path / "home"), Settings(home=tmp_path / "copy")
    settings.home.mkdir()
    Database.open(settings.database).close()
    databases = UploadedMeanwhile(settings)

    make(replace(make_backups(settings), databases=databases), copy.home)

    assert asyncio.run(read(copy, databases.file_id)) == CONTENT
