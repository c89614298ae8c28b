"""Contract of ``DatasetStore``."""

import hashlib

import pytest
from msgspec.structs import replace

from jikko.errors import Conflict, InvalidParam
from jikko.ids import new_id
from jikko.ports.stores.knowledge_records import Dataset, DatasetCounts, DatasetKey, ExternalApi, Tag
from jikko.repositories.knowledge.dataset_repository import DatasetNameTaken
from jikko.repositories.knowledge.knowledge_stores import KnowledgeStores, OpenKnowledge
from tests.filled import filled

from .records import a_dataset, dataset_in, shown

pytestmark = pytest.mark.anyio


async def test_there_are_no_stores_until_one_is_needed(opened: OpenKnowledge) -> None:
    assert await opened.existing() is None
    made = await opened.made()
    assert await opened.existing() is made is await opened.made()


async def test_a_dataset_is_kept_as_it_is(stores: KnowledgeStores) -> None:
    given = a_dataset(
        "動物 🦉", description="x" * 400, retrieval_model={"top_k": 3, "weights": None}, technique="economy"
    )
    await stores.datasets.create_dataset(given)

    assert await stores.datasets.dataset(given.id) == given
    assert await stores.datasets.datasets([given.id, new_id(), "no id"]) == {given.id: given}
    assert await stores.datasets.dataset(new_id()) is None
    assert await stores.datasets.tag(new_id()) is None
    assert await stores.datasets.external_api(new_id()) is None


async def test_names_and_ids_are_taken_once(stores: KnowledgeStores) -> None:
    first, second = await dataset_in(stores, "a"), await dataset_in(stores, "b")

    with pytest.raises(DatasetNameTaken):
        await stores.datasets.create_dataset(a_dataset("a"))
    with pytest.raises(Conflict, match="already exists"):
        await stores.datasets.create_dataset(replace(a_dataset("c"), id=first.id))
    with pytest.raises(DatasetNameTaken):
        await stores.datasets.change_dataset(second.id, lambda each: replace(each, name="a"))

    assert [each.name for each in await stores.datasets.all_datasets()] == ["b", "a"]


async def test_a_change_sees_the_dataset_as_it_is_and_may_refuse(stores: KnowledgeStores) -> None:
    dataset = await dataset_in(stores)
    await stores.datasets.change_dataset(dataset.id, lambda each: replace(each, description="new"))

    def refuse(each: Dataset) -> Dataset:
        assert each.description == "new"
        raise InvalidParam("no")

    with pytest.raises(InvalidParam):
        await stores.datasets.change_dataset(dataset.id, refuse)
    assert await stores.datasets.change_dataset(new_id(), refuse) is None


async def test_lists_are_by_page_by_a_part_of_the_name_and_by_tags(stores: KnowledgeStores) -> None:
    made = [await dataset_in(stores, name) for name in ("Owls", "owlets", "100%_bees")]
    tags = [Tag(id=new_id(), name=name, created_at=1.0) for name in ("x", "y")]
    for tag in tags:
        assert await stores.datasets.add_tag(tag)
    await stores.datasets.bind_tags([tag.id for tag in tags], made[0].id)
    await stores.datasets.bind_tags([tags[0].id, new_id()], made[1].id)

    async def names(**query: object) -> tuple[list[str], int]:
        found, total = await stores.datasets.list_datasets(**{"offset": 0, "limit": 10, **query})  # type: ignore[arg-type]
        return [each.name for each in found], total

    assert await names() == (["100%_bees", "owlets", "Owls"], 3)
    assert await names(offset=1, limit=1) == (["owlets"], 3)
    assert await names(keyword="OWL") == (["owlets", "Owls"], 2)
    assert await names(keyword="%_") == (["100%_bees"], 1)
    assert await names(tag_ids=[tags[0].id]) == (["owlets", "Owls"], 2)
    assert await names(tag_ids=[tag.id for tag in tags]) == (["Owls"], 1)


async def test_tags_have_one_name_each_and_count_their_datasets(stores: KnowledgeStores) -> None:
    dataset = await dataset_in(stores)
    one, two = (Tag(id=new_id(), name=name, created_at=1.0) for name in ("one", "two"))
    assert await stores.datasets.add_tag(one)
    assert await stores.datasets.add_tag(two)
    assert not await stores.datasets.add_tag(replace(one, id=new_id()))
    assert not await stores.datasets.rename_tag(one.id, "two")
    await stores.datasets.bind_tags([one.id, two.id], dataset.id)
    await stores.datasets.bind_tags([one.id], dataset.id)

    assert await stores.datasets.tags() == [(two, 1), (one, 1)]
    assert {tag.name for tag in (await stores.datasets.tags_of([dataset.id]))[dataset.id]} == {"one", "two"}
    await stores.datasets.unbind_tags([one.id], dataset.id)
    assert await stores.datasets.tag(one.id) == (one, 0)
    await stores.datasets.delete_tag(two.id)
    assert (await stores.datasets.tags_of([dataset.id])).get(dataset.id, []) == []


async def test_a_dataset_goes_with_all_that_is_in_it(stores: KnowledgeStores) -> None:
    dataset, other = await dataset_in(stores), await dataset_in(stores, "other")
    document = await shown(stores, dataset, ["owls", "bees"], keywords=[["owls"], ["bees"]])
    await stores.datasets.set_alias("elsewhere", dataset.id)
    counts = await stores.datasets.counts([dataset.id, other.id])
    assert counts[dataset.id] == DatasetCounts(documents=1, available=1)
    assert counts.get(other.id, DatasetCounts()) == DatasetCounts()

    assert await stores.datasets.delete_dataset(dataset.id)
    assert not await stores.datasets.delete_dataset(dataset.id)
    while await stores.jobs.sweep(1):
        pass

    assert await stores.documents.document(dataset.id, document.id) is None
    assert await stores.segments.search_keywords(dataset.id, ["owls"], [], 5) == []
    assert (await stores.segments.list_segments(document, offset=0, limit=9))[0] == []
    assert await stores.datasets.aliases() == {}
    assert await stores.datasets.all_datasets() == [other]


async def test_keys_open_by_their_digest(stores: KnowledgeStores) -> None:
    keys = [
        DatasetKey(id=new_id(), digest=hashlib.sha256(name).digest(), hint="dataset-", created_at=1.0)
        for name in (b"one", b"two")
    ]
    for key in keys:
        await stores.datasets.add_key(key)

    assert await stores.datasets.keys() == keys
    assert await stores.datasets.has_key(keys[0].digest)
    assert await stores.datasets.delete_key(keys[0].id)
    assert not await stores.datasets.delete_key(keys[0].id)
    assert not await stores.datasets.has_key(keys[0].digest)


async def test_external_apis_have_one_name_each(stores: KnowledgeStores) -> None:
    api = ExternalApi(id=new_id(), name="shop", endpoint="https://x.example", api_key="k", created_at=1.0)
    assert await stores.datasets.add_external_api(api)
    assert not await stores.datasets.add_external_api(replace(api, id=new_id()))

    assert await stores.datasets.external_apis() == [api]
    assert await stores.datasets.external_api(api.id) == api
    assert await stores.datasets.delete_external_api(api.id)
    assert await stores.datasets.external_api(api.id) is None


async def test_texts_mean_datasets_and_workspaces_are_known(stores: KnowledgeStores) -> None:
    one, two = await dataset_in(stores, "one"), await dataset_in(stores, "two")
    await stores.datasets.set_alias("sT0/+=", one.id)
    await stores.datasets.set_alias("sT0/+=", two.id)
    assert await stores.datasets.aliases() == {"sT0/+=": two.id}
    await stores.datasets.set_alias("sT0/+=", None)
    assert await stores.datasets.aliases() == {}

    workspaces = sorted(new_id() for _ in range(2))
    for workspace in (*workspaces, workspaces[0]):
        await stores.datasets.add_workspace(workspace)
    assert await stores.datasets.workspaces() == workspaces
    assert await stores.datasets.delete_workspace(workspaces[0])
    assert not await stores.datasets.delete_workspace(workspaces[0])


@pytest.mark.parametrize("bare", [False, True])
async def test_datasets_tags_keys_and_outside_services_come_back_with_all_their_fields(
    stores: KnowledgeStores, bare: bool
) -> None:
    dataset, tag, key, api = (filled(kind, bare=bare) for kind in (Dataset, Tag, DatasetKey, ExternalApi))
    await stores.datasets.create_dataset(dataset)
    await stores.datasets.add_tag(tag)
    await stores.datasets.add_key(key)
    await stores.datasets.add_external_api(api)

    assert await stores.datasets.dataset(dataset.id) == dataset
    assert await stores.datasets.tag(tag.id) == (tag, 0)
    assert await stores.datasets.keys() == [key]
    assert await stores.datasets.external_api(api.id) == api
