"""Metadata and tags of datasets. Source: docs/dify-behaviour.md, “Knowledge API”."""

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct, to_builtins

from jikko.dify.knowledge.dataset_bodies import FieldName, TagBody, TagName, TagsOfDataset, field_name, tag_body
from jikko.errors import InvalidParam
from jikko.http.request_fields import checked, must
from jikko.http.requests import Request
from jikko.http.responses import SendableResponse, deleted, json_response
from jikko.http.routes.knowledge.document_routes import Done
from jikko.http.routes.knowledge.knowledge_requests import DatasetRoute, knowledge_of
from jikko.knowledge.metadata import BUILT_IN
from jikko.values import Json, Uuid

_Name: TypeAlias = Annotated[
    str, Meta(min_length=1, max_length=255, extra=must("must be a text of 1 to 255 characters"))
]
_TagName: TypeAlias = Annotated[
    str, Meta(min_length=1, max_length=50, extra=must("must be a text of 1 to 50 characters"))
]


class NewField(Struct):
    """A metadata field to be added."""

    type: Annotated[Literal["string", "number", "time"], Meta(extra=must("must be 'string', 'number' or 'time'"))]
    name: _Name


class FieldRename(Struct):
    """A new name for a metadata field."""

    name: _Name


class FieldUse(Struct):
    """A metadata field, and how many documents have it."""

    id: Uuid
    name: str
    type: str
    count: int


class FieldList(Struct):
    """The metadata fields of a dataset."""

    doc_metadata: list[FieldUse]
    built_in_field_enabled: bool


class BuiltInField(Struct):
    """A built-in field."""

    name: str
    type: str


class BuiltInFields(Struct):
    """The built-in fields."""

    fields: list[BuiltInField]


class FieldValue(Struct):
    """A value of a metadata field."""

    id: str
    name: str
    value: Json = None


class MetadataOperation(Struct):
    """Values for one document."""

    document_id: str
    metadata_list: list[FieldValue]
    partial_update: bool = False


class MetadataOperations(Struct):
    """Values for some documents."""

    operation_data: list[MetadataOperation]


class NewTag(Struct):
    """A tag to be made."""

    name: _TagName


class TagRename(Struct):
    """A new name for a tag."""

    tag_id: str
    name: _TagName


class TagChoice(Struct):
    """A tag."""

    tag_id: str


class TagBinding(Struct):
    """Tags for a dataset."""

    tag_ids: list[str]
    target_id: str


class TagUnbinding(Struct):
    """Tags that a dataset is to lose."""

    target_id: str
    tag_ids: list[str] | None = None
    tag_id: str | None = None


@DatasetRoute("GET", "/v1/datasets/{dataset_id}/metadata", {200: FieldList}, (404,))
async def list_fields(request: Request) -> SendableResponse:
    """List fields."""
    found, built_in = await knowledge_of(request).metadata.fields(request.path_params["dataset_id"])
    return json_response(
        FieldList([FieldUse(field.id, field.name, field.type, count) for field, count in found], built_in)
    )


@DatasetRoute("POST", "/v1/datasets/{dataset_id}/metadata", {201: FieldName}, (404, 503), body=NewField)
async def add_field(request: Request) -> SendableResponse:
    """Add a field."""
    body = checked(await request.json(lists_are=InvalidParam), NewField)
    field = await knowledge_of(request).metadata.add(request.path_params["dataset_id"], body.name, body.type)
    return json_response(field_name(field), 201)


@DatasetRoute(
    "PATCH", "/v1/datasets/{dataset_id}/metadata/{metadata_id}", {200: FieldName}, (404, 503), body=FieldRename
)
async def rename_field(request: Request) -> SendableResponse:
    """Rename a field, which keeps its values."""
    body = checked(await request.json(lists_are=InvalidParam), FieldRename)
    dataset_id, metadata_id = request.path_params.values()
    field = await knowledge_of(request).metadata.rename(dataset_id, metadata_id, body.name)
    return json_response(field_name(field))


@DatasetRoute("DELETE", "/v1/datasets/{dataset_id}/metadata/{metadata_id}", {204: "*/*"}, (404, 503))
async def delete_field(request: Request) -> SendableResponse:
    """Delete a field, with its values."""
    await knowledge_of(request).metadata.delete(*request.path_params.values())
    return deleted()


@DatasetRoute("GET", "/v1/datasets/{dataset_id}/metadata/built-in", {200: BuiltInFields}, (404,))
async def list_built_in_fields(request: Request) -> SendableResponse:
    """List the built-in fields."""
    await knowledge_of(request).datasets.get(request.path_params["dataset_id"])
    return json_response(BuiltInFields([BuiltInField(name, kind) for name, kind in BUILT_IN.items()]))


@DatasetRoute("POST", "/v1/datasets/{dataset_id}/metadata/built-in/{action}", {200: Done}, (404, 503))
async def switch_built_in_fields(request: Request) -> SendableResponse:
    """Use the built-in fields, or not.

    The action is ``enable`` or ``disable``; others do nothing.
    """
    await knowledge_of(request).metadata.switch_built_in(*request.path_params.values())
    return json_response(Done())


@DatasetRoute("POST", "/v1/datasets/{dataset_id}/documents/metadata", {200: Done}, (404, 503), body=MetadataOperations)
async def set_metadata(request: Request) -> SendableResponse:
    """Set the metadata of documents.

    It takes the place of their values, or is added to them (``partial_update``).
    """
    body = checked(await request.json(lists_are=InvalidParam), MetadataOperations)
    await knowledge_of(request).metadata.set(request.path_params["dataset_id"], to_builtins(body.operation_data))
    return json_response(Done())


@DatasetRoute("GET", "/v1/datasets/tags", {200: "application/json"})
async def list_tags(request: Request) -> SendableResponse:
    """List tags."""
    return json_response([tag_body(tag, count) for tag, count in await knowledge_of(request).tags.all()])


@DatasetRoute("POST", "/v1/datasets/tags", {200: TagBody}, (404, 503), body=NewTag)
async def create_tag(request: Request) -> SendableResponse:
    """Make a tag."""
    body = checked(await request.json(lists_are=InvalidParam), NewTag)
    return json_response(tag_body(await knowledge_of(request).tags.create(body.name), 0))


@DatasetRoute("PATCH", "/v1/datasets/tags", {200: TagBody}, (404, 503), body=TagRename)
async def rename_tag(request: Request) -> SendableResponse:
    """Rename a tag."""
    body = checked(await request.json(lists_are=InvalidParam), TagRename)
    return json_response(tag_body(*await knowledge_of(request).tags.rename(body.tag_id, body.name)))


@DatasetRoute("DELETE", "/v1/datasets/tags", {204: "*/*"}, (404, 503), body=TagChoice)
async def delete_tag(request: Request) -> SendableResponse:
    """Delete a tag."""
    body = checked(await request.json(lists_are=InvalidParam), TagChoice)
    await knowledge_of(request).tags.delete(body.tag_id)
    return deleted()


@DatasetRoute("POST", "/v1/datasets/tags/binding", {204: "*/*"}, (404, 503), body=TagBinding)
async def bind_tags(request: Request) -> SendableResponse:
    """Give a dataset tags."""
    body = checked(await request.json(lists_are=InvalidParam), TagBinding)
    if not body.tag_ids:
        raise InvalidParam("Tag IDs is required.")
    await knowledge_of(request).tags.bind(body.tag_ids, body.target_id)
    return deleted()


@DatasetRoute("POST", "/v1/datasets/tags/unbinding", {204: "*/*"}, (404, 503), body=TagUnbinding)
async def unbind_tags(request: Request) -> SendableResponse:
    """Take tags from a dataset."""
    body = checked(await request.json(lists_are=InvalidParam), TagUnbinding)
    ids = body.tag_ids or ([body.tag_id] if body.tag_id else [])
    if not ids:
        raise InvalidParam("Tag IDs is required.")
    await knowledge_of(request).tags.unbind(ids, body.target_id)
    return deleted()


@DatasetRoute("GET", "/v1/datasets/{dataset_id}/tags", {200: TagsOfDataset}, (404,))
async def list_tags_of_dataset(request: Request) -> SendableResponse:
    """List the tags of a dataset."""
    found = await knowledge_of(request).tags.of(request.path_params["dataset_id"])
    return json_response(TagsOfDataset([TagName(tag.id, tag.name) for tag in found], len(found)))
