"""Where datasets are kept, and what belongs to all of them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

from jikko.errors import Conflict
from jikko.ports.stores.knowledge.records import Dataset, DatasetCounts, DatasetKey, ExternalApi, Tag


class DatasetNameTaken(Conflict):
    """Another dataset has the name; nothing was written."""

    code = "dataset_name_duplicate"

    def __init__(self) -> None:
        super().__init__("The dataset name already exists. Please modify your dataset name.")


class DatasetIdTaken(Conflict):
    """Another dataset has the id; nothing was written."""

    def __init__(self, dataset_id: str) -> None:
        super().__init__(f"There is a dataset with the id {dataset_id} already.")


class DatasetStore(Protocol):
    """Keeps datasets, tags, keys and external knowledge APIs. ``tests/contract/knowledge`` says what it must do."""

    async def create_dataset(self, dataset: Dataset) -> None:
        """Raises ``DatasetNameTaken`` or ``DatasetIdTaken``."""
        ...

    async def dataset(self, dataset_id: str) -> Dataset | None: ...

    async def datasets(self, ids: Collection[str]) -> dict[str, Dataset]:
        """Those that there are, by id."""
        ...

    async def all_datasets(self) -> list[Dataset]:
        """All of them, the newest first."""
        ...

    async def list_datasets(
        self, *, keyword: str = "", tag_ids: Collection[str] = (), offset: int, limit: int
    ) -> tuple[list[Dataset], int]:
        """Some of the datasets, the newest first, and how many fit in all.

        Args:
            keyword: A part of the name; case does not count.
            tag_ids: They have all of these.
        """
        ...

    async def change_dataset(self, dataset_id: str, change: Callable[[Dataset], Dataset]) -> Dataset | None:
        """Change a dataset as it is at that moment. Returns it as it is then, or ``None`` if it is not there.

        Raises ``DatasetNameTaken``, and any ``JikkoError`` that ``change`` raises; nothing is changed then.
        """
        ...

    async def delete_dataset(self, dataset_id: str) -> bool:
        """Delete a dataset with all that is in it. Nothing of it is found from then on; rows go in slices (``sweep``).

        Returns whether it was there.
        """
        ...

    async def counts(self, ids: Collection[str]) -> Mapping[str, DatasetCounts]:
        """How much is in each of some datasets."""
        ...

    async def add_key(self, key: DatasetKey) -> None: ...

    async def keys(self) -> list[DatasetKey]:
        """All keys, the oldest first."""
        ...

    async def delete_key(self, key_id: str) -> bool: ...

    async def has_key(self, digest: bytes) -> bool:
        """Whether there is a key of that SHA-256."""
        ...

    async def tags(self) -> list[tuple[Tag, int]]:
        """All tags, the newest first, each with the number of its datasets."""
        ...

    async def tag(self, tag_id: str) -> tuple[Tag, int] | None: ...

    async def add_tag(self, tag: Tag) -> bool:
        """Returns whether the name was free; else nothing was written."""
        ...

    async def rename_tag(self, tag_id: str, name: str) -> bool:
        """Returns whether the name was free; else nothing was written."""
        ...

    async def delete_tag(self, tag_id: str) -> None: ...

    async def bind_tags(self, tag_ids: Sequence[str], dataset_id: str) -> None:
        """Give a dataset some tags; those that are not there count for nothing."""
        ...

    async def unbind_tags(self, tag_ids: Sequence[str], dataset_id: str) -> None: ...

    async def tags_of(self, ids: Collection[str]) -> Mapping[str, list[Tag]]:
        """The tags of some datasets, by dataset."""
        ...

    async def add_external_api(self, api: ExternalApi) -> bool:
        """Returns whether the name was free; else nothing was written."""
        ...

    async def external_apis(self) -> list[ExternalApi]:
        """All of them, the oldest first."""
        ...

    async def external_api(self, api_id: str) -> ExternalApi | None: ...

    async def delete_external_api(self, api_id: str) -> bool: ...

    async def set_alias(self, text: str, dataset_id: str | None) -> None:
        """Have what workflow files call a dataset mean one of here; ``None``: none any more."""
        ...

    async def aliases(self) -> dict[str, str]:
        """The id of the dataset that each text means."""
        ...

    async def add_workspace(self, workspace_id: str) -> None:
        """Note a workspace of Dify, whose encrypted ids are understood from then on. May be called twice."""
        ...

    async def delete_workspace(self, workspace_id: str) -> bool:
        """Returns whether it was there."""
        ...

    async def workspaces(self) -> list[str]:
        """The ids of all of them, sorted."""
        ...
