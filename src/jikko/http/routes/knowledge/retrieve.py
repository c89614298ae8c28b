"""Trying what a dataset finds. Source: docs/dify-behaviour.md, “Knowledge API”."""

from typing import Annotated

from msgspec import Meta, Struct, to_builtins

from jikko.dify.knowledge.segment_bodies import AskedQuery, Retrieved, external_record, record_body
from jikko.errors import InvalidParam
from jikko.http.body_fields import checked, must
from jikko.http.requests import Request
from jikko.http.responses import SendableResponse, json_response
from jikko.http.routes.knowledge.dataset_access import DatasetRoute, knowledge_of
from jikko.knowledge.retrieval.metadata_conditions import conditions_of
from jikko.knowledge.retrieval.retrieval_model import checked_retrieval_model, retrieval_model_of
from jikko.ports.knowledge import SearchFailure
from jikko.values import Json


class RetrieveRequest(Struct):
    """What is looked for."""

    query: Annotated[str, Meta(max_length=250, extra=must("must be a text of at most 250 characters"))]
    retrieval_model: dict[str, Json] | None = None
    attachment_ids: list[str] | None = None


@DatasetRoute(
    "POST",
    "/v1/datasets/{dataset_id}/retrieve",
    {200: Retrieved},
    (404, 503),
    body=RetrieveRequest,
    older=("/v1/datasets/{dataset_id}/hit-testing",),
)
async def retrieve(request: Request) -> SendableResponse:
    """Try what fits best in a dataset."""
    knowledge = knowledge_of(request)
    dataset = await knowledge.datasets.get(request.path_params["dataset_id"])
    body = checked(await request.json(lists_are=InvalidParam), RetrieveRequest)
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
    return json_response(Retrieved(AskedQuery(body.query), list(to_builtins(records))))
