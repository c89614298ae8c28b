"""Operations of segments and their child chunks."""

from collections.abc import Iterator

from jikko.dify.knowledge.segments import AddedSegments, ChildPage, OneChild, OneSegment, SegmentPage
from jikko.http.operation import Operation
from jikko.http.routes.knowledge import segments
from jikko.http.tables.knowledge.parts import CHILD, CHILDREN, KEYWORD, PAGES, READ, SEGMENT, SEGMENTS, TEXT, WRITE


def segment_operations() -> Iterator[Operation]:
    """All of them, without what ``operations`` adds to each."""
    yield Operation(
        "GET",
        SEGMENTS,
        segments.list_segments,
        "List segments",
        {200: SegmentPage},
        READ,
        query=(*PAGES, *KEYWORD, ("status", TEXT, "A status; may be repeated.")),
    )
    yield Operation(
        "POST",
        SEGMENTS,
        segments.add_segments,
        "Add segments",
        {200: AddedSegments},
        WRITE,
        body=segments.NewSegments,
    )
    yield Operation("GET", SEGMENT, segments.get_segment, "Read a segment", {200: OneSegment}, (401, 404))
    yield Operation(
        "POST",
        SEGMENT,
        segments.change_segment,
        "Change a segment",
        {200: OneSegment},
        WRITE,
        body=segments.ChangedSegment,
    )
    yield Operation("DELETE", SEGMENT, segments.delete_segment, "Delete a segment", {204: "*/*"}, (401, 404, 503))
    yield Operation(
        "GET",
        CHILDREN,
        segments.list_child_chunks,
        "List child chunks",
        {200: ChildPage},
        READ,
        query=(*PAGES, *KEYWORD),
    )
    yield Operation(
        "POST",
        CHILDREN,
        segments.add_child_chunk,
        "Add a child chunk",
        {200: OneChild},
        WRITE,
        body=segments.ChildText,
    )
    yield Operation(
        "PATCH",
        CHILD,
        segments.change_child_chunk,
        "Change a child chunk",
        {200: OneChild},
        WRITE,
        body=segments.ChildText,
    )
    yield Operation("DELETE", CHILD, segments.delete_child_chunk, "Delete a child chunk", {204: "*/*"}, (401, 404, 503))
