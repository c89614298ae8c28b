"""Datasets in Dify's JSON. Source: docs/dify-behaviour.md, “Knowledge API”."""

from typing import Annotated, Any, Final

from msgspec import UNSET, Meta, Struct, UnsetType

from jikko.dify.bodies import timed_body_from
from jikko.knowledge.datasets import DatasetView
from jikko.knowledge.metadata import BUILT_IN
from jikko.knowledge.retrieval.retrieval_model import SHOWN_DEFAULT
from jikko.ports.stores.knowledge_records import MetadataField, Tag
from jikko.values import Json, Seconds, Uuid

ACCOUNT_ID: Final = "6a696b6b-6f00-4000-8000-000000000002"
"""Creator of everything made through the knowledge API, which has no users."""
AUTHOR: Final = "jikko"


class TagName(Struct):
    id: Uuid
    name: str


class TagOfDataset(Struct):
    """Tag in a dataset's body."""

    id: Uuid
    name: str
    type: str = "knowledge"


class FieldName(Struct):
    """Metadata field of a dataset."""

    id: Annotated[str, Meta(description="`built-in`, or a UUID.")]
    name: str
    type: str


class ExternalInfo(Struct):
    """Location of an external dataset."""

    external_knowledge_id: str | None = None
    external_knowledge_api_id: Uuid | None = None
    external_knowledge_api_name: str | None = None
    external_knowledge_api_endpoint: str | None = None


class ExternalRetrieval(Struct):
    """Search settings of an external dataset."""

    top_k: int
    score_threshold: float | None
    score_threshold_enabled: bool | None


class SummarySetting(Struct):
    """Summaries of segments: not supported."""

    enable: None = None
    model_name: None = None
    model_provider_name: None = None
    summary_prompt: None = None


class IconInfo(Struct):
    """Icon: not supported."""

    icon_type: None = None
    icon: None = None
    icon_background: None = None
    icon_url: None = None


class DatasetBody(Struct, kw_only=True):
    id: Uuid
    name: str
    description: str
    provider: str
    permission: str
    data_source_type: str | None
    indexing_technique: str | None
    app_count: int = 0
    document_count: int
    word_count: int
    created_by: Uuid = ACCOUNT_ID
    author_name: str = AUTHOR
    created_at: Seconds
    updated_by: Uuid = ACCOUNT_ID
    updated_at: Seconds
    embedding_model: str | None
    embedding_model_provider: str | None
    embedding_available: bool | None
    retrieval_model_dict: dict[str, Json]
    summary_index_setting: SummarySetting
    tags: list[TagOfDataset]
    doc_form: str | None
    external_knowledge_info: ExternalInfo
    external_retrieval_model: ExternalRetrieval
    doc_metadata: list[FieldName]
    built_in_field_enabled: bool
    pipeline_id: None = None
    runtime_mode: str = "general"
    chunk_structure: None = None
    icon_info: IconInfo
    is_published: bool = False
    total_documents: int
    total_available_documents: int
    enable_api: bool = True
    is_multimodal: bool = False
    maintainer: Uuid = ACCOUNT_ID
    partial_member_list: list[Json] | UnsetType = UNSET


class DatasetPage(Struct):
    data: list[DatasetBody]
    has_more: bool
    limit: int
    total: int
    page: int


def dataset_body(
    view: DatasetView, *, embedding_available: bool | None = None, detail: bool = False, members: bool = False
) -> DatasetBody:
    """Encode a dataset.

    Args:
        embedding_available: Whether its model can be called; ``None``: not checked.
        detail: Whether it is returned alone, with its search settings unchanged.
        members: Whether to include members with access.
    """
    dataset, counts = view.dataset, view.counts
    own = dataset.retrieval_model or SHOWN_DEFAULT
    shown = {name: each for name, each in own.items() if name in SHOWN_DEFAULT}
    if dataset.external_retrieval_model is not None:
        shown |= dataset.external_retrieval_model
    if detail and dataset.technique != "high_quality":
        shown |= {"search_method": "keyword_search"}
    return timed_body_from(
        dataset,
        DatasetBody,
        data_source_type="upload_file" if dataset.doc_form else None,
        indexing_technique=dataset.technique,
        document_count=counts.documents,
        word_count=counts.words,
        embedding_model_provider=dataset.embedding_provider,
        embedding_available=embedding_available,
        retrieval_model_dict=shown,
        summary_index_setting=SummarySetting(),
        tags=[TagOfDataset(tag.id, tag.name) for tag in view.tags],
        external_knowledge_info=_external_info(view),
        external_retrieval_model=_external_retrieval(own, dataset.external_retrieval_model),
        doc_form=dataset.doc_form if counts.documents else None,
        doc_metadata=[field_name(field) for field in view.fields]
        + [FieldName("built-in", name, kind) for name, kind in BUILT_IN.items() if dataset.built_in_fields],
        built_in_field_enabled=dataset.built_in_fields,
        icon_info=IconInfo(),
        total_documents=counts.documents,
        total_available_documents=counts.available,
        partial_member_list=[] if members or (detail and dataset.permission == "partial_members") else UNSET,
    )


def _external_info(view: DatasetView) -> ExternalInfo:
    dataset, api = view.dataset, view.external_api
    if dataset.provider != "external" or dataset.external_api_id is None:
        return ExternalInfo()
    return ExternalInfo(
        dataset.external_knowledge_id,
        dataset.external_api_id,
        None if api is None else api.name,
        None if api is None else api.endpoint,
    )


def _external_retrieval(own: dict[str, Any], external: dict[str, Any] | None) -> ExternalRetrieval:
    if external is not None:
        return ExternalRetrieval(external["top_k"], external["score_threshold"], external["score_threshold_enabled"])
    if own is SHOWN_DEFAULT:
        return ExternalRetrieval(2, 0.0, None)
    return ExternalRetrieval(own["top_k"], own["score_threshold"], own["score_threshold_enabled"])


def field_name(field: MetadataField) -> FieldName:
    return FieldName(field.id, field.name, field.type)


class TagBody(Struct):
    """Tag with its number of datasets."""

    id: Uuid
    name: str
    type: str
    binding_count: str


class TagsOfDataset(Struct):
    data: list[TagName]
    total: int


def tag_body(tag: Tag, count: int) -> TagBody:
    return TagBody(tag.id, tag.name, "knowledge", str(count))
