"""Metadata and tags of datasets. Source: docs/dify-behaviour.md, “Knowledge API”."""

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct, to_builtins

from jikko.dify.knowledge.dataset_bodies import FieldName, TagBody, TagName, TagsOfDataset, field_name, tag_body
from jikko.errors import InvalidParam
from jikko.http.request_fields import must
from jikko.http.requests import Request
from jikko.http.responses import SendableResponse, json_response
from jikko.http.routes.knowledge.document_routes import Done
from jikko.http.routes.knowledge.knowledge_requests import DatasetRoute, knowledge_of
from jikko.knowledge.metadata import BUILT_IN
from jikko.values import Uuid

_Name: TypeAlias = Annotated[str, Meta(max_length=255, extra=must("must be a text of at most 255 characters"))]
_TagName: TypeAlias = Annotated[
    str, Meta(min_length=1, max_length=50, extra=must("must be a text of 1 to 50 characters"))
]


class NewField(Struct):
    type: Annotated[Literal["string", "number", "time"], Meta(extra=must("must be 'string', 'number' or 'time'"))]
    name: _Name


class FieldRename(Struct):
    """New name of a metadata field."""

    name: _Name


class FieldUse(Struct):
    """Metadata field with its number of documents."""

    id: Uuid
    name: str
    type: str
    count: int


class FieldList(Struct):
    """Metadata fields of a dataset."""

    doc_metadata: list[FieldUse]
    built_in_field_enabled: bool


class BuiltInField(Struct):
    name: str
    type: str


class BuiltInFields(Struct):
    fields: list[BuiltInField]


class FieldValue(Struct):
    id: str
    name: str
    value: Annotated[str | int | float | bool | None, Meta(extra=must("must be a text, a number or null"))] = None


class MetadataOperation(Struct):
    document_id: str
    metadata_list: list[FieldValue]
    partial_update: bool = False


class MetadataOperations(Struct):
    operation_data: list[MetadataOperation]


class NewTag(Struct):
    name: _TagName


class TagRename(Struct):
    """New name of a tag."""

    tag_id: str
    name: _TagName


class TagChoice(Struct):
    tag_id: str


class TagBinding(Struct):
    """Tags to add to a dataset."""

    tag_ids: list[str]
    target_id: str


class TagUnbinding(Struct):
    """Tags to remove from a dataset."""

    target_id: str
    tag_ids: list[str] | None = None
    tag_id: str | None = None


@DatasetRoute("GET", "/v1/datasets/{dataset_id}/metadata", (404,))
async def list_fields(request: Request) -> FieldList:
    """List fields."""
    found, built_in = await knowledge_of(request).metadata.fields(request.path_params["dataset_id"])
    return FieldList([FieldUse(field.id, field.name, field.type, count) for field, count in found], built_in)


@DatasetRoute("POST", "/v1/datasets/{dataset_id}/metadata", (404, 503), status=201)
async def add_field(request: Request, body: NewField) -> FieldName:
    """Add a field."""
    field = await knowledge_of(request).metadata.add(request.path_params["dataset_id"], body.name, body.type)
    return field_name(field)


@DatasetRoute("PATCH", "/v1/datasets/{dataset_id}/metadata/{metadata_id}", (404, 503))
async def rename_field(request: Request, body: FieldRename) -> FieldName:
    """Rename a field, keeping its values."""
    dataset_id, metadata_id = request.path_params.values()
    field = await knowledge_of(request).metadata.rename(dataset_id, metadata_id, body.name)
    return field_name(field)


@DatasetRoute("DELETE", "/v1/datasets/{dataset_id}/metadata/{metadata_id}", (404, 503))
async def delete_field(request: Request) -> None:
    """Delete a field with its values."""
    await knowledge_of(request).metadata.delete(*request.path_params.values())


@DatasetRoute("GET", "/v1/datasets/{dataset_id}/metadata/built-in", (404,))
async def list_built_in_fields(request: Request) -> BuiltInFields:
    """List the built-in fields."""
    await knowledge_of(request).datasets.get(request.path_params["dataset_id"])
    return BuiltInFields([BuiltInField(name, kind) for name, kind in BUILT_IN.items()])


@DatasetRoute("POST", "/v1/datasets/{dataset_id}/metadata/built-in/{action}", (404, 503))
async def switch_built_in_fields(request: Request) -> Done:
    """Enable or disable the built-in fields.

    The action is ``enable`` or ``disable``; others have no effect.
    """
    await knowledge_of(request).metadata.switch_built_in(*request.path_params.values())
    return Done()


@DatasetRoute("POST", "/v1/datasets/{dataset_id}/documents/metadata", (404, 503))
async def set_metadata(request: Request, body: MetadataOperations) -> Done:
    """Set the metadata of documents.

    Replaces their values, or adds to them (``partial_update``).
    """
    await knowledge_of(request).metadata.set(request.path_params["dataset_id"], to_builtins(body.operation_data))
    return Done()


@DatasetRoute("GET", "/v1/datasets/tags", answers={200: "application/json"})
async def list_tags(request: Request) -> SendableResponse:
    """List tags."""
    return json_response([tag_body(tag, count) for tag, count in await knowledge_of(request).tags.all()])


@DatasetRoute("POST", "/v1/datasets/tags", (404, 503))
async def create_tag(request: Request, body: NewTag) -> TagBody:
    """Create a tag."""
    return tag_body(await knowledge_of(request).tags.create(body.name), 0)


@DatasetRoute("PATCH", "/v1/datasets/tags", (404, 503))
async def rename_tag(request: Request, body: TagRename) -> TagBody:
    """Rename a tag."""
    return tag_body(*await knowledge_of(request).tags.rename(body.tag_id, body.name))


@DatasetRoute("DELETE", "/v1/datasets/tags", (404, 503))
async def delete_tag(request: Request, body: TagChoice) -> None:
    """Delete a tag."""
    await knowledge_of(request).tags.delete(body.tag_id)


@DatasetRoute("POST", "/v1/datasets/tags/binding", (404, 503))
async def bind_tags(request: Request, body: TagBinding) -> None:
    """Add tags to a dataset."""
    if not body.tag_ids:
        raise InvalidParam("Tag IDs is required.")
    await knowledge_of(request).tags.bind(body.tag_ids, body.target_id)


@DatasetRoute("POST", "/v1/datasets/tags/unbinding", (404, 503))
async def unbind_tags(request: Request, body: TagUnbinding) -> None:
    """Remove tags from a dataset."""
    ids = body.tag_ids or ([body.tag_id] if body.tag_id else [])
    if not ids:
        raise InvalidParam("Tag IDs is required.")
    await knowledge_of(request).tags.unbind(ids, body.target_id)


@DatasetRoute("GET", "/v1/datasets/{dataset_id}/tags", (404,))
async def list_tags_of_dataset(request: Request) -> TagsOfDataset:
    """List a dataset's tags."""
    found = await knowledge_of(request).tags.of(request.path_params["dataset_id"])
    return TagsOfDataset([TagName(tag.id, tag.name) for tag in found], len(found))
