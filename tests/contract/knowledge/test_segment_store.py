"""Contract of ``SegmentStore``."""

from collections.abc import Callable, Sequence
from functools import partial
from random import Random

import pytest
from msgspec.structs import replace

from jikko.errors import InvalidParam
from jikko.ids import new_id
from jikko.ports.stores.knowledge_records import ChildChunk, Document, IndexEntry, Segment
from jikko.repositories.knowledge.knowledge_stores import KnowledgeStores
from jikko.repositories.knowledge.segment_repository import Found, Visible

from .records import MODEL, a_child, a_node, dataset_in, segments_for, segments_in, shown, vector, visible

pytestmark = pytest.mark.anyio


def unchanged(document: Document, segment: Segment) -> Document:
    return document


def child(segment: Segment, content: str) -> Callable[[int], ChildChunk]:
    """What makes a child chunk of a segment, at the position that the store gives it."""
    return lambda position: a_child(segment, position, content)


def child_node(segment: Segment, numbers: Sequence[float], child: ChildChunk) -> IndexEntry:
    return a_node(segment, numbers, child.id)


def scores_of(found: list[Found], segments: list[Segment]) -> list[tuple[str, float]]:
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
    assert await stores.segments.segments([segments[0].id, new_id()]) == {segments[0].id: segments[0]}
    assert await stores.segments.segment(new_id(), segments[0].id) is None


async def test_parts_of_texts_are_found_in_whatever_case_also_of_other_scripts(stores: KnowledgeStores) -> None:
    dataset = await dataset_in(stores, "Äpfel und ΩΜΕΓΑ")
    document = await shown(stores, dataset, ["Überall ЁЖ", "\ue000 Ⅷ 𐐀"], "Übersicht ЁЛКА.txt")
    segments = await segments_in(stores, document)
    child_made = await stores.segments.add_child(segments[0].id, child(segments[0], "Ёж и Ёлка"), None)

    for keyword in ("Äpfel", "äPF", "ωμεγα", "ΩΜ"):
        assert (await stores.datasets.list_datasets(keyword=keyword, offset=0, limit=9))[1] == 1, keyword
    for keyword in ("Übersicht", "üBER", "ёлка", "ЁЛ"):
        assert await stores.documents.list_documents(dataset.id, keyword=keyword) == ([document], 1), keyword
    for keyword, at in {"Über": 0, "üBER": 0, "ёж": 0, "\ue000 Ⅷ": 1, "𐐀": 1}.items():
        assert await stores.segments.list_segments(document, keyword=keyword, offset=0, limit=9) == ([segments[at]], 1)
    for keyword in ("Ёлка", "ёлКА", "Ёж И"):
        assert await stores.segments.list_children(segments[0].id, keyword=keyword, offset=0, limit=9) == (
            [child_made],
            1,
        ), keyword


async def test_what_is_nearest_comes_first(stores: KnowledgeStores) -> None:
    dataset = await dataset_in(stores)
    one = await shown(stores, dataset, ["east", "north"], "1.txt", vectors=[(1, 0), (0, 1)])
    two = await shown(stores, dataset, ["north-east", "west"], "2.txt", vectors=[(0.6, 0.8), (-1, 0)])
    segments = [*await segments_in(stores, one), *await segments_in(stores, two)]

    found = await stores.segments.search_vectors(dataset.id, vector(1, 0), visible(one, two), 3)

    assert scores_of(found, segments) == [("east", 1.0), ("north-east", 0.6), ("north", 0.0)]
    only = await stores.segments.search_vectors(dataset.id, vector(1, 0), visible(two), 9)
    assert scores_of(only, segments) == [("north-east", 0.6), ("west", -1.0)]
    assert await stores.segments.search_vectors(dataset.id, vector(1, 0), visible(one), 0) == []
    scores = await stores.segments.scores(MODEL, vector(0, 1), [segments[0].id, segments[1].id, new_id()])
    assert {key: round(score, 3) for key, score in scores.items()} == {segments[0].id: 0.0, segments[1].id: 1.0}
    assert await stores.segments.scores("another/model", vector(0, 1), [segments[1].id]) == {}


async def test_equal_scores_are_in_the_order_of_documents_and_segments(stores: KnowledgeStores) -> None:
    dataset = await dataset_in(stores)
    vectors = [(0.6, 0.8)] * 3
    one = await shown(stores, dataset, ["a", "b", "c"], "1.txt", vectors=vectors)
    two = await shown(stores, dataset, ["d", "e", "f"], "2.txt", vectors=vectors)
    segments = [*await segments_in(stores, one), *await segments_in(stores, two)]

    found = await stores.segments.search_vectors(dataset.id, vector(0.6, 0.8), visible(two, one), 5)

    assert [text for text, _ in scores_of(found, segments)] == ["d", "e", "f", "a", "b"]


async def test_vectors_of_another_length_are_refused(stores: KnowledgeStores) -> None:
    dataset = await dataset_in(stores)
    document = await shown(stores, dataset, ["east"], vectors=[(1, 0)])

    with pytest.raises(InvalidParam):
        await stores.segments.search_vectors(dataset.id, vector(1, 0, 0), visible(document), 3)


async def test_all_words_must_occur_and_phrases_as_they_are(stores: KnowledgeStores) -> None:
    dataset, other = await dataset_in(stores), await dataset_in(stores, "other")
    document = await shown(stores, dataset, ["owls hunt mice", "mice hunt owls often", "bees"])
    await shown(stores, other, ["owls hunt mice"])
    segments = await segments_in(stores, document)

    async def found(*words: str, k: int = 9) -> set[str]:
        hits = await stores.segments.search_words(dataset.id, words, visible(document), k)
        assert all(each.score > 0 for each in hits)
        return {text for text, _ in scores_of(hits, segments)}

    assert await found("owls", "hunt") == {"owls hunt mice", "mice hunt owls often"}
    assert await found("owls hunt") == {"owls hunt mice"}
    assert await found("owls", "bees") == set()
    assert await found('"', "'; --") == set()
    assert len(await found("mice", k=1)) == 1


async def test_words_are_found_in_any_form_and_script(stores: KnowledgeStores) -> None:
    dataset = await dataset_in(stores)
    texts = [
        "Running HORSES café",
        "東京 タワー です",
        "x\ue000y 🦉 don't stop",
        "שלום 2.5% foo/bar a_b",
        "'; \\ \" :*",
    ]
    document = await shown(stores, dataset, texts)
    segments = await segments_in(stores, document)

    async def found(*words: str) -> list[str]:
        hits = await stores.segments.search_words(dataset.id, words, visible(document), 9)
        return [text for text, _ in scores_of(hits, segments)]

    for word in ("run", "horse", "CAFE", "cafe\u0301"):
        assert await found(word) == [texts[0]], word
    for word in ("東京", "タワー", "東京 タワー"):
        assert await found(word) == [texts[1]], word
    for word in ("x\ue000y", "don't", "t stop"):
        assert await found(word) == [texts[2]], word
    for word in ("שלום", "2.5%", "5 foo", "bar a", "b"):
        assert await found(word) == [texts[3]], word
    assert await found("京") == []


async def test_the_most_keywords_come_first(stores: KnowledgeStores) -> None:
    dataset = await dataset_in(stores)
    keywords = [["owl", "night"], ["owl", "mouse", "night"], ["bee"]]
    document = await shown(stores, dataset, ["a", "b", "c"], keywords=keywords)
    segments = await segments_in(stores, document)

    hits = await stores.segments.search_keywords(dataset.id, ["owl", "night", "mouse", "owl"], visible(document), 9)

    assert scores_of(hits, segments) == [("b", 3.0), ("a", 2.0)]
    assert await stores.segments.search_keywords(dataset.id, ["Owl"], visible(document), 9) == []


async def test_the_published_version_is_found_by_its_keywords_while_its_vectors_are_made_anew(
    stores: KnowledgeStores,
) -> None:
    dataset = await dataset_in(stores)
    document = await shown(stores, dataset, ["夜の梟"], vectors=[(1, 0)], keywords=[["梟"]])
    segments = await segments_in(stores, document)
    # The text stays as it is, and is embedded by another model: a further version of its vectors alone.
    renewed = [Visible(document.id, document.version, document.index_version + 1)]

    by_keywords = await stores.segments.search_keywords(dataset.id, ["梟"], renewed, 9)

    assert scores_of(by_keywords, segments) == [("夜の梟", 1.0)]
    assert await stores.segments.search_vectors(dataset.id, vector(1, 0), renewed, 9) == []


async def test_keywords_of_any_length_are_found(stores: KnowledgeStores) -> None:
    dataset = await dataset_in(stores)
    # What cannot be made shorter by a compression, of characters of three bytes.
    long = "".join(chr(0x4E00 + byte) for byte in Random(7).randbytes(5_000))
    document = await shown(stores, dataset, ["a", "b"], keywords=[[long, f"{long}1", "owl"], ["bee"]])
    segments = await segments_in(stores, document)

    hits = await stores.segments.search_keywords(dataset.id, [long, "bee"], visible(document), 9)

    assert [each.segment_id for each in hits] == [each.id for each in segments]


@pytest.mark.parametrize("dimensions", [3_072, 4_096, 8_000])
async def test_long_vectors_are_found(stores: KnowledgeStores, dimensions: int) -> None:
    dataset = await dataset_in(stores)
    random = Random(dimensions)
    vectors = [[random.gauss(0, 1) for _ in range(dimensions)] for _ in range(2)]
    lengths = [sum(number * number for number in each) ** 0.5 for each in vectors]
    vectors = [[number / length for number in each] for each, length in zip(vectors, lengths, strict=True)]
    document = await shown(stores, dataset, ["owls", "bees"], vectors=vectors)
    segments = await segments_in(stores, document)

    [hit, _] = await stores.segments.search_vectors(dataset.id, vector(*vectors[1]), visible(document), 2)

    assert (hit.segment_id, round(hit.score, 2)) == (segments[1].id, 1.0)


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
        await stores.segments.search_vectors(dataset.id, vector(1, 0), at, 9),
        await stores.segments.search_words(dataset.id, ["east"], at, 9),
        await stores.segments.search_keywords(dataset.id, ["east"], at, 9),
    ):
        assert [text for text, _ in scores_of(hits, segments)] == [three.content]


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
    found = await stores.segments.search_vectors(dataset.id, vector(-1, 0), visible(document), 1)
    assert scores_of(found, [changed]) == [("west", 1.0)]
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
    [hit, _] = await stores.segments.search_vectors(dataset.id, vector(0, 1), visible(document), 2)
    assert (hit.segment_id, hit.child_id) == (segment.id, made.id)

    renewed = replace(made, content="turned")
    await stores.segments.change_child(renewed, a_node(segment, (-1, 0), made.id))
    assert await stores.segments.child(dataset.id, made.id) == renewed
    await stores.segments.delete_child(renewed)
    assert await stores.segments.child(dataset.id, made.id) is None
    hits = await stores.segments.search_vectors(dataset.id, vector(-1, 0), visible(document), 9)
    assert [hit.child_id for hit in hits] == [None]
    assert await stores.segments.add_child(new_id(), lambda position: a_child(segment, position, "x"), None) is None


async def test_children_are_replaced_of_one_segment_only_and_only_if_some_are_given(stores: KnowledgeStores) -> None:
    dataset = await dataset_in(stores)
    document = await shown(stores, dataset, ["one", "two"], vectors=[(1, 0), (0, 1)])
    one, two = await segments_in(stores, document)
    for segment in (one, two):
        await stores.segments.add_child(segment.id, child(segment, f"of {segment.content}"), None)

    await stores.segments.change_segment(one.id, lambda each: replace(each, content="uno"))
    kept = await stores.segments.children([one.id, two.id])
    await stores.segments.change_segment(
        one.id, lambda each: each, children=[a_child(one, 2, "b"), a_child(one, 1, "a")]
    )
    replaced = await stores.segments.children([one.id, two.id])
    await stores.segments.change_segment(one.id, lambda each: each, children=[])

    assert [[each.content for each in found] for found in kept.values()] == [["of one"], ["of two"]]
    assert [[each.content for each in found] for found in replaced.values()] == [["a", "b"], ["of two"]]
    assert await stores.segments.children([one.id, two.id]) == {one.id: [], two.id: kept[two.id]}


async def test_a_segment_that_is_changed_keeps_what_it_is_found_by_unless_that_is_changed(
    stores: KnowledgeStores,
) -> None:
    dataset = await dataset_in(stores)
    vectors = [(1, 0), (0, 1)]
    document = await shown(stores, dataset, ["owl", "bee"], vectors=vectors, keywords=[["night"], ["day"]])
    owl, _ = segments = await segments_in(stores, document)

    async def found_by(word: str) -> list[str]:
        hits = await stores.segments.search_keywords(dataset.id, [word], visible(document), 9)
        return [text for text, _ in scores_of(hits, segments)]

    async def nearest() -> list[tuple[str, float]]:
        hits = await stores.segments.search_vectors(dataset.id, vector(1, 0), visible(document), 9)
        return scores_of(hits, segments)

    await stores.segments.change_segment(owl.id, lambda each: replace(each, hits=3))
    assert (await found_by("night"), await found_by("day")) == (["owl"], ["bee"])
    assert await nearest() == [("owl", 1.0), ("bee", 0.0)]

    await stores.segments.change_segment(owl.id, lambda each: replace(each, keywords=["day", "moon"]))
    assert [await found_by(word) for word in ("night", "moon")] == [[], ["owl"]]
    assert sorted(await found_by("day")) == ["bee", "owl"]

    await stores.segments.change_segment(owl.id, lambda each: each, nodes=[a_node(owl, (-1, 0))])
    assert await nearest() == [("bee", 0.0), ("owl", -1.0)]


async def test_a_child_whose_vector_is_not_given_keeps_the_one_that_it_has(stores: KnowledgeStores) -> None:
    dataset = await dataset_in(stores)
    document = await shown(stores, dataset, ["parent"], vectors=[(1, 0)])
    [segment] = await segments_in(stores, document)
    made = [
        await stores.segments.add_child(
            segment.id,
            child(segment, text),
            partial(child_node, segment, numbers),
        )
        for text, numbers in (("north", (0, 1)), ("west", (-1, 0)))
    ]
    north, west = [each for each in made if each is not None]

    async def scores() -> dict[str | None, float]:
        hits = await stores.segments.search_vectors(dataset.id, vector(0, 1), visible(document), 9)
        return {hit.child_id: round(hit.score, 3) for hit in hits}

    await stores.segments.change_child(replace(north, content="up"), None)
    assert (await scores(), (await stores.segments.child(dataset.id, north.id))) == (
        {north.id: 1.0, None: 0.0, west.id: 0.0},
        replace(north, content="up"),
    )
    await stores.segments.change_child(north, a_node(segment, (0, -1), north.id))
    assert await scores() == {north.id: -1.0, None: 0.0, west.id: 0.0}

    await stores.segments.delete_child(north)
    assert await scores() == {None: 0.0, west.id: 0.0}
    assert await stores.segments.child(dataset.id, west.id) == west


async def test_a_segment_or_child_of_one_dataset_is_none_of_another(stores: KnowledgeStores) -> None:
    own, other = await dataset_in(stores), await dataset_in(stores, "other")
    document = await shown(stores, own, ["owl"])
    await shown(stores, other, ["bee"])
    [segment] = await segments_in(stores, document)
    made = await stores.segments.add_child(segment.id, child(segment, "x"), None)
    assert made is not None

    assert await stores.segments.segment(other.id, segment.id) is None
    assert await stores.segments.child(other.id, made.id) is None
    assert not await stores.segments.delete_segment(other.id, segment.id, unchanged)
    assert await stores.segments.segment(own.id, segment.id) == segment
    assert await stores.segments.child(own.id, made.id) == made


async def test_a_deleted_segment_takes_its_children_with_it_and_the_document_is_told(stores: KnowledgeStores) -> None:
    dataset = await dataset_in(stores)
    document = await shown(stores, dataset, ["owl", "bee"])
    owl, bee = await segments_in(stores, document)
    children = [await stores.segments.add_child(each.id, child(each, "x"), None) for each in (owl, bee)]

    assert await stores.segments.delete_segment(dataset.id, owl.id, lambda each, _: replace(each, words=1))

    assert await stores.segments.children([owl.id, bee.id]) == {owl.id: [], bee.id: [children[1]]}
    kept = await stores.documents.document(dataset.id, document.id)
    assert kept is not None
    assert kept.words == 1
    assert await segments_in(stores, document) == [bee]  # which keeps its position


async def test_children_are_listed_in_pages_and_by_a_part_of_the_text_whatever_its_case(
    stores: KnowledgeStores,
) -> None:
    dataset = await dataset_in(stores)
    [segment, other] = await segments_in(stores, await shown(stores, dataset, ["parent", "other"]))
    texts = ["Owl", "bee", "OWLET", "ant"]
    for text in texts:
        await stores.segments.add_child(segment.id, child(segment, text), None)
    await stores.segments.add_child(other.id, child(other, "owl of another"), None)

    async def page(offset: int, limit: int, keyword: str = "") -> tuple[list[str], int]:
        found, total = await stores.segments.list_children(segment.id, keyword=keyword, offset=offset, limit=limit)
        return [each.content for each in found], total

    assert await page(0, 9) == (texts, 4)
    assert [await page(offset, 2) for offset in (0, 2, 4)] == [(texts[:2], 4), (texts[2:], 4), ([], 4)]
    assert await page(0, 9, "owl") == (["Owl", "OWLET"], 2)
    assert await page(1, 1, "oWL") == (["OWLET"], 2)


async def test_hits_are_added_to_those_that_were_counted(stores: KnowledgeStores) -> None:
    dataset = await dataset_in(stores)
    document = await shown(stores, dataset, ["owl", "bee"])
    owl, _ = await segments_in(stores, document)

    await stores.segments.add_hits({owl.id: 2})
    await stores.segments.add_hits({owl.id: 3, new_id(): 1})

    assert [each.hits for each in await segments_in(stores, document)] == [5, 0]
