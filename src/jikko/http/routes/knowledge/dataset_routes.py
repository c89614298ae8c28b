"""Datasets, retrieval, and available models. Source: docs/dify-behaviour.md, “Knowledge API”."""

from typing import Annotated, Final, Literal, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType, to_builtins
from msgspec.structs import asdict
from starlette.datastructures import QueryParams

from jikko.dify.knowledge.dataset_bodies import DatasetBody, DatasetPage, dataset_body
from jikko.dify.knowledge.segment_bodies import AskedQuery, Retrieved, external_record, record_body
from jikko.errors import InvalidParam
from jikko.http.request_fields import must
from jikko.http.requests import Request
from jikko.http.routes.knowledge.knowledge_requests import DatasetRoute, Paged, knowledge_of, lenient_page, rows_of
from jikko.knowledge.datasets import PERMISSIONS, DatasetWishes
from jikko.knowledge.retrieval.metadata_conditions import conditions_of
from jikko.knowledge.retrieval.retrieval_model import checked_retrieval_model, retrieval_model_of
from jikko.ports.knowledge import SearchFailure
from jikko.ports.stores.knowledge_records import Dataset
from jikko.values import Json

Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=40, extra=must("must be a text of 1 to 40 characters"))]
Description: TypeAlias = Annotated[str, Meta(max_length=400, extra=must("must be a text of at most 400 characters"))]
Permission: TypeAlias = Annotated[
    Literal["only_me", "all_team_members", "partial_members"] | None,
    Meta(extra=must(f"must be one of {', '.join(PERMISSIONS)}")),
]
Technique: TypeAlias = Annotated[
    Literal["high_quality", "economy"] | None, Meta(extra=must("must be 'high_quality' or 'economy'"))
]
Source: TypeAlias = Annotated[Literal["vendor", "external"], Meta(extra=must("must be 'vendor' or 'external'"))]
Id: TypeAlias = Annotated[
    str | None,
    Meta(description="The dataset's ID on another server, so that workflow files find it here. (Not in Dify.)"),
]


class DatasetFilter(Paged):
    tag_ids: Annotated[str, Meta(description="IDs of their tags; may be repeated.")] = ""
    include_all: Annotated[str, Meta(description="true or false; all are listed either way.")] = ""


_TRUTHS: Final = frozenset(("true", "false", "1", "0", "yes", "no", "on", "off", "t", "f", "y", "n"))
"""Booleans in queries. (Dify)"""


OF_WISHES: Final = {
    "technique": "indexing_technique",
    "embedding_provider": "embedding_model_provider",
    "external_api_id": "external_knowledge_api_id",
}
"""Names of the fields of ``DatasetWishes`` in bodies."""


class NewDataset(Struct, rename=OF_WISHES):
    name: Name
    description: Description = ""
    technique: Technique = None
    permission: Permission = None
    provider: Source = "vendor"
    embedding_model: str | None = None
    embedding_provider: str | None = None
    retrieval_model: dict[str, Json] | None = None
    external_api_id: str | None = None
    external_knowledge_id: str | None = None
    id: Id = None


class DatasetChanges(Struct, rename=OF_WISHES):
    name: Name | UnsetType | None = UNSET
    description: Description | UnsetType | None = UNSET
    technique: Technique | UnsetType = UNSET
    permission: Permission | UnsetType = UNSET
    embedding_model: str | UnsetType | None = UNSET
    embedding_provider: str | UnsetType | None = UNSET
    retrieval_model: dict[str, Json] | UnsetType | None = UNSET
    external_retrieval_model: dict[str, Json] | UnsetType | None = UNSET
    external_knowledge_id: str | UnsetType | None = UNSET
    external_api_id: str | UnsetType | None = UNSET


@DatasetRoute("POST", "/v1/datasets", (404, 409, 503))
async def create_dataset(request: Request, body: NewDataset) -> DatasetBody:
    """Create a dataset."""
    wishes = DatasetWishes(**asdict(body))
    knowledge_of(request).datasets.check_models(wishes)
    dataset = await knowledge_of(request).datasets.create(wishes)
    return await _shown(request, dataset)


@DatasetRoute("GET", "/v1/datasets", (400,), query=DatasetFilter)
async def list_datasets(request: Request) -> DatasetPage:
    """List datasets, newest first."""
    knowledge = knowledge_of(request)
    page, limit = lenient_page(request.query)
    if request.query.get("include_all", "false").lower() not in _TRUTHS:
        raise InvalidParam("include_all: must be true or false")
    tags = QueryParams(request.scope["query_string"]).getlist("tag_ids")
    found, total = await knowledge.datasets.page(
        keyword=request.query.get("keyword", ""), tag_ids=tags, number=page, limit=rows_of(limit)
    )
    data = [
        dataset_body(view, embedding_available=_available(request, view.dataset))
        for view in await knowledge.datasets.views(found)
    ]
    # As in Dify, a full page means that more follow.
    return DatasetPage(data, len(data) == limit, limit, total, page)


@DatasetRoute("GET", "/v1/datasets/{dataset_id}", (404,))
async def get_dataset(request: Request) -> DatasetBody:
    """Read a dataset."""
    knowledge = knowledge_of(request)
    dataset = await knowledge.datasets.get(request.path_params["dataset_id"])
    (view,) = await knowledge.datasets.views([dataset])
    return dataset_body(view, embedding_available=_available(request, dataset), detail=True)


@DatasetRoute("PATCH", "/v1/datasets/{dataset_id}", (404, 503))
async def change_dataset(request: Request, body: DatasetChanges) -> DatasetBody:
    """Change a dataset.

    Only the given fields. A new technique or model reindexes everything.
    """
    given = {name: value for name, value in asdict(body).items() if value is not UNSET}
    # As in Dify, null clears a description, and only that.
    wishes = DatasetWishes(**given | ({"description": ""} if body.description is None else {}))
    knowledge_of(request).datasets.check_models(wishes)
    dataset = await knowledge_of(request).datasets.change(request.path_params["dataset_id"], wishes)
    return await _shown(request, dataset, members=True)


@DatasetRoute("DELETE", "/v1/datasets/{dataset_id}", (404, 503))
async def delete_dataset(request: Request) -> None:
    """Delete a dataset with its contents."""
    await knowledge_of(request).datasets.delete(request.path_params["dataset_id"])


_KINDS = ("llm", "text-embedding", "rerank", "speech2text", "moderation", "tts")


class ModelsOfKind(Struct):
    """Models available to datasets."""

    data: list[dict[str, Json]]


@DatasetRoute("GET", "/v1/workspaces/current/models/model-types/{model_type}", (400,), tag="Models")
async def models(request: Request) -> ModelsOfKind:
    """List the models of a type in the providers file."""
    kind = request.path_params["model_type"]
    if kind not in _KINDS:
        raise InvalidParam(f"'{kind}' is not a valid ModelType")
    return ModelsOfKind(knowledge_of(request).models(kind))


async def _shown(request: Request, dataset: Dataset, *, members: bool = False) -> DatasetBody:
    (view,) = await knowledge_of(request).datasets.views([dataset])
    return dataset_body(view, members=members)


def _available(request: Request, dataset: Dataset) -> bool:
    """Return whether the dataset's embedding model is configured."""
    return knowledge_of(request).datasets.is_embedding_available(dataset)


class RetrieveRequest(Struct):
    """Retrieval query."""

    query: Annotated[str, Meta(max_length=250, extra=must("must be a text of at most 250 characters"))]
    retrieval_model: dict[str, Json] | None = None
    attachment_ids: list[str] | None = None


@DatasetRoute(
    "POST", "/v1/datasets/{dataset_id}/retrieve", (404, 503), older=("/v1/datasets/{dataset_id}/hit-testing",)
)
async def retrieve(request: Request, body: RetrieveRequest) -> Retrieved:
    """Test the retrieval of a dataset."""
    knowledge = knowledge_of(request)
    dataset = await knowledge.datasets.get(request.path_params["dataset_id"])
    if not body.query:
        raise InvalidParam("query: is required")
    given = body.retrieval_model
    kept = dataset.retrieval_model if given is None else checked_retrieval_model(given)
    model = retrieval_model_of(kept)
    if model.top_k <= 0:
        raise InvalidParam("retrieval_model.top_k: must be at least 1")
    try:
        hits = await knowledge.retrieval.retrieve(dataset, body.query, model, conditions_of(model.conditions))
    except SearchFailure as failure:
        raise InvalidParam(str(failure)) from None
    segments = await knowledge.segments.by_id([hit.segment_id for hit in hits if hit.segment_id is not None])
    records = [
        external_record(hit) if hit.segment_id is None else record_body(hit, segments[hit.segment_id])
        for hit in hits
        if hit.segment_id is None or hit.segment_id in segments
    ]
    return Retrieved(AskedQuery(body.query), list(to_builtins(records)))
