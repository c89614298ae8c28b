"""Operations of datasets, and of the models that they can name."""

from collections.abc import Iterator

from jikko.dify.knowledge.datasets import DatasetBody, DatasetPage
from jikko.dify.knowledge.segments import Retrieved
from jikko.http.operation import Operation
from jikko.http.routes.knowledge import datasets, retrieve
from jikko.http.tables.knowledge.parts import DATASET, DATASETS, KEYWORD, PAGES, TEXT, WRITE


def dataset_operations() -> Iterator[Operation]:
    """All of them, without what ``operations`` adds to each."""
    yield Operation(
        "POST",
        DATASETS,
        datasets.create_dataset,
        "Make a dataset",
        {200: DatasetBody},
        (*WRITE, 409),
        body=datasets.NewDataset,
    )
    yield Operation(
        "GET",
        DATASETS,
        datasets.list_datasets,
        "List datasets",
        {200: DatasetPage},
        (400, 401),
        query=(*PAGES, *KEYWORD, ("tag_ids", TEXT, "Ids of tags that they have; may be repeated.")),
    )
    yield Operation("GET", DATASET, datasets.get_dataset, "Read a dataset", {200: DatasetBody}, (401, 404))
    yield Operation(
        "PATCH",
        DATASET,
        datasets.change_dataset,
        "Change a dataset",
        {200: DatasetBody},
        WRITE,
        body=datasets.DatasetChanges,
    )
    yield Operation("DELETE", DATASET, datasets.delete_dataset, "Delete a dataset", {204: "*/*"}, (401, 404, 503))
    for path in ("retrieve", "hit-testing"):
        yield Operation(
            "POST",
            f"{DATASET}/{path}",
            retrieve.retrieve,
            "Try what a dataset finds",
            {200: Retrieved},
            WRITE,
            body=retrieve.RetrieveRequest,
        )
    yield Operation(
        "GET",
        "/v1/workspaces/current/models/model-types/{model_type}",
        datasets.models,
        "List the models of a kind",
        {200: datasets.ModelsOfKind},
        (400, 401),
    )
