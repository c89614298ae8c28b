"""Datasets: create, change, delete; and their names in workflow files. Source: docs/dify-behaviour.md,
“Knowledge API”."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from jikko.dsl.encrypted_ids import check_decryption
from jikko.errors import InvalidParam, NotFound
from jikko.ids import is_uuid, new_id
from jikko.knowledge.retrieval.retrieval_model import FIRST_DEFAULT, checked_retrieval_model
from jikko.ports.clock import Clock
from jikko.ports.models import DefaultModels, ModelFailure
from jikko.ports.other_models import Embedder, Reranker
from jikko.ports.stores.knowledge_records import Dataset, DatasetCounts, ExternalApi, JsonObject, MetadataField, Tag
from jikko.repositories.knowledge.dataset_repository import DatasetNameTaken
from jikko.repositories.knowledge.knowledge_stores import KnowledgeStores, OpenKnowledge

Wake: TypeAlias = Callable[[], None]
"""Makes the indexing process look for jobs, whichever process it is."""


PERMISSIONS = ("only_me", "all_team_members", "partial_members")


class DatasetWishes(Struct, kw_only=True):
    """Settings of a dataset from a client. ``None``: not given."""

    name: str | None = None
    description: str | None = None
    permission: str | None = None
    technique: str | None = None
    embedding_provider: str | None = None
    embedding_model: str | None = None
    retrieval_model: Any = None
    provider: str | None = None
    external_api_id: str | None = None
    external_knowledge_id: str | None = None
    external_retrieval_model: Any = None
    id: str | None = None
    """Extension of Jikko: the dataset's id elsewhere, so that workflow files find it here."""


class DatasetView(NamedTuple):
    """A dataset with related data for display."""

    dataset: Dataset
    counts: DatasetCounts
    tags: Sequence[Tag]
    fields: Sequence[MetadataField]
    external_api: ExternalApi | None


class Datasets(Struct, eq=False):
    knowledge: OpenKnowledge
    embedder: Embedder
    reranker: Reranker
    defaults: DefaultModels
    clock: Clock
    wake: Wake

    @property
    def usual_technique(self) -> str:
        """Technique of a dataset whose creator names none."""
        return "high_quality" if "embedding" in self.defaults else "economy"

    async def create(self, wishes: DatasetWishes) -> Dataset:
        """Create a dataset. Raises ``InvalidParam``, ``DatasetNameTaken``, or ``Conflict`` if the id is taken."""
        if wishes.id is not None and not is_uuid(wishes.id):
            raise InvalidParam("id: must be a UUID")
        stores = await self.knowledge.made()
        now = self.clock()
        dataset = Dataset(
            id=wishes.id.lower() if wishes.id else new_id(),
            name=wishes.name or "",
            description=wishes.description or "",
            provider="external" if wishes.provider == "external" else "vendor",
            permission=wishes.permission or "only_me",
            created_at=now,
            updated_at=now,
        )
        if dataset.provider == "external":
            dataset = await self._external(stores, dataset, wishes)
        else:
            dataset = self._with_models(dataset, wishes)
        await stores.datasets.create_dataset(dataset)
        return dataset

    async def get(self, dataset_id: str) -> Dataset:
        """Return a dataset. Raises ``NotFound``."""
        stores = await self.knowledge.existing()
        found = None if stores is None else await stores.datasets.dataset(dataset_id.lower())
        if found is None:
            raise NotFound("Dataset not found.")
        return found

    async def find(self, name_or_id: str) -> Dataset:
        """Find a dataset by name or id. Raises ``NotFound``."""
        stores = await self.knowledge.existing()
        found = [] if stores is None else await stores.datasets.all_datasets()
        for each in found:
            if name_or_id in (each.name, each.id):
                return each
        raise NotFound(f"No dataset {name_or_id!r}.")

    async def all_views(self) -> Sequence[DatasetView]:
        """Return all datasets for display, newest first."""
        stores = await self.knowledge.existing()
        return [] if stores is None else await self.views(await stores.datasets.all_datasets())

    async def page(
        self, *, keyword: str = "", tag_ids: Collection[str] = (), number: int = 1, limit: int = 20
    ) -> tuple[Sequence[Dataset], int]:
        """Return a page of datasets, newest first, and the total."""
        stores = await self.knowledge.made()
        return await stores.datasets.list_datasets(
            keyword=keyword, tag_ids=tag_ids, offset=max(0, number - 1) * max(0, limit), limit=max(0, limit)
        )

    async def views(self, datasets: Sequence[Dataset]) -> Sequence[DatasetView]:
        stores = await self.knowledge.made()
        ids = [dataset.id for dataset in datasets]
        counts, tags = await stores.datasets.counts(ids), await stores.datasets.tags_of(ids)
        apis: dict[str, ExternalApi | None] = {}
        views = []
        for dataset in datasets:
            api_id = dataset.external_api_id
            if api_id is not None and api_id not in apis:
                apis[api_id] = await stores.datasets.external_api(api_id)
            fields = [field for field, _ in await stores.documents.fields(dataset.id)]
            api = apis.get(api_id) if api_id is not None else None
            views.append(
                DatasetView(dataset, counts.get(dataset.id, DatasetCounts()), tags.get(dataset.id, ()), fields, api)
            )
        return views

    def is_embedding_available(self, dataset: Dataset) -> bool:
        """Return whether a dataset's embedding model can be called, if it needs one."""
        if dataset.technique != "high_quality":
            return True
        try:
            self.embedder.batch_size(dataset.embedding_provider or "", dataset.embedding_model or "")
        except ModelFailure:
            return False
        return True

    def check_models(self, wishes: DatasetWishes) -> None:
        """Raise ``InvalidParam`` for a model of an unknown provider, whatever the technique. (Dify)"""
        model: JsonObject = {} if wishes.retrieval_model is None else checked_retrieval_model(wishes.retrieval_model)
        ranker: Any = model.get("reranking_model") or {}
        try:
            if wishes.embedding_provider and wishes.embedding_model:
                self.embedder.batch_size(wishes.embedding_provider, wishes.embedding_model)
            if ranker.get("reranking_provider_name") and ranker.get("reranking_model_name"):
                self.reranker.is_ready(ranker["reranking_provider_name"])
        except ModelFailure as failure:
            raise InvalidParam(str(failure)) from None

    async def change(self, dataset_id: str, wishes: DatasetWishes) -> Dataset:
        """Change a dataset. Affected indexes are rebuilt in the background.

        Raises ``InvalidParam``: invalid, or the name is taken; ``NotFound``.
        """
        stores = await self.knowledge.made()
        old = await self.get(dataset_id)
        now = self.clock()
        if old.provider == "external":
            wished = await self._external(stores, old, wishes, changing=True)
        else:
            wished = self._with_models(old, wishes)
        own = ("technique", "embedding_provider", "embedding_model", "retrieval_model", "external_api_id")
        names = (*own, "external_knowledge_id", "external_retrieval_model")

        def change(dataset: Dataset) -> Dataset:
            return replace(
                dataset,
                name=dataset.name if wishes.name is None else wishes.name,
                description=dataset.description if wishes.description is None else wishes.description,
                permission=wishes.permission or dataset.permission,
                updated_at=now,
                **{name: getattr(wished, name) for name in names if getattr(wished, name) != getattr(old, name)},
            )

        try:
            changed = await stores.datasets.change_dataset(old.id, change)
        except DatasetNameTaken:
            raise InvalidParam("Dataset name already exists") from None
        if changed is None:
            raise NotFound("Dataset not found.")
        if any(getattr(changed, name) != getattr(old, name) for name in own[:3]):
            await self._reindex(stores, changed)
        return changed

    async def delete(self, dataset_id: str) -> None:
        """Delete a dataset with its content. Raises ``NotFound``."""
        stores = await self.knowledge.existing()
        if stores is None or not await stores.datasets.delete_dataset(dataset_id.lower()):
            raise NotFound("Dataset not found.")
        self.wake()

    async def index_with(self, dataset: Dataset, wishes: DatasetWishes, form: str) -> Dataset:
        """Return the dataset as set up by its first document: existing settings stay, and the form beside other
        documents. Raises ``InvalidParam``: neither document nor dataset has a technique; or an invalid model."""
        if wishes.retrieval_model is not None:
            checked_retrieval_model(wishes.retrieval_model)  # validated even if the dataset's own stays
        stores = await self.knowledge.made()
        if dataset.technique is None and wishes.technique is None:
            raise InvalidParam("indexing_technique is required.")
        if dataset.technique is not None and dataset.doc_form == form:
            return dataset
        wished = dataset if dataset.technique is not None else self._with_models(dataset, wishes)
        if form == "hierarchical_model" and wished.technique == "economy":
            raise InvalidParam("doc_form: documents of parents and children need indexing_technique high_quality")

        def change(current: Dataset) -> Dataset:
            if current.technique is None:
                model = wished.retrieval_model or (FIRST_DEFAULT if wished.technique == "high_quality" else None)
                current = replace(
                    current,
                    technique=wished.technique,
                    embedding_provider=wished.embedding_provider,
                    embedding_model=wished.embedding_model,
                    retrieval_model=current.retrieval_model or model,
                )
            return replace(current, doc_form=form)

        changed = await stores.datasets.change_dataset(dataset.id, change)
        if changed is None:
            raise NotFound("Dataset not found.")
        return changed

    async def _reindex(self, stores: KnowledgeStores, dataset: Dataset) -> None:
        documents, _ = await stores.documents.list_documents(dataset.id)
        now = self.clock()
        for document in documents:
            await stores.jobs.reindex(document.id, now)
        self.wake()

    def _with_models(self, dataset: Dataset, wishes: DatasetWishes) -> Dataset:
        technique: Any = wishes.technique or dataset.technique
        changes: dict[str, Any] = {"technique": technique}
        if wishes.retrieval_model is not None:
            changes["retrieval_model"] = checked_retrieval_model(wishes.retrieval_model)
        if technique == "high_quality":
            changes |= self._embedding(dataset, wishes)
        elif technique == "economy":
            changes |= {"embedding_provider": None, "embedding_model": None}
        return replace(dataset, **changes)

    def _embedding(self, dataset: Dataset, wishes: DatasetWishes) -> Mapping[str, str]:
        provider, model = wishes.embedding_provider, wishes.embedding_model
        if not provider or not model:
            if dataset.embedding_provider is not None and dataset.embedding_model is not None:
                provider, model = dataset.embedding_provider, dataset.embedding_model
            elif "embedding" in self.defaults:
                provider, model = self.defaults["embedding"]
            else:
                raise InvalidParam(
                    "No embedding model is named, and there is no default one: name embedding_model and "
                    "embedding_model_provider, or put one under 'defaults:' in the providers file."
                )
        try:
            self.embedder.batch_size(provider, model)
        except ModelFailure as failure:
            raise InvalidParam(str(failure)) from None
        return {"embedding_provider": provider, "embedding_model": model}

    async def _external(
        self, stores: KnowledgeStores, dataset: Dataset, wishes: DatasetWishes, *, changing: bool = False
    ) -> Dataset:
        if not wishes.external_api_id:
            if changing:
                raise InvalidParam("External knowledge api id is required.")
            # As in Dify: it can be set later, and until then the dataset is empty.
            return dataset
        if not wishes.external_knowledge_id:
            raise InvalidParam("external_knowledge_id is required")
        api = await stores.datasets.external_api(wishes.external_api_id.lower())
        if api is None:
            raise InvalidParam("No such external knowledge API: create it with `jikko knowledge external add`.")
        model = wishes.external_retrieval_model
        return replace(
            dataset,
            external_api_id=api.id,
            external_knowledge_id=wishes.external_knowledge_id,
            external_retrieval_model=dataset.external_retrieval_model if model is None else _checked_external(model),
        )


def _checked_external(given: Any) -> JsonObject:
    if not isinstance(given, dict):
        raise InvalidParam("external_retrieval_model: must be an object")
    top_k, threshold = given.get("top_k", 4), given.get("score_threshold", 0.0)
    for name, value in (("top_k", top_k), ("score_threshold", threshold)):
        if value is not None and (not isinstance(value, (int, float)) or isinstance(value, bool)):
            raise InvalidParam(f"external_retrieval_model.{name}: must be a number")
    return {
        "top_k": top_k,
        "score_threshold": threshold,
        "score_threshold_enabled": bool(given.get("score_threshold_enabled")),
    }


class DatasetNames:
    """Use cases of datasets' names in workflow files."""

    def __init__(self, knowledge: OpenKnowledge) -> None:
        self._knowledge = knowledge

    async def map(self, text: str, dataset: Dataset | None) -> None:
        """Map a foreign dataset's name in workflow files to a local dataset; ``None``: unmap it."""
        await (await self._knowledge.made()).datasets.set_alias(text, None if dataset is None else dataset.id)

    async def understand(self, workspace_id: str) -> None:
        """Register a workspace of Dify, whose encrypted ids are decrypted from now on.

        Raises ``InvalidParam``: not a workspace's id; ``DecryptionUnavailable``: the library is missing.
        """
        if not is_uuid(workspace_id):
            raise InvalidParam(f"{workspace_id!r} is not a workspace id: it must be a UUID.")
        check_decryption()
        await (await self._knowledge.made()).datasets.add_workspace(workspace_id.lower())

    async def forget_workspace(self, workspace_id: str) -> bool:
        """Unregister a workspace. Returns whether it was registered."""
        stores = await self._knowledge.existing()
        return stores is not None and await stores.datasets.delete_workspace(workspace_id.lower())

    async def workspaces(self) -> list[str]:
        stores = await self._knowledge.existing()
        return [] if stores is None else await stores.datasets.workspaces()

    async def mapped(self) -> dict[str, Dataset]:
        stores = await self._knowledge.existing()
        if stores is None:
            return {}
        aliases = await stores.datasets.aliases()
        targets = await stores.datasets.datasets(set(aliases.values()))
        return {text: targets[target] for text, target in aliases.items() if target in targets}
