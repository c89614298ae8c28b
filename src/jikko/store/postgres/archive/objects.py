"""The objects of the archive in the bucket: written, read again, opened."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from jikko.errors import StoreUnavailable
from jikko.extras import how_to_install
from jikko.ids import new_id
from jikko.ports.stores.object_store import ObjectStore
from jikko.store.archive.archived_run import ArchivedRun, DamagedArchive
from jikko.store.postgres.archive.naming import NewObject

if TYPE_CHECKING:
    from jikko.store.archive.parquet import ArchiveFile

T = TypeVar("T")
FOLDER: Final = "archive/v1"


class NamedObject(Protocol):
    """What is known of an object."""

    @property
    def path(self) -> str: ...

    @property
    def check_sum(self) -> int: ...


class ArchiveObjects:
    """Objects of the archive, by their paths. Waits for the bucket on threads."""

    def __init__(self, bucket: ObjectStore) -> None:
        self._bucket = bucket

    async def write(self, day: str, runs: Sequence[ArchivedRun]) -> NewObject:
        """Put runs, in the order of their ids, into a new object, and read it again.

        Raises:
            StoreUnavailable: It cannot be written, or does not read as it was written.
            DamagedArchive: One of the runs cannot be written.
        """
        return await asyncio.to_thread(self._write, f"{FOLDER}/{day}/{new_id()}.parquet", runs)

    def _write(self, path: str, runs: Sequence[ArchivedRun]) -> NewObject:
        from jikko.store.archive.parquet import check_of, encode

        content = encode(runs)
        self._bucket.put(path, content)
        if self._bucket.get(path) != content:
            raise StoreUnavailable(f"{path} in {self._bucket.name} does not read as it was written")
        return NewObject(path, len(content), check_of(content), runs)

    async def find(self, each: NamedObject, run_id: str) -> ArchivedRun | None:
        """A run of an object.

        Raises:
            FileMissing: There is no such object.
            StoreUnavailable: It cannot be read, or is damaged.
        """
        return await self._read(each, lambda file: file.find(run_id))

    async def all(self, each: NamedObject) -> list[ArchivedRun]:
        """All runs of an object. Raises ``FileMissing`` or ``StoreUnavailable``: as ``find``."""
        return await self._read(each, lambda file: list(file.runs()))

    async def delete(self, path: str) -> None:
        """Remove an object that nothing names any more. Raises ``StoreUnavailable``: it cannot be removed."""
        await asyncio.to_thread(self._bucket.delete, path)

    async def written(self) -> dict[str, float]:
        """When each object was written, in seconds since the Unix epoch.
        Raises ``StoreUnavailable``: they cannot be listed."""
        listed = await asyncio.to_thread(self._bucket.listed, FOLDER)
        return {path: at for path, (_, at) in listed.items()}

    def label(self, path: str) -> str:
        return f"{path} in {self._bucket.name}"

    async def _read(self, each: NamedObject, read: "Callable[[ArchiveFile], T]") -> T:
        def opened() -> T:
            try:
                from jikko.store.archive.parquet import ArchiveFile
            except ModuleNotFoundError:
                raise StoreUnavailable(
                    f"The run is in the archive, which needs another library to be read: {how_to_install('archive')}"
                ) from None
            # Whole: it is not large, and not every storage gives the part that is asked for.
            return read(ArchiveFile(self._bucket.get(each.path), each.check_sum))

        try:
            return await asyncio.to_thread(opened)
        except DamagedArchive as error:
            raise StoreUnavailable(
                f"{self.label(each.path)}, which has runs of the archive, is damaged: {error}. Bring it back from a "
                "backup of the bucket."
            ) from error
