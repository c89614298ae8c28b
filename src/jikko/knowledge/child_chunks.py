"""Child chunks of segments: add, change, delete, with their index. Source: docs/dify-behaviour.md, “Knowledge API”."""

from msgspec.structs import replace

from jikko.errors import NotFound
from jikko.knowledge.indexing.cutting_stage import child_of
from jikko.knowledge.segments import SegmentIndex, Segments, check_length, until_unchanged
from jikko.ports.clock import Clock
from jikko.ports.stores.knowledge_records import ChildChunk
from jikko.repositories.knowledge.knowledge_stores import OpenKnowledge


class ChildChunks:
    def __init__(self, knowledge: OpenKnowledge, segments: Segments, index: SegmentIndex, clock: Clock) -> None:
        self._knowledge = knowledge
        self._segments = segments
        self._index = index
        self._clock = clock

    async def page(self, segment_id: str, *, keyword: str, number: int, limit: int) -> tuple[list[ChildChunk], int]:
        """Return a page of a segment's child chunks, by position, and the total."""
        stores = await self._knowledge.made()
        return await stores.segments.list_children(
            segment_id, keyword=keyword, offset=(number - 1) * limit, limit=limit
        )

    async def add(self, dataset_id: str, document_id: str, segment_id: str, content: str) -> ChildChunk:
        """Append a child chunk. Raises ``NotFound``, ``InvalidParam``, ``ServiceFailed`` or ``SegmentChanged``."""
        check_length("content", content)
        return await until_unchanged(lambda: self._added(dataset_id, document_id, segment_id, content))

    async def _added(self, dataset_id: str, document_id: str, segment_id: str, content: str) -> ChildChunk:
        _, segment = await self._segments.get(dataset_id, document_id, segment_id)
        place = await self._index.place(dataset_id, segment.document_id)
        stores = await self._knowledge.made()
        now = self._clock()
        # The id precedes the position.
        draft = child_of(segment, 0, content, now, type="customized")
        nodes, _ = await self._index.nodes(place, [(segment.id, draft.id, content)])
        added = await stores.segments.add_child(
            segment.id,
            lambda position: replace(draft, position=position),
            (lambda _: nodes[0]) if nodes else None,
            place.document.embedded_by,
        )
        if added is None:
            raise NotFound("Segment not found.")
        return added

    async def change(
        self, dataset_id: str, document_id: str, segment_id: str, child_id: str, content: str
    ) -> ChildChunk:
        """Change the text of a child chunk. Raises as ``add``."""
        check_length("content", content)
        return await until_unchanged(lambda: self._changed(dataset_id, document_id, segment_id, child_id, content))

    async def _changed(
        self, dataset_id: str, document_id: str, segment_id: str, child_id: str, content: str
    ) -> ChildChunk:
        place = await self._index.place(dataset_id, document_id)
        child = await self.get(dataset_id, document_id, segment_id, child_id)
        nodes, _ = await self._index.nodes(place, [(child.segment_id, child.id, content)])
        changed = replace(child, content=content, words=len(content), type="customized", updated_at=self._clock())
        stores, node = await self._knowledge.made(), nodes[0] if nodes else None
        if not await stores.segments.change_child(changed, node, place.document.embedded_by):
            raise NotFound("Child chunk not found.")
        return changed

    async def delete(self, dataset_id: str, document_id: str, segment_id: str, child_id: str) -> None:
        """Delete a child chunk. Raises ``NotFound``."""
        child = await self.get(dataset_id, document_id, segment_id, child_id)
        await (await self._knowledge.made()).segments.delete_child(child)

    async def get(self, dataset_id: str, document_id: str, segment_id: str, child_id: str) -> ChildChunk:
        """Return a child chunk. Raises ``NotFound``."""
        document, segment = await self._segments.get(dataset_id, document_id, segment_id)
        if segment.document_id != document.id:  # unlike segments, children must be of the path's document (Dify)
            raise NotFound("Segment not found.")
        child = await (await self._knowledge.made()).segments.child(segment.dataset_id, child_id.lower())
        if child is None or child.segment_id != segment.id:
            raise NotFound("Child chunk not found.")
        return child
