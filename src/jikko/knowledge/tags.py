"""Tags of datasets. Source: docs/dify-behaviour.md, “Knowledge API”."""

from collections.abc import Sequence

from jikko.errors import InvalidParam, NotFound
from jikko.ids import new_id
from jikko.knowledge.datasets import Datasets
from jikko.ports.clock import Clock
from jikko.ports.stores.knowledge.records import Tag
from jikko.repositories.knowledge.knowledge_stores import OpenKnowledge


class Tags:
    """The use cases about tags."""

    def __init__(self, knowledge: OpenKnowledge, datasets: Datasets, clock: Clock) -> None:
        self._knowledge = knowledge
        self._datasets = datasets
        self._clock = clock

    async def all(self) -> list[tuple[Tag, int]]:
        """All tags, each with the number of its datasets."""
        return await (await self._knowledge.made()).datasets.tags()

    async def create(self, name: str) -> Tag:
        """A new tag. Raises ``InvalidParam``: the name is taken."""
        tag = Tag(id=new_id(), name=name, created_at=self._clock())
        if not await (await self._knowledge.made()).datasets.add_tag(tag):
            raise InvalidParam("Tag name already exists")
        return tag

    async def rename(self, tag_id: str, name: str) -> tuple[Tag, int]:
        """Rename a tag. Raises ``NotFound``, or ``InvalidParam``: the name is taken."""
        stores = await self._knowledge.made()
        await self._get(tag_id)
        if not await stores.datasets.rename_tag(tag_id.lower(), name):
            raise InvalidParam("Tag name already exists")
        return await self._get(tag_id)

    async def delete(self, tag_id: str) -> None:
        """Delete a tag. Raises ``NotFound``."""
        await self._get(tag_id)
        await (await self._knowledge.made()).datasets.delete_tag(tag_id.lower())

    async def bind(self, tag_ids: Sequence[str], dataset_id: str) -> None:
        """Give a dataset some tags. Raises ``NotFound``."""
        dataset = await self._datasets.get(dataset_id)
        await (await self._knowledge.made()).datasets.bind_tags([each.lower() for each in tag_ids], dataset.id)

    async def unbind(self, tag_ids: Sequence[str], dataset_id: str) -> None:
        """Take some tags from a dataset. Raises ``NotFound``."""
        dataset = await self._datasets.get(dataset_id)
        await (await self._knowledge.made()).datasets.unbind_tags([each.lower() for each in tag_ids], dataset.id)

    async def of(self, dataset_id: str) -> Sequence[Tag]:
        """The tags of a dataset. Raises ``NotFound``."""
        dataset = await self._datasets.get(dataset_id)
        found = await (await self._knowledge.made()).datasets.tags_of([dataset.id])
        return found.get(dataset.id, [])

    async def _get(self, tag_id: str) -> tuple[Tag, int]:
        found = await (await self._knowledge.made()).datasets.tag(tag_id.lower())
        if found is None:
            raise NotFound("Tag not found.")
        return found
