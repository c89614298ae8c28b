"""What every ``SegmentStore`` does."""

import pytest
from msgspec.structs import replace

from jikko.errors import InvalidParam
from jikko.ids import new_id
from jikko.ports.stores.knowledge.records import ChildChunk, Document, Segment
from jikko.ports.stores.knowledge.segment_store import Found
from jikko.ports.stores.knowledge.stores import KnowledgeStores

from .records import MODEL, a_node, dataset_in, segments_for, segments_in, shown, vector, visible

pytestmark = pytest.mark.anyio


def unchanged(document: Document) -> Document:
    return document


def a_child(segment: Segment, position: int, content: str) -> ChildChunk:
    return ChildChunk(
        id=new_id(),
        segment_id=segment.id,
        document_id=segment.document_id,
        dataset_id=segment.dataset_id,
        version=segment.version,
        position=position,
        content=content,
        words=len(content),
        created_at=10.0,
        updated_at=10.0,
    )


def told(found: list[Found], segments: list[Segment]) -> list[tuple[str, float]]:
    """The texts that were found, with their scores."""
    texts = {each.id: each.content for each in segments}
    return [(texts[each.segment_id], round(each.score, 3)) for each in found]


async def test_segments_are_listed_by_position_and_by_a_part_of_the_text(stores: KnowledgeStores) -> None:
    dataset = await dataset_in(stores)
    document = await shown(stores, dataset, ["Red 100%", "green", "blue 🫐"])
    segments = await segments_in(stores, document)

    assert [each.content for each in segments] == ["Red 100%", "green", "blue 🫐"]
    assert all(each.enabled and each.status == "completed" for each in segments)
    found, total = await stores.segments.list_segments(document, keyword="0%", offset=0, limit=9)
    assert (found, total) == ([segments[0]], 1)
    assert await stores.segments.list_segments(document, offset=1, limit=1) == ([segments[1]], 3)
    assert (await stores.segments.list_segments(document, statuses=["indexing"], offset=0, limit=9))[1] == 0
    assert await stores.segments.last_position(document) == 3
    assert await stores.segments.segments([segments[0].id, new_id()]) == {segments[0].id: segments[0]}
    assert await stores.segments.segment(new_id(), segments[0].id) is None


async def test_what_is_nearest_comes_first(stores: KnowledgeStores) -> None:
    dataset = await dataset_in(stores)
    one = await shown(stores, dataset, ["east", "north"], "1.txt", vectors=[(1, 0), (0, 1)])
    two = await shown(stores, dataset, ["north-east", "west"], "2.txt", vectors=[(0.6, 0.8), (-1, 0)])
    segments = [*await segments_in(stores, one), *await segments_in(stores, two)]

    found = await stores.segments.search_vectors(dataset.id, MODEL, vector(1, 0), visible(one, two), 3)

    assert told(found, segments) == [("east", 1.0), ("north-east", 0.6), ("north", 0.0)]
    only = await stores.segments.search_vectors(dataset.id, MODEL, vector(1, 0), visible(two), 9)
    assert told(only, segments) == [("north-east", 0.6), ("west", -1.0)]
    assert await stores.segments.search_vectors(dataset.id, MODEL, vector(1, 0), visible(one), 0) == []
    scores = await stores.segments.scores(MODEL, vector(0, 1), [segments[0].id, segments[1].id, new_id()])
    assert {key: round(score, 3) for key, score in scores.items()} == {segments[0].id: 0.0, segments[1].id: 1.0}


async def test_equal_scores_are_in_the_order_of_documents_and_segments(stores: KnowledgeStores) -> None:
    dataset = await dataset_in(stores)
    vectors = [(0.6, 0.8)] * 3
    one = await shown(stores, dataset, ["a", "b", "c"], "1.txt", vectors=vectors)
    two = await shown(stores, dataset, ["d", "e", "f"], "2.txt", vectors=vectors)
    segments = [*await segments_in(stores, one), *await segments_in(stores, two)]

    found = await stores.segments.search_vectors(dataset.id, MODEL, vector(0.6, 0.8), visible(two, one), 5)

    assert [text for text, _ in told(found, segments)] == ["d", "e", "f", "a", "b"]


async def test_vectors_of_another_length_are_refused(stores: KnowledgeStores) -> None:
    dataset = await dataset_in(stores)
    document = await shown(stores, dataset, ["east"], vectors=[(1, 0)])

    with pytest.raises(InvalidParam):
        await stores.segments.search_vectors(dataset.id, MODEL, vector(1, 0, 0), visible(document), 3)


async def test_all_words_must_occur_and_phrases_as_they_are(stores: KnowledgeStores) -> None:
    dataset, other = await dataset_in(stores), await dataset_in(stores, "other")
    document = await shown(stores, dataset, ["owls hunt mice", "mice hunt owls often", "bees"])
    await shown(stores, other, ["owls hunt mice"])
    segments = await segments_in(stores, document)

    async def found(*words: str, k: int = 9) -> set[str]:
        hits = await stores.segments.search_words(dataset.id, words, visible(document), k)
        assert all(each.score > 0 for each in hits)
        return {text for text, _ in told(hits, segments)}

    assert await found("owls", "hunt") == {"owls hunt mice", "mice hunt owls often"}
    assert await found("owls hunt") == {"owls hunt mice"}
    assert await found("owls", "bees") == set()
    assert await found('"', "'; --") == set()
    assert len(await found("mice", k=1)) == 1


async def test_the_most_keywords_come_first(stores: KnowledgeStores) -> None:
    dataset = await dataset_in(stores)
    keywords = [["owl", "night"], ["owl", "mouse", "night"], ["bee"]]
    document = await shown(stores, dataset, ["a", "b", "c"], keywords=keywords)
    segments = await segments_in(stores, document)

    hits = await stores.segments.search_keywords(dataset.id, ["owl", "night", "mouse", "owl"], visible(document), 9)

    assert told(hits, segments) == [("b", 3.0), ("a", 2.0)]
    assert await stores.segments.search_keywords(dataset.id, ["Owl"], visible(document), 9) == []


async def test_what_is_disabled_or_deleted_is_not_found(stores: KnowledgeStores) -> None:
    dataset = await dataset_in(stores)
    texts = ["east one", "east two", "east three"]
    document = await shown(stores, dataset, texts, vectors=[(1, 0)] * 3, keywords=[["east"]] * 3)
    one, two, three = segments = await segments_in(stores, document)
    await stores.segments.change_segment(one.id, lambda each: replace(each, enabled=False))
    assert await stores.segments.delete_segment(dataset.id, two.id, unchanged)
    assert not await stores.segments.delete_segment(dataset.id, two.id, unchanged)

    at = visible(document)
    for hits in (
        await stores.segments.search_vectors(dataset.id, MODEL, vector(1, 0), at, 9),
        await stores.segments.search_words(dataset.id, ["east"], at, 9),
        await stores.segments.search_keywords(dataset.id, ["east"], at, 9),
    ):
        assert [text for text, _ in told(hits, segments)] == [three.content]


async def test_segments_are_added_and_changed_with_what_they_are_found_by(stores: KnowledgeStores) -> None:
    dataset = await dataset_in(stores)
    document = await shown(stores, dataset, ["east"], vectors=[(1, 0)])
    [new] = segments_for(document, document.version, ["north"])
    new = replace(new, position=2, enabled=True, status="completed")

    def more(each: Document) -> Document:
        return replace(each, words=each.words + 5)

    assert await stores.segments.add_segments([new], [], [a_node(new, (0, 1))], more)
    changed = await stores.segments.change_segment(
        new.id, lambda each: replace(each, content="west"), nodes=[a_node(new, (-1, 0))], document=more
    )

    assert changed is not None
    found = await stores.segments.search_vectors(dataset.id, MODEL, vector(-1, 0), visible(document), 1)
    assert told(found, [changed]) == [("west", 1.0)]
    kept = await stores.documents.document(dataset.id, document.id)
    assert kept is not None
    assert kept.words == document.words + 10
    stale = replace(new, id=new_id(), node_id=new_id(), version=document.version + 1)
    assert not await stores.segments.add_segments([stale], [], [], more)
    assert await stores.segments.change_segment(new_id(), lambda each: each) is None


async def test_child_chunks_are_found_in_the_place_of_their_segment(stores: KnowledgeStores) -> None:
    dataset = await dataset_in(stores)
    document = await shown(stores, dataset, ["parent"], vectors=[(1, 0)])
    [segment] = await segments_in(stores, document)
    made = await stores.segments.add_child(
        segment.id,
        lambda position: a_child(segment, position, "first"),
        lambda child: a_node(segment, (0, 1), child.id),
    )
    second = await stores.segments.add_child(segment.id, lambda position: a_child(segment, position, "2nd"), None)

    assert made is not None
    assert second is not None
    assert (made.position, second.position) == (1, 2)
    assert await stores.segments.children([segment.id]) == {segment.id: [made, second]}
    assert await stores.segments.list_children(segment.id, keyword="2", offset=0, limit=9) == ([second], 1)
    [hit, _] = await stores.segments.search_vectors(dataset.id, MODEL, vector(0, 1), visible(document), 2)
    assert (hit.segment_id, hit.child_id) == (segment.id, made.id)

    renewed = replace(made, content="turned")
    await stores.segments.change_child(renewed, a_node(segment, (-1, 0), made.id))
    assert await stores.segments.child(dataset.id, made.id) == renewed
    await stores.segments.delete_child(renewed)
    assert await stores.segments.child(dataset.id, made.id) is None
    hits = await stores.segments.search_vectors(dataset.id, MODEL, vector(-1, 0), visible(document), 9)
    assert [hit.child_id for hit in hits] == [None]
    assert await stores.segments.add_child(new_id(), lambda position: a_child(segment, position, "x"), None) is None
