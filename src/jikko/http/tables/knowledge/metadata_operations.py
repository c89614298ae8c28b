"""Operations of metadata and tags."""

from collections.abc import Iterator

from jikko.dify.knowledge.datasets import FieldName, TagBody, TagsOfDataset
from jikko.http.operation import Operation
from jikko.http.routes.knowledge import documents, metadata
from jikko.http.tables.knowledge.parts import DATASET, DATASETS, DOCUMENTS, WRITE


def metadata_operations() -> Iterator[Operation]:
    """All of them, without what ``operations`` adds to each."""
    fields, tags = f"{DATASET}/metadata", f"{DATASETS}/tags"
    field = f"{fields}/{{metadata_id}}"
    yield Operation("GET", fields, metadata.list_fields, "List fields", {200: metadata.FieldList}, (401, 404))
    yield Operation("POST", fields, metadata.add_field, "Add a field", {201: FieldName}, WRITE, body=metadata.NewField)
    yield Operation(
        "PATCH", field, metadata.rename_field, "Rename a field", {200: FieldName}, WRITE, body=metadata.FieldRename
    )
    yield Operation("DELETE", field, metadata.delete_field, "Delete a field", {204: "*/*"}, (401, 404, 503))
    yield Operation(
        "GET",
        f"{fields}/built-in",
        metadata.list_built_in_fields,
        "List the built-in fields",
        {200: metadata.BuiltInFields},
        (401, 404),
    )
    yield Operation(
        "POST",
        f"{fields}/built-in/{{action}}",
        metadata.switch_built_in_fields,
        "Use the built-in fields, or not",
        {200: documents.Done},
        (401, 404, 503),
    )
    yield Operation(
        "POST",
        f"{DOCUMENTS}/metadata",
        metadata.set_metadata,
        "Set the metadata of documents",
        {200: documents.Done},
        WRITE,
        body=metadata.MetadataOperations,
    )
    yield Operation("GET", tags, metadata.list_tags, "List tags", {200: "application/json"}, (401,))
    yield Operation("POST", tags, metadata.create_tag, "Make a tag", {200: TagBody}, WRITE, body=metadata.NewTag)
    yield Operation("PATCH", tags, metadata.rename_tag, "Rename a tag", {200: TagBody}, WRITE, body=metadata.TagRename)
    yield Operation("DELETE", tags, metadata.delete_tag, "Delete a tag", {204: "*/*"}, WRITE, body=metadata.TagChoice)
    yield Operation(
        "POST",
        f"{tags}/binding",
        metadata.bind_tags,
        "Give a dataset tags",
        {204: "*/*"},
        WRITE,
        body=metadata.TagBinding,
    )
    yield Operation(
        "POST",
        f"{tags}/unbinding",
        metadata.unbind_tags,
        "Take tags from a dataset",
        {204: "*/*"},
        WRITE,
        body=metadata.TagUnbinding,
    )
    yield Operation(
        "GET",
        f"{DATASET}/tags",
        metadata.list_tags_of_dataset,
        "List the tags of a dataset",
        {200: TagsOfDataset},
        (401, 404),
    )
