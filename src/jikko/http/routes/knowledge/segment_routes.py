"""Segments and child chunks. Source: docs/dify-behaviour.md, “Knowledge API”."""

from typing import Annotated, Final

from msgspec import Meta, Struct
from starlette.datastructures import QueryParams

from jikko.dify.knowledge.segment_bodies import (
    AddedSegments,
    ChildPage,
    OneChild,
    OneSegment,
    SegmentPage,
    child_body,
    segment_bodies,
    segment_body,
)
from jikko.errors import InvalidParam
from jikko.http.request_fields import checked
from jikko.http.requests import Request
from jikko.http.responses import SendableResponse, json_response
from jikko.http.routes.knowledge.knowledge_requests import DatasetRoute, Paged, knowledge_of, rows_of, strict_page
from jikko.knowledge.segments import SegmentWishes
from jikko.ports.stores.knowledge_records import Document, Segment

_SEGMENTS: Final = "/v1/datasets/{dataset_id}/documents/{document_id}/segments"
_SEGMENT: Final = f"{_SEGMENTS}/{{segment_id}}"
_CHILDREN: Final = f"{_SEGMENT}/child_chunks"
_CHILD: Final = f"{_CHILDREN}/{{child_chunk_id}}"
"""Operations take path IDs in this order."""


class SegmentFilter(Paged):
    status: Annotated[str, Meta(description="A status; may be repeated.")] = ""


class NewSegment(Struct):
    content: str
    answer: str | None = None
    keywords: list[str] | None = None


class Misshaped(Struct):
    """Error for invalid segments. As in Dify, this one error of the API has neither code nor status."""

    error: str


class NewSegments(Struct):
    segments: Annotated[list[NewSegment], Meta(min_length=1)]


class SegmentChanges(SegmentWishes):
    pass


class ChangedSegment(Struct):
    segment: SegmentChanges


class ChildText(Struct):
    content: str


@DatasetRoute("GET", _SEGMENTS, (400, 404), query=SegmentFilter)
async def list_segments(request: Request) -> SegmentPage:
    """List segments, by position."""
    knowledge = knowledge_of(request)
    number, limit = strict_page(request.query)
    statuses = QueryParams(request.scope["query_string"]).getlist("status")
    document, found, total = await knowledge.segments.page(
        *request.path_params.values(),
        keyword=request.query.get("keyword", ""),
        statuses=statuses,
        number=number,
        limit=rows_of(limit),
    )
    children = await knowledge.segments.children_of(found)
    data = segment_bodies(document, found, children)
    # As in Dify, a full page means that more follow.
    return SegmentPage(data, document.form, total, len(data) == limit, limit, number)


@DatasetRoute("POST", _SEGMENTS, (404, 503), answers={200: AddedSegments}, body=NewSegments)
async def add_segments(request: Request) -> SendableResponse | AddedSegments:
    """Add segments.

    They can be retrieved as soon as this returns.
    """
    await knowledge_of(request).documents.get(*request.path_params.values())
    try:
        body = checked(await request.json(lists_are=InvalidParam), NewSegments)
    except InvalidParam as error:
        return json_response(Misshaped(str(error)), 400)
    for index, each in enumerate(body.segments):
        if not each.content.strip():
            return json_response(Misshaped(f"segments[{index}].content: is empty"), 400)
    wishes = [SegmentWishes(content=each.content, answer=each.answer, keywords=each.keywords) for each in body.segments]
    dataset_id, document_id = request.path_params.values()
    document, added = await knowledge_of(request).segments.add(dataset_id, document_id, wishes)
    children = await knowledge_of(request).segments.children_of(added)
    return AddedSegments(segment_bodies(document, added, children), document.form)


@DatasetRoute("GET", _SEGMENT, (404,))
async def get_segment(request: Request) -> OneSegment:
    """Read a segment."""
    document, segment = await knowledge_of(request).segments.get(*request.path_params.values())
    return await _shown(request, document, segment)


async def _shown(request: Request, document: Document, segment: Segment) -> OneSegment:
    children = await knowledge_of(request).segments.children_of([segment])
    return OneSegment(segment_body(segment, children.get(segment.id, ())), document.form)


@DatasetRoute("POST", _SEGMENT, (404, 503), body=ChangedSegment)
async def change_segment(request: Request) -> OneSegment:
    """Change a segment.

    A changed text can be retrieved as soon as this returns.
    """
    dataset_id, document_id, segment_id = request.path_params.values()
    await knowledge_of(request).segments.get(dataset_id, document_id, segment_id)
    wishes = checked(await request.json(lists_are=InvalidParam), ChangedSegment).segment
    document, segment = await knowledge_of(request).segments.change(dataset_id, document_id, segment_id, wishes)
    return await _shown(request, document, segment)


@DatasetRoute("DELETE", _SEGMENT, (404, 503))
async def delete_segment(request: Request) -> None:
    """Delete a segment.

    Other segments keep their positions.
    """
    await knowledge_of(request).segments.delete(*request.path_params.values())


@DatasetRoute("GET", _CHILDREN, (400, 404), query=Paged)
async def list_child_chunks(request: Request) -> ChildPage:
    """List child chunks, by position."""
    _, segment = await knowledge_of(request).segments.get(*request.path_params.values())
    number, limit = strict_page(request.query)
    limit = rows_of(limit)
    found, total = await knowledge_of(request).child_chunks.page(
        segment.id, keyword=request.query.get("keyword", ""), number=number, limit=limit
    )
    return ChildPage([child_body(each) for each in found], total, -(-total // limit), number, limit)


@DatasetRoute("POST", _CHILDREN, (404, 503), body=ChildText)
async def add_child_chunk(request: Request) -> OneChild:
    """Add a child chunk after the others."""
    dataset_id, document_id, segment_id = request.path_params.values()
    await knowledge_of(request).segments.get(dataset_id, document_id, segment_id)
    body = checked(await request.json(lists_are=InvalidParam), ChildText)
    child = await knowledge_of(request).child_chunks.add(dataset_id, document_id, segment_id, body.content)
    return OneChild(child_body(child))


@DatasetRoute("PATCH", _CHILD, (404, 503), body=ChildText)
async def change_child_chunk(request: Request) -> OneChild:
    """Change a child chunk."""
    dataset_id, document_id, segment_id, child_id = request.path_params.values()
    await knowledge_of(request).child_chunks.get(dataset_id, document_id, segment_id, child_id)
    body = checked(await request.json(lists_are=InvalidParam), ChildText)
    child = await knowledge_of(request).child_chunks.change(dataset_id, document_id, segment_id, child_id, body.content)
    return OneChild(child_body(child))


@DatasetRoute("DELETE", _CHILD, (404, 503))
async def delete_child_chunk(request: Request) -> None:
    """Delete a child chunk."""
    await knowledge_of(request).child_chunks.delete(*request.path_params.values())
